//! Whom an event is for (contract C2): publishers write orchestrator ids, ids of an orchestrator's
//! user, or, by an old mistake, channel ids.
//!
//! 1. A published id that has a connection here is an orchestrator's.
//! 2. Else the directory knows it, as an orchestrator's or as a user's.
//! 3. Else, if the event only names a daemon, that daemon's owner is meant.
//! 4. Else the id is taken at its word: no database row is required of an orchestrator.

use std::{sync::Arc, time::Duration};

use actix_web::web;
use quick_cache::sync::Cache;

use super::connections::Connections;
use crate::{
    backplane::{Backplane, registry::ConnectionRegistry as _},
    domain::{
        clock::{Monotonic, monotonic},
        envelope::Published,
        event::Event,
        ids::{DaemonId, OrchestratorId},
    },
    store::database::Database,
};

/// How many answers are remembered.
const CACHE_CAPACITY: usize = 100_000;
/// For how long.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// What an event may be looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// The id of an orchestrator or of its user.
    Orchestrator(OrchestratorId),
    /// A daemon instance or session.
    Daemon(DaemonId),
}

/// Finds the orchestrator that an event is for.
#[derive(Debug)]
pub struct Resolver {
    cache: Cache<Name, (Option<OrchestratorId>, Monotonic)>,
    database: Arc<Database>,
    backplane: Arc<Backplane>,
}

impl Resolver {
    /// A resolver that asks `database` and `backplane`.
    #[must_use]
    pub fn new(database: Arc<Database>, backplane: Arc<Backplane>) -> Self {
        Self { cache: Cache::new(CACHE_CAPACITY), database, backplane }
    }

    /// What `published` must be looked up by.
    #[must_use]
    pub fn name(published: &Published) -> Name {
        match &published.event.daemon {
            Some(daemon) if published.names_only_daemon => Name::Daemon(daemon.clone()),
            _ => Name::Orchestrator(published.event.orchestrator.clone()),
        }
    }

    /// The answer, if it is known without asking: `Some(None)` is a known nobody.
    #[must_use]
    pub fn cached(&self, name: &Name, connections: &Connections) -> Option<Option<OrchestratorId>> {
        if let Name::Orchestrator(id) = name
            && connections.has(id)
        {
            return Some(Some(id.clone()));
        }
        let (answer, expires) = self.cache.get(name)?;
        (monotonic() < expires).then_some(answer)
    }

    /// Asks the directory, or the registry. A directory that does not answer takes ids at their word,
    /// for this time only.
    pub async fn resolve(&self, name: Name) -> Option<OrchestratorId> {
        let (answer, certain) = match &name {
            Name::Orchestrator(id) => {
                let (database, id) = (self.database.clone(), id.clone());
                let asked = id.clone();
                match web::block(move || database.resolve(asked.as_str())).await {
                    Ok(Ok(found)) => (Some(found.map_or(id, |found| found.orchestrator)), true),
                    Ok(Err(error)) => {
                        log::warn!(error:% = error; "the directory did not answer; ids are taken at their word");
                        (Some(id), false)
                    }
                    Err(_) => (Some(id), false),
                }
            }
            Name::Daemon(daemon) => match self.backplane.owner_of(daemon).await {
                Ok(owner) => (owner, true),
                Err(_) => (None, false),
            },
        };
        if certain {
            self.cache.insert(name, (answer.clone(), monotonic().plus(CACHE_TTL)));
        }
        answer
    }
}

/// Addresses an event to its resolved target.
///
/// # Errors
/// A word for the publisher, when nobody is meant.
pub fn address(published: Published, target: Option<OrchestratorId>) -> Result<Event, &'static str> {
    let target = target.ok_or("nobody owns that daemon")?;
    let mut event = published.event;
    event.readdress(target).map_err(|_| "the event cannot be addressed")?;
    Ok(event)
}

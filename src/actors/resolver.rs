//! Whom an event is for (contract C2): publishers write orchestrator ids, ids of an orchestrator's
//! user, or, by an old mistake, channel ids.
//!
//! 1. A published id that has a connection here is an orchestrator's; one that hubs keep for themselves
//!    needs no question either.
//! 2. Else the directory knows it, as an orchestrator's or as a user's.
//! 3. Else, if the event only names a daemon, that daemon's owner is meant.
//! 4. Else the id is taken at its word: no database row is required of an orchestrator.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;

use super::{blocking::ask, connections::Connections};
use crate::{
    backplane::{Backplane, registry::ConnectionRegistry as _},
    domain::{
        authorship::{name_author, unnamed_author},
        canary::is_reserved,
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
/// For how long a directory that did not answer is not asked again.
const DIRECTORY_REST: Duration = Duration::from_secs(5);

/// What an event may be looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// The id of an orchestrator or of its user.
    Orchestrator(OrchestratorId),
    /// A daemon instance or session.
    Daemon(DaemonId),
}

/// What must be known before an event can be routed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Whom it names.
    pub name: Name,
    /// The author of the message in it, whose name is missing.
    pub author: Option<Arc<str>>,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whom it is for.
    target: Option<OrchestratorId>,
    /// What its author is called.
    author: Option<Arc<str>>,
}

/// Finds the orchestrator that an event is for, and what its author is called.
#[derive(Debug)]
pub struct Resolver {
    cache: Cache<Name, (Option<OrchestratorId>, Monotonic)>,
    authors: Cache<Arc<str>, (Option<Arc<str>>, Monotonic)>,
    database: Arc<Database>,
    /// Until when the directory rests, on the monotonic clock.
    rests_until: AtomicU64,
    backplane: Arc<Backplane>,
}

impl Resolver {
    /// A resolver that asks `database` and `backplane`.
    #[must_use]
    pub fn new(database: Arc<Database>, backplane: Arc<Backplane>) -> Self {
        let (cache, authors) = (Cache::new(CACHE_CAPACITY), Cache::new(CACHE_CAPACITY));
        Self { cache, authors, database, rests_until: AtomicU64::new(0), backplane }
    }

    /// What must be known before `published` can be routed.
    #[must_use]
    pub fn question(published: &Published) -> Question {
        let name = match &published.event.daemon {
            Some(daemon) if published.names_only_daemon => Name::Daemon(daemon.clone()),
            _ => Name::Orchestrator(published.event.orchestrator.clone()),
        };
        Question { name, author: unnamed_author(&published.event).map(Arc::from) }
    }

    /// The answer, if it is known without asking.
    #[must_use]
    pub fn cached(&self, question: &Question, connections: &Connections) -> Option<Answer> {
        let target = self.cached_target(&question.name, connections)?;
        let author = match &question.author {
            Some(id) => {
                let (name, expires) = self.authors.get(id)?;
                (monotonic() < expires).then_some(name)?
            }
            None => None,
        };
        Some(Answer { target, author })
    }

    fn cached_target(&self, name: &Name, connections: &Connections) -> Option<Option<OrchestratorId>> {
        if let Name::Orchestrator(id) = name
            && (connections.has(id) || is_reserved(id))
        {
            return Some(Some(id.clone()));
        }
        let (answer, expires) = self.cache.get(name)?;
        (monotonic() < expires).then_some(answer)
    }

    /// The orchestrator that an id stands for.
    pub async fn orchestrator(&self, id: &OrchestratorId, connections: &Connections) -> OrchestratorId {
        let name = Name::Orchestrator(id.clone());
        let found = match self.cached_target(&name, connections) {
            Some(known) => known,
            None => self.target(name).await,
        };
        found.unwrap_or_else(|| id.clone())
    }

    /// Asks for what is not known.
    pub async fn resolve(&self, question: &Question) -> Answer {
        let target = self.target(question.name.clone()).await;
        let author = match &question.author {
            Some(id) => self.author(id).await,
            None => None,
        };
        Answer { target, author }
    }

    /// What the accounts call an author. Nothing is waited for long: without an answer the message goes
    /// on without the name.
    async fn author(&self, id: &Arc<str>) -> Option<Arc<str>> {
        let known = self.authors.get(id).filter(|(_, expires)| monotonic() < *expires);
        if let Some((name, _)) = known {
            return name;
        }
        let asked = id.clone();
        let rests = monotonic().0 < self.rests_until.load(Ordering::Relaxed);
        let answer = if rests {
            None
        } else {
            ask(&self.database, move |database| database.user_name(&asked)).await.ok()
        };
        let (name, believed) = match answer {
            Some(name) => (name.map(Arc::from), CACHE_TTL),
            _ => (None, DIRECTORY_REST),
        };
        self.authors.insert(id.clone(), (name.clone(), monotonic().plus(believed)));
        name
    }

    /// Asks the directory, or the registry. A directory that does not answer takes ids at their word,
    /// for this time only.
    async fn target(&self, name: Name) -> Option<OrchestratorId> {
        let (answer, certain) = match &name {
            Name::Orchestrator(id) => match self.ask_directory(id.clone()).await {
                Some(answer) => (Some(answer), true),
                None => (Some(id.clone()), false),
            },
            Name::Daemon(daemon) => match self.backplane.owner_of(daemon).await {
                // Nobody today may be somebody in a moment.
                Ok(owner) => {
                    let certain = owner.is_some();
                    (owner, certain)
                }
                Err(_) => (None, false),
            },
        };
        if certain {
            self.cache.insert(name, (answer.clone(), monotonic().plus(CACHE_TTL)));
        }
        answer
    }
}

impl Resolver {
    /// Whose id it is by the directory's word; its own, when the directory does not know it. `None`
    /// when the directory does not answer: then it rests for a while, so that events do not queue up
    /// behind its time-outs.
    async fn ask_directory(&self, id: OrchestratorId) -> Option<OrchestratorId> {
        if monotonic().0 < self.rests_until.load(Ordering::Relaxed) {
            return None;
        }
        let asked = id.clone();
        match ask(&self.database, move |database| database.resolve(asked.as_str())).await {
            Ok(found) => Some(found.map_or(id, |found| found.orchestrator)),
            Err(error) => {
                log::warn!(error:% = error; "the directory did not answer; ids are taken at their word");
                self.rests_until.store(monotonic().plus(DIRECTORY_REST).0, Ordering::Relaxed);
                None
            }
        }
    }
}

/// Addresses an event to its target, and names its author.
///
/// # Errors
/// A word for the publisher, when nobody is meant.
pub fn address(published: Published, answer: Answer) -> Result<Event, &'static str> {
    let target = answer.target.ok_or("nobody owns that daemon")?;
    let mut event = published.event;
    event.readdress(target).map_err(|_| "the event cannot be addressed")?;
    if let Some(name) = answer.author {
        name_author(&mut event, &name);
    }
    Ok(event)
}

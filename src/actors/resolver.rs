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

use super::{blocking::ask, connections::Connections, ingress_rules::IngressRules};
use crate::{
    backplane::{Backplane, registry::ConnectionRegistry as _},
    domain::{
        authorship::{name_author, unnamed_author},
        canary::is_reserved,
        clock::{Monotonic, monotonic},
        envelope::Published,
        event::Event,
        ids::{DaemonId, OrchestratorId, OrganizationId},
    },
    store::{database::Database, directory::ResolvedOrchestrator},
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
    /// Whose orchestrator it is.
    home: Home,
}

impl Answer {
    /// Whom the event is for, and whose orchestrator that is.
    #[must_use]
    pub fn target(&self) -> Option<(&OrchestratorId, &Home)> {
        Some((self.target.as_ref()?, &self.home))
    }
}

/// Whose orchestrator it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// The directory says, or has said.
    Listed(OrganizationId),
    /// The directory does not know it.
    Unlisted,
    /// Nobody asked, or the directory did not answer.
    Unknown,
}

impl From<Option<OrganizationId>> for Home {
    fn from(home: Option<OrganizationId>) -> Self {
        home.map_or(Self::Unlisted, Self::Listed)
    }
}

/// An orchestrator and whose it is.
#[derive(Debug, Clone)]
struct Found {
    target: Option<OrchestratorId>,
    home: Home,
}

/// Finds the orchestrator that an event is for, and what its author is called.
#[derive(Debug)]
pub struct Resolver {
    cache: Cache<Name, (Found, Monotonic)>,
    authors: Cache<Arc<str>, (Option<Arc<str>>, Monotonic)>,
    database: Arc<Database>,
    /// Until when the directory rests, on the monotonic clock.
    rests_until: AtomicU64,
    backplane: Arc<Backplane>,
    rules: Arc<IngressRules>,
}

impl Resolver {
    /// A resolver that asks `database` and `backplane`. Whose an orchestrator is matters while there are
    /// `rules`.
    #[must_use]
    pub fn new(database: Arc<Database>, backplane: Arc<Backplane>, rules: Arc<IngressRules>) -> Self {
        Self {
            cache: Cache::new(CACHE_CAPACITY),
            authors: Cache::new(CACHE_CAPACITY),
            database,
            rests_until: AtomicU64::new(0),
            backplane,
            rules,
        }
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
        let Found { target, home } = self.cached_target(&question.name, connections)?;
        let author = match &question.author {
            Some(id) => {
                let (name, expires) = self.authors.get(id)?;
                (monotonic() < expires).then_some(name)?
            }
            None => None,
        };
        Some(Answer { target, author, home })
    }

    fn cached_target(&self, name: &Name, connections: &Connections) -> Option<Found> {
        let connected = match name {
            Name::Orchestrator(id) if is_reserved(id) => return Some(Found::at_its_word(id)),
            Name::Orchestrator(id) => Some(id).filter(|id| connections.has(id)),
            Name::Daemon(_) => None,
        };
        let is_active = self.rules.are_active();
        if let Some(id) = connected {
            // Whose it is, is read again every now and then while somebody is connected.
            let home = if is_active { Home::from(self.rules.home(id)?) } else { Home::Unknown };
            return Some(Found { target: Some(id.clone()), home });
        }
        let (found, expires) = self.cache.get(name)?;
        // What was found while nobody asked whose it is must be found again.
        let is_enough = !is_active || found.home != Home::Unknown;
        (is_enough && monotonic() < expires).then_some(found)
    }

    /// The orchestrator that an id stands for.
    pub async fn orchestrator(&self, id: &OrchestratorId, connections: &Connections) -> OrchestratorId {
        let name = Name::Orchestrator(id.clone());
        let found = match self.cached_target(&name, connections) {
            Some(known) => known,
            None => self.find(name).await,
        };
        found.target.unwrap_or_else(|| id.clone())
    }

    /// Asks whose the queue of an orchestrator is, if that matters to somebody whose token names
    /// `organization`, and nobody knows it.
    pub async fn learn_home(&self, id: &OrchestratorId, organization: Option<&OrganizationId>) {
        if self.rules.needs_home(id, organization) {
            self.ask_directory(id.clone()).await;
        }
    }

    /// Asks for what is not known.
    pub async fn resolve(&self, question: &Question, connections: &Connections) -> Answer {
        let connected = match &question.name {
            Name::Orchestrator(id) => Some(id).filter(|id| connections.has(id)),
            Name::Daemon(_) => None,
        };
        let Found { target, home } = self.find(question.name.clone()).await.of_connected(connected);
        let author = match &question.author {
            Some(id) => self.author(id).await,
            None => None,
        };
        Answer { target, author, home }
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
    async fn find(&self, name: Name) -> Found {
        let (found, certain) = match &name {
            Name::Orchestrator(id) => self.ask_directory(id.clone()).await,
            Name::Daemon(daemon) => match self.backplane.owner_of(daemon).await {
                Ok(Some(owner)) if self.rules.are_active() => {
                    let (found, certain) = self.ask_directory(owner.clone()).await;
                    (found.of_connected(Some(&owner)), certain)
                }
                // Nobody today may be somebody in a moment.
                Ok(owner) => {
                    let certain = owner.is_some() && !self.rules.are_active();
                    (Found { target: owner, home: Home::Unknown }, certain)
                }
                Err(_) => (Found { target: None, home: Home::Unknown }, false),
            },
        };
        if certain {
            self.cache.insert(name, (found.clone(), monotonic().plus(CACHE_TTL)));
        }
        found
    }

    /// Whose id it is by the directory's word, and whether that is its word; its own, when the directory
    /// does not know it. When the directory does not answer it rests for a while, so that events do not
    /// queue up behind its time-outs; what it said before holds.
    async fn ask_directory(&self, id: OrchestratorId) -> (Found, bool) {
        let unanswered = |id: OrchestratorId| {
            let home = self.rules.home(&id).map_or(Home::Unknown, Home::from);
            (Found { target: Some(id), home }, false)
        };
        if monotonic().0 < self.rests_until.load(Ordering::Relaxed) {
            return unanswered(id);
        }
        let asked = id.clone();
        match ask(&self.database, move |database| database.resolve(asked.as_str())).await {
            Ok(Some(ResolvedOrchestrator { orchestrator, organization })) => {
                self.rules.note_home(&orchestrator, Some(&organization));
                if orchestrator != id {
                    self.rules.note_home(&id, None);
                }
                (Found { target: Some(orchestrator), home: Home::Listed(organization) }, true)
            }
            Ok(None) => {
                self.rules.note_home(&id, None);
                (Found { target: Some(id), home: Home::Unlisted }, true)
            }
            Err(error) => {
                log::warn!(error:% = error; "the directory did not answer; ids are taken at their word");
                self.rests_until.store(monotonic().plus(DIRECTORY_REST).0, Ordering::Relaxed);
                unanswered(id)
            }
        }
    }
}

impl Found {
    /// Nobody was asked.
    fn at_its_word(id: &OrchestratorId) -> Self {
        Self { target: Some(id.clone()), home: Home::Unknown }
    }

    /// The same, where `connected` is known to be the orchestrator itself, whatever else is called so.
    fn of_connected(self, connected: Option<&OrchestratorId>) -> Self {
        match connected {
            Some(id) if self.target.as_ref() != Some(id) => {
                Self { target: Some(id.clone()), home: Home::Unlisted }
            }
            _ => self,
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

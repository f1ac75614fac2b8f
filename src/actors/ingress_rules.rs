//! Who must sign what: the rules of all organizations, kept in memory and read again every few seconds.
//!
//! As long as no organization has a rule, nothing is looked at and an event costs nothing. A database that
//! is away changes nothing: the last rules stay.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, AsyncContext as _, Context, Handler, Message, Supervised};
use arc_swap::ArcSwap;
use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use super::{
    blocking::ask,
    connections::Connections,
    resolver::{Answer, Home},
    services::Shared,
};
use crate::{
    auth::{ingress_signature::Signature, seal::Sealer},
    config::Secret,
    domain::{
        clock::{Timestamp, now},
        event::Event,
        ids::{OrchestratorId, OrganizationId},
        ingress::{IngressPolicy, SignatureFault, Signed},
    },
    store::{accounts::ingress::IngressRule, database::Database},
};

/// Of how many orchestrators it is remembered whose they are.
const HOMES: usize = 100_000;
/// How often the rules are read again.
const REFRESH: Duration = Duration::from_secs(5);

/// Every rule, by what it is asked by.
#[derive(Debug, Default)]
struct Book {
    policies: HashMap<OrganizationId, IngressPolicy>,
    keys: HashMap<String, (OrganizationId, Secret)>,
    strictest: IngressPolicy,
}

impl Book {
    fn new(rules: Vec<IngressRule>) -> Self {
        let mut book = Self::default();
        for IngressRule { organization, policy, keys } in rules {
            if policy == IngressPolicy::Require || book.strictest == IngressPolicy::Off {
                book.strictest = policy;
            }
            let keys = keys.into_iter().map(|key| (key.kid, (organization.clone(), key.secret)));
            book.keys.extend(keys);
            book.policies.insert(organization, policy);
        }
        book
    }

    fn policy(&self, organization: Option<&OrganizationId>) -> IngressPolicy {
        organization.and_then(|organization| self.policies.get(organization)).copied().unwrap_or_default()
    }
}

/// The rules in effect, and the seal that goes with them.
#[derive(Debug)]
pub struct IngressRules {
    book: ArcSwap<Book>,
    /// The last word of the directory about whose an orchestrator is.
    homes: Cache<OrchestratorId, OrganizationId>,
    active: AtomicBool,
    window: Duration,
    sealer: Option<Sealer>,
}

/// What was found about an event's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: SignatureFault,
    /// Whether the event is refused for it; otherwise it is only counted.
    pub refused: bool,
}

impl IngressRules {
    /// No rules yet. Signatures are taken for `window` before and after they were made; `jwt_secret` is
    /// what the seal follows from.
    #[must_use]
    pub fn new(window: Duration, jwt_secret: &Secret) -> Self {
        Self {
            book: ArcSwap::default(),
            homes: Cache::new(HOMES),
            active: AtomicBool::new(false),
            window,
            sealer: Sealer::new(jwt_secret),
        }
    }

    /// Whether any organization has a rule or a key.
    #[must_use]
    pub fn are_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Puts these rules into effect.
    pub fn replace(&self, rules: Vec<IngressRule>) {
        let active = !rules.is_empty();
        self.book.store(Arc::new(Book::new(rules)));
        self.active.store(active, Ordering::Relaxed);
    }

    /// Remembers the directory's word about whose an orchestrator is.
    pub fn note_home(&self, orchestrator: &OrchestratorId, organization: &OrganizationId) {
        self.homes.insert(orchestrator.clone(), organization.clone());
    }

    /// The directory's last word about whose an orchestrator is.
    #[must_use]
    pub fn home(&self, orchestrator: &OrchestratorId) -> Option<OrganizationId> {
        self.homes.get(orchestrator)
    }

    /// Judges an event that came in where nobody had to prove who they are. The rule that counts is that
    /// of the organization whose orchestrator it is for, so that nobody gets round it by naming another.
    #[must_use]
    pub fn judge(
        &self,
        event: &Event,
        home: (Option<OrganizationId>, bool),
        signed: Option<&Signed>,
        text: &[u8],
        now: Timestamp,
    ) -> Option<Finding> {
        let book = self.book.load();
        let (home, is_certain) = home;
        // Nobody knows whose orchestrator it is: then it is treated like the most careful one's.
        let policy = if is_certain { book.policy(home.as_ref()) } else { book.strictest };
        if policy == IngressPolicy::Off {
            return None;
        }
        let fault = self.verify(&book, event, home.as_ref(), signed, text, now).err()?;
        Some(Finding { fault, refused: policy == IngressPolicy::Require })
    }

    fn verify(
        &self,
        book: &Book,
        event: &Event,
        home: Option<&OrganizationId>,
        signed: Option<&Signed>,
        text: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        let signed = signed.ok_or(SignatureFault::Unsigned)?;
        let (owner, secret) = book.keys.get(&*signed.key).ok_or(SignatureFault::UnknownKey)?;
        let signature = Signature::parse(&signed.signature).ok_or(SignatureFault::BadSignature)?;
        if !signature.is_of(secret, text) {
            return Err(SignatureFault::BadSignature);
        }
        if !signature.is_fresh(now, self.window) {
            return Err(SignatureFault::Expired);
        }
        let named = event.organization.as_ref().is_none_or(|named| named == owner);
        if named && home == Some(owner) { Ok(()) } else { Err(SignatureFault::WrongOrganization) }
    }

    /// What seals, while there are rules.
    #[must_use]
    pub fn sealer(&self) -> Option<&Sealer> {
        self.sealer.as_ref().filter(|_| self.are_active())
    }

    /// Whether what lies in a queue of `orchestrator`, or came from another hub, was taken in by a hub of
    /// this fleet, where `organization` wants to know.
    #[must_use]
    pub fn is_trusted(
        &self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        body: &[u8],
    ) -> bool {
        let Some(sealer) = self.sealer() else { return true };
        let home = self.home(orchestrator);
        let policy = self.book.load().policy(home.as_ref().or(organization));
        policy != IngressPolicy::Require || sealer.is_sealed(orchestrator, body)
    }
}

/// The organization of an orchestrator: by the directory, else by the tokens of those who are connected,
/// else by the event's own word; and whether that is certain enough to be lenient.
#[must_use]
pub fn home_of(
    home: &Home,
    orchestrator: &OrchestratorId,
    connections: &Connections,
    event: &Event,
) -> (Option<OrganizationId>, bool) {
    if let Home::Listed(organization) = home {
        return (Some(organization.clone()), true);
    }
    let mut connected = None;
    connections.for_orchestrator(orchestrator, |handle| {
        let organization = handle.identity().and_then(|identity| identity.organization.clone());
        connected = connected.take().or(organization);
    });
    match connected {
        Some(organization) => (Some(organization), true),
        None => (event.organization.clone(), *home == Home::Unlisted),
    }
}

/// Where an event comes from, as far as trust goes.
#[derive(Debug, Clone)]
pub enum Provenance {
    /// From somebody who has proved who they are, or from the hub itself.
    Vouched,
    /// From a place where anybody may write who reaches Redis.
    Open {
        /// What its publisher says to prove who it is.
        signed: Option<Signed>,
        /// What must be signed.
        text: Bytes,
    },
    /// From another hub, or from somebody who pretends to be one.
    Peer {
        /// What must be sealed.
        text: Bytes,
    },
}

/// Whether an event may come in, for all that is known of its publisher. What is wrong is counted, and
/// logged once of each kind.
///
/// # Errors
/// What is wrong, where that is a reason to refuse it.
pub fn admit(
    shared: &Shared,
    event: &Event,
    answer: &Answer,
    provenance: &Provenance,
) -> Result<(), SignatureFault> {
    let Some((target, home)) = answer.target().filter(|_| shared.rules.are_active()) else { return Ok(()) };
    let home = home_of(home, target, &shared.connections, event);
    let finding = match provenance {
        Provenance::Vouched => None,
        Provenance::Open { signed, text } => {
            shared.rules.judge(event, home, signed.as_ref(), text, now().wall)
        }
        Provenance::Peer { text } => {
            let is_trusted = shared.rules.is_trusted(target, home.0.as_ref(), text);
            (!is_trusted).then_some(Finding { fault: SignatureFault::Unsigned, refused: true })
        }
    };
    let Some(Finding { fault, refused }) = finding else { return Ok(()) };
    shared.metrics.ingress.badly_signed(fault);
    let (event, orchestrator) = (event.id.as_str(), target.as_str());
    log::log!(shared.first_of_its_kind(fault.as_str()), event, orchestrator, refused, reason = fault.as_str();
        "an event is not rightly signed");
    if refused { Err(fault) } else { Ok(()) }
}

/// Reads the rules for as long as the hub runs.
pub struct RuleKeeper {
    /// One at a time: an older answer must not replace a newer one.
    turn: Arc<Mutex<()>>,
    shared: Arc<Shared>,
    database: Arc<Database>,
}

/// To the keeper: the rules were changed, here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReadRules;

impl RuleKeeper {
    /// A keeper of the rules in `database`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, database: Arc<Database>) -> Self {
        Self { turn: Arc::default(), shared, database }
    }
}

impl Actor for RuleKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(ReadRules);
        ctx.run_interval(REFRESH, |_, ctx| ctx.notify(ReadRules));
    }
}

impl Supervised for RuleKeeper {}

impl Handler<ReadRules> for RuleKeeper {
    type Result = actix::ResponseFuture<()>;

    fn handle(&mut self, _: ReadRules, _: &mut Self::Context) -> Self::Result {
        let (shared, database, turn) = (self.shared.clone(), self.database.clone(), self.turn.clone());
        Box::pin(async move {
            let _turn = turn.lock().await;
            match ask(&database, |database| database.ingress_rules()).await {
                Ok(rules) => shared.rules.replace(rules),
                Err(error) => log::log!(shared.first_of_its_kind("ingress_rules"), error:% = error;
                    "the rules of signed events cannot be read; the last ones stay"),
            }
        })
    }
}

#[cfg(test)]
mod tests;

//! Who must sign what: the rules of all organizations, kept in memory.
//!
//! * `book`: the rules as they are asked; `admission`: whether an event may come in; `keeper`: reads
//!   the rules again and again; `memory`: keeps them over a restart.
//! * A signature is proof at the door. What has passed is sealed, so that whoever can write into Redis
//!   cannot put an event where only hubs put them.
//! * As long as no organization has a rule or a key, nothing is looked at, and an event costs nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;

use self::book::Book;
use crate::{
    auth::{ingress_signature::Signature, seal::Sealer},
    config::Secret,
    domain::{
        canary::is_reserved,
        clock::{Now, Timestamp},
        event::{Event, MAX_EVENT_BYTES},
        ids::{OrchestratorId, OrganizationId},
        ingress::{IngressPolicy, SignatureFault, Signed},
    },
    store::accounts::ingress::IngressRule,
};

pub mod admission;
mod book;
pub mod keeper;
pub mod memory;

/// Of how many orchestrators it is remembered whose they are.
const HOMES: usize = 100_000;

/// The rules in effect, and the seal that goes with them.
#[derive(Debug)]
pub struct IngressRules {
    book: ArcSwap<Book>,
    /// The directory's last word about whose an orchestrator is; `None` in it: nobody's that it knows.
    homes: Cache<OrchestratorId, Option<OrganizationId>>,
    active: AtomicBool,
    known: AtomicBool,
    window: Duration,
    sealer: Option<Sealer>,
}

/// Whose an orchestrator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The organization, if there is one.
    pub organization: Option<OrganizationId>,
    /// Whether somebody who can be believed has said so. If not, the strictest of all policies counts.
    pub is_certain: bool,
}

/// Who answers for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nobody whom the hub knows.
    None,
    /// The hub, or somebody who has proved to it who they are.
    Hub,
    /// Whoever has a key of this organization.
    Organization(OrganizationId),
}

/// What was found about an event's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: SignatureFault,
    /// Whether the event is refused for it; otherwise it is only counted.
    pub refused: bool,
}

/// Whether a hub has put an event where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It has, or nobody asks for it.
    Yes,
    /// It has not.
    No,
    /// That depends on whose the orchestrator is, and nobody can say it now.
    Undecided,
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
            known: AtomicBool::new(false),
            window,
            sealer: Sealer::new(jwt_secret),
        }
    }

    /// Whether any organization has a rule or a key.
    #[must_use]
    pub fn are_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether the rules were read, ever.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Puts these rules into effect.
    pub fn replace(&self, rules: Vec<IngressRule>, now: Now) {
        let active = !rules.is_empty();
        let before = self.book.load();
        let before = self.are_known().then(|| &**before);
        self.book.store(Arc::new(Book::new(rules, before, now.mono)));
        self.active.store(active, Ordering::Relaxed);
        self.known.store(true, Ordering::Relaxed);
    }

    /// Remembers the directory's word about whose an orchestrator is.
    pub fn note_home(&self, orchestrator: &OrchestratorId, organization: Option<&OrganizationId>) {
        self.homes.insert(orchestrator.clone(), organization.cloned());
    }

    /// The directory's last word about whose an orchestrator is; `None` when it was never asked.
    #[must_use]
    pub fn home(&self, orchestrator: &OrchestratorId) -> Option<Option<OrganizationId>> {
        self.homes.get(orchestrator)
    }

    /// Whether the directory must be asked before a queue of `orchestrator` can be judged, for somebody
    /// whose token names `organization`.
    #[must_use]
    pub fn needs_home(&self, orchestrator: &OrchestratorId, organization: Option<&OrganizationId>) -> bool {
        self.are_active()
            && organization.is_none()
            && self.book.load().strictest() == IngressPolicy::Require
            && self.home(orchestrator).is_none()
    }

    /// Judges an event that came in where nobody had to prove who they are: who answers for it, and what
    /// is wrong. The rule that counts is that of the organization whose orchestrator it is for, so that
    /// nobody gets round it by naming another.
    #[must_use]
    pub fn judge(
        &self,
        event: &Event,
        owner: &Owner,
        signed: Option<&Signed>,
        text: &[u8],
        now: Timestamp,
    ) -> (Proof, Option<Finding>) {
        let book = self.book.load();
        let policy = policy_of(&book, owner);
        if signed.is_none() && policy == IngressPolicy::Off {
            return (Proof::None, None);
        }
        match self.verify(&book, event, owner, signed, text, now) {
            Ok(signer) => (Proof::Organization(signer), None),
            // Nobody looks; it is only not sealed.
            Err(_) if policy == IngressPolicy::Off => (Proof::None, None),
            Err(fault) => (Proof::None, Some(Finding { fault, refused: policy == IngressPolicy::Require })),
        }
    }

    /// Whose signature it is.
    fn verify(
        &self,
        book: &Book,
        event: &Event,
        owner: &Owner,
        signed: Option<&Signed>,
        text: &[u8],
        now: Timestamp,
    ) -> Result<OrganizationId, SignatureFault> {
        let signed = signed.ok_or(SignatureFault::Unsigned)?;
        let (signer, secret) = book.key(&signed.key).ok_or(SignatureFault::UnknownKey)?;
        let signature = Signature::parse(&signed.signature).ok_or(SignatureFault::BadSignature)?;
        if !signature.is_of(secret, text) {
            return Err(SignatureFault::BadSignature);
        }
        if !signature.is_fresh(now, self.window) {
            return Err(SignatureFault::Expired);
        }
        let is_named = event.organization.as_ref().is_none_or(|named| named == signer);
        let is_owner = match &owner.organization {
            Some(organization) => organization == signer,
            // Whoever has the queue may still ask for its own organization's seal.
            None => owner.is_certain,
        };
        if is_named && is_owner { Ok(signer.clone()) } else { Err(SignatureFault::WrongOrganization) }
    }

    /// Seals an event that somebody answers for, where somebody may want to know. `false` when it would
    /// be too large then.
    #[must_use]
    pub fn seal(&self, event: &mut Event, proof: &Proof) -> bool {
        let signer = match proof {
            Proof::None => return true,
            Proof::Hub if !self.is_wanted(&event.orchestrator) => return true,
            Proof::Hub => None,
            Proof::Organization(signer) => Some(signer),
        };
        let Some(sealer) = &self.sealer else { return true };
        let sealed = sealer.seal(&event.orchestrator, signer, &event.body);
        let fits = sealed.len() <= MAX_EVENT_BYTES;
        if fits {
            event.body = sealed;
        }
        fits
    }

    /// What seals the hub's own entries in lists, where somebody may want to know.
    #[must_use]
    pub fn sealer_for(&self, orchestrator: &OrchestratorId) -> Option<&Sealer> {
        self.sealer.as_ref().filter(|_| self.is_wanted(orchestrator))
    }

    /// Whether what is kept for an orchestrator is to be sealed. An organization that has a key, or looks
    /// at signatures, may want them tomorrow; so may everybody while nobody knows the rules.
    fn is_wanted(&self, orchestrator: &OrchestratorId) -> bool {
        if !self.are_active() {
            return !self.are_known();
        }
        !is_reserved(orchestrator)
            && match self.home(orchestrator) {
                Some(Some(organization)) => self.book.load().has(&organization),
                _ => true,
            }
    }

    /// Whose the queue of an orchestrator is: by the directory, else by the token of the one who reads it,
    /// else by the word of what lies in it.
    pub fn owner_of_queue(
        &self,
        orchestrator: &OrchestratorId,
        reader: Option<&OrganizationId>,
        named: impl FnOnce() -> Option<OrganizationId>,
    ) -> Owner {
        match (self.home(orchestrator), reader) {
            (Some(Some(organization)), _) => Owner { organization: Some(organization), is_certain: true },
            (_, Some(reader)) => Owner { organization: Some(reader.clone()), is_certain: true },
            (Some(None), None) => Owner { organization: named(), is_certain: true },
            (None, None) => Owner { organization: named(), is_certain: false },
        }
    }

    /// Whether what lies in a queue of `orchestrator`, or came from another hub, was put there by a hub of
    /// this fleet that knew who answers for it, where its owner wants to know.
    #[must_use]
    pub fn trust(&self, orchestrator: &OrchestratorId, owner: &Owner, body: &[u8], now: Now) -> Trust {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.are_active()) else { return Trust::Yes };
        let book = self.book.load();
        if is_reserved(orchestrator) || policy_of(&book, owner) != IngressPolicy::Require {
            return Trust::Yes;
        }
        let organization = owner.organization.as_ref();
        if sealer.is_sealed(orchestrator, organization.filter(|_| owner.is_certain), body) {
            return Trust::Yes;
        }
        if !owner.is_certain {
            return Trust::Undecided;
        }
        match organization {
            Some(organization) if book.is_sealed_everywhere(organization, now.mono) => Trust::No,
            _ => Trust::Yes,
        }
    }
}

/// Nobody knows whose orchestrator it is: then it is treated like the most careful one's.
fn policy_of(book: &Book, owner: &Owner) -> IngressPolicy {
    match &owner.organization {
        _ if !owner.is_certain => book.strictest(),
        Some(organization) => book.policy(organization),
        None => IngressPolicy::Off,
    }
}

#[cfg(test)]
mod tests;

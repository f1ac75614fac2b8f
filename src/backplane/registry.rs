//! Who is connected, over all hubs.

use std::{future::Future, sync::Arc};

use super::Result;
use crate::domain::{
    clock::Timestamp,
    gap::Gap,
    ids::{ConnectionId, DaemonId, NodeId, OrchestratorId, OrganizationId, SessionId},
    scope::ScopeSet,
    subscription::Subscriptions,
};

/// A connection that asks to be counted.
#[derive(Debug, Clone)]
pub struct Attach {
    /// The connection.
    pub connection: ConnectionId,
    /// The hub that holds it.
    pub node: NodeId,
    /// Whose daemon it is.
    pub orchestrator: OrchestratorId,
    /// The daemon instance.
    pub daemon: DaemonId,
    /// Its authentication session; created when there is none.
    pub session: SessionId,
    /// Its tenant, when the token names one.
    pub organization: Option<OrganizationId>,
    /// The token's id, to look for its revocation.
    pub jti: Option<String>,
    /// When the token was issued, when it says so.
    pub issued_at: Option<Timestamp>,
    /// What the token allows.
    pub scopes: ScopeSet,
    /// How many connections the orchestrator may have.
    pub limit: u32,
    /// When.
    pub now: Timestamp,
}

/// What came of an [`Attach`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachOutcome {
    /// The connection counts.
    Attached(Attached),
    /// The orchestrator has as many connections as it may have.
    QuotaExceeded,
    /// The token was revoked, by whatever ([`super::revocations::Revocation`]), or its session is over.
    Revoked,
}

/// A connection that counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// An older connection of the same daemon instance, which counts no more and must close.
    pub replaced: Option<Replaced>,
    /// What the same daemon instance was subscribed to.
    pub subscriptions: Option<Subscriptions>,
    /// How many events wait in the orchestrator's queue.
    pub depth: u64,
    /// Events that were lost to this daemon since it was last told, or, if it was never told, since any
    /// daemon of the orchestrator was. Telling counts: the next one hears of later losses only.
    pub gap: Option<Gap>,
    /// Whether an original publisher has left a list to be drained.
    pub legacy: bool,
}

/// An older connection of the same daemon instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Which.
    pub connection: ConnectionId,
    /// The hub that holds it.
    pub node: NodeId,
}

/// What a daemon instance is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whose daemon.
    pub orchestrator: OrchestratorId,
    /// Which instance.
    pub daemon: DaemonId,
    /// What to. Empty: it is forgotten.
    pub subscriptions: Arc<Subscriptions>,
}

/// A connection that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detach {
    /// Which.
    pub connection: ConnectionId,
    /// Whose it was.
    pub orchestrator: OrchestratorId,
    /// Which instance it was.
    pub daemon: DaemonId,
}

/// Connections of all hubs, with quota and take-over.
pub trait ConnectionRegistry {
    /// Counts a connection, in one atomic step: revocation, take-over by daemon instance, quota.
    fn attach(&self, request: &Attach) -> impl Future<Output = Result<AttachOutcome>> + Send;

    /// Stops counting connections. Unknown ones are ignored.
    fn detach(&self, gone: &[Detach]) -> impl Future<Output = Result<()>> + Send;

    /// Remembers what daemon instances are subscribed to, for their next connection.
    fn save_subscriptions(&self, remembered: &[Remembered]) -> impl Future<Output = Result<()>> + Send;

    /// The orchestrator that a daemon instance or session belongs to; `None` when nobody or more
    /// than one claims it.
    fn owner_of(&self, daemon: &DaemonId) -> impl Future<Output = Result<Option<OrchestratorId>>> + Send;

    /// Keeps the records of living connections from expiring.
    fn touch(&self, connections: &[ConnectionId]) -> impl Future<Output = Result<()>> + Send;

    /// Stops counting connections of `orchestrators` whose record has expired: their hub died without a
    /// word, and what they had is free. One that is only late has time enough to refresh them. Returns how
    /// many.
    fn forget_stale(&self, orchestrators: &[OrchestratorId]) -> impl Future<Output = Result<usize>> + Send;

    /// Says that `node` lives, and learns how many hubs do.
    fn announce(&self, node: &NodeId, now: Timestamp) -> impl Future<Output = Result<usize>> + Send;

    /// Says that `node` is gone.
    fn retire(&self, node: &NodeId) -> impl Future<Output = Result<()>> + Send;
}

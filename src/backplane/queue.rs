//! The event queue of each orchestrator: the truth for every event that must not be lost.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::{
    Result,
    commit::{CommitBatch, CommitOutcome},
};
use crate::domain::{
    attempt::Attempt,
    clock::Timestamp,
    ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
};

/// How many events wait for one orchestrator at most; the oldest are dropped, and counted.
pub const QUEUE_CAPACITY: u64 = 1000;
/// How long an event waits at most, and how long an acknowledged id is remembered.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// Entries expire this much before [`RETENTION`], so that the sweep counts them before the key's own
/// time to live would remove them unseen.
pub const EXPIRY_SLACK: Duration = Duration::from_secs(120);
/// How many acknowledged ids are remembered per orchestrator at least; at most twice as many.
pub const ACK_MEMORY: u64 = 5000;
/// How many acknowledged ids are remembered over all orchestrators, for a hub that starts.
pub const RECENT_ACKS: u64 = 50_000;
/// How many entries of a legacy list one claim brings at most.
pub const LEGACY_PAGE: usize = 500;
/// For how long after an event may be sent again the connection that let go of it stands back, while
/// the orchestrator has another one.
pub const CLAIM_COURTESY: Duration = Duration::from_secs(5);

/// The time by which an event is ordered: its own, unless that is unusable (in the future, or older
/// than the retention), then the time of arrival.
#[must_use]
pub fn queue_time(published: Timestamp, now: Timestamp) -> Timestamp {
    if published > now || published <= now.minus(RETENTION) { now } else { published }
}

/// One entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which event.
    pub id: EventId,
    /// Its priority.
    pub priority: i32,
}

/// One event read from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Which event.
    pub id: EventId,
    /// Its JSON.
    pub body: Bytes,
    /// How often it was written to a socket of the asking daemon; of any, if it is for any.
    pub attempts: u32,
    /// How often a connection of that daemon, or of any, broke within seconds of it.
    pub crashes: u32,
    /// How those deliveries ended, oldest first; see [`Sent::told`](super::commit::Sent::told).
    pub history: Vec<Attempt>,
}

/// Events that waited too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// How many.
    pub count: u64,
}

/// What waits in all queues together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many queues hold something.
    pub queues: u64,
    /// How many events they hold.
    pub events: u64,
}

/// A list that an original publisher writes to (contract 6.3, 9.8.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LegacySource {
    /// `daemon:events:{orchestrator}`, newest first.
    Orchestrator(OrchestratorId),
    /// `daemon:events:{daemon}`, newest first, of a daemon of this orchestrator.
    Daemon(DaemonId, OrchestratorId),
    /// `routing:queue:{orchestrator}`, oldest first: messages, not events.
    Routing(OrchestratorId),
}

impl LegacySource {
    /// Whose list it is.
    #[must_use]
    pub fn orchestrator(&self) -> &OrchestratorId {
        match self {
            Self::Orchestrator(id) | Self::Daemon(_, id) | Self::Routing(id) => id,
        }
    }
}

/// The content of a legacy list, taken away from its writers but not yet forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyClaim {
    /// Where it came from.
    pub source: LegacySource,
    /// The entries, oldest first. Empty when there was no list.
    pub entries: Vec<Bytes>,
}

/// Durable, ordered, bounded queues, one per orchestrator.
pub trait EventQueue {
    /// Writes a batch. The changes to one orchestrator are atomic together with its counters.
    /// Repeating a batch changes nothing: appends are known by event id, and so are
    /// acknowledgements. When this returns, everything in the batch is durable.
    fn commit(&self, batch: &CommitBatch) -> impl Future<Output = Result<CommitOutcome>> + Send;

    /// What waits, in the order of sending: priority first, then time, then arrival.
    fn waiting(&self, orchestrator: &OrchestratorId) -> impl Future<Output = Result<Vec<Waiting>>> + Send;

    /// Reads the events that are still in the queue, in the order of `ids`; others are left out.
    fn load(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: &[EventId],
    ) -> impl Future<Output = Result<Vec<Loaded>>> + Send;

    /// Claims events of [`crate::domain::event::Audience::Any`] for one connection, until `until`, at most
    /// `most` of them. For each of `ids`: how often it was granted to any connection before, or `None` when another living
    /// connection has it, or it may not be sent yet, or this connection has just let go of it and the
    /// orchestrator has another one ([`CLAIM_COURTESY`]), or it does not wait, or those before it are as
    /// many as may be. Asking again for what it
    /// has already changes nothing but `until`.
    fn claim(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        most: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Option<u32>>>> + Send;

    /// Lets go of claimed events: nobody gets them before `not_before`. What the connection does not
    /// have is left alone.
    fn release(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The place of each event in its queue by age, counted from 1; `None` for what does not wait.
    fn places(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
    ) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// How many events wait for each of `orchestrators`.
    fn depths(&self, orchestrators: &[OrchestratorId]) -> impl Future<Output = Result<Vec<u64>>> + Send;

    /// Removes events that have waited for as long as they may, by their own word or by
    /// [`RETENTION`], and counts them as expired. Costs nothing while nothing is due.
    fn expire(&self, now: Timestamp) -> impl Future<Output = Result<Vec<Expired>>> + Send;

    /// The events acknowledged last over all orchestrators, oldest first, at most [`RECENT_ACKS`].
    fn recently_acknowledged(&self) -> impl Future<Output = Result<Vec<(OrchestratorId, EventId)>>> + Send;

    /// How much waits in all queues together, but for those that hubs keep for themselves.
    fn backlog(&self) -> impl Future<Output = Result<Backlog>> + Send;

    /// Takes a legacy list away from its writers atomically, and brings its oldest entries, at most
    /// [`LEGACY_PAGE`]. What was claimed and not released comes again with the next claim, also after a
    /// crash.
    fn claim_legacy(&self, source: &LegacySource) -> impl Future<Output = Result<LegacyClaim>> + Send;

    /// Forgets a claim whose entries are all stored.
    fn release_legacy(&self, claim: &LegacyClaim) -> impl Future<Output = Result<()>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_time_is_replaced_by_the_time_of_arrival() {
        let now = Timestamp(10_000_000_000);
        assert_eq!(queue_time(Timestamp(9_999_999_999), now), Timestamp(9_999_999_999));
        assert_eq!(queue_time(Timestamp(10_000_000_001), now), now, "in the future");
        assert_eq!(queue_time(Timestamp(0), now), now, "older than the retention");
    }
}

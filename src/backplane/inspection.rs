//! What admins look at: connections of all hubs, and the queue of an orchestrator.

use std::{fmt, future::Future};

use bytes::Bytes;

use super::Result;
use crate::domain::{
    clock::Timestamp,
    ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, OrganizationId, SessionId},
};

/// One counted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionView {
    /// Which.
    pub id: ConnectionId,
    /// The hub that holds it.
    pub node: NodeId,
    /// Whose it is.
    pub orchestrator: OrchestratorId,
    /// The daemon instance.
    pub daemon: DaemonId,
    /// Its session.
    pub session: SessionId,
    /// Its tenant, when the token names one.
    pub organization: Option<OrganizationId>,
    /// Since when.
    pub connected_at: Timestamp,
    /// When its last heartbeat came, or it was made.
    pub last_heartbeat: Timestamp,
}

/// A place in a queue: everything after it is younger. Survives changes of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueCursor {
    /// The time of the event.
    pub time: Timestamp,
    /// Its place among those of the same millisecond.
    pub arrival: i64,
}

impl QueueCursor {
    /// Reads a cursor that [`fmt::Display`] wrote; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (time, arrival) = text.split_once('.')?;
        Some(Self { time: Timestamp(time.parse().ok()?), arrival: arrival.parse().ok()? })
    }
}

impl fmt::Display for QueueCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.0, self.arrival)
    }
}

/// One event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Which.
    pub id: EventId,
    /// The time by which it is ordered.
    pub time: Timestamp,
    /// Its priority.
    pub priority: i32,
    /// Its JSON.
    pub body: Bytes,
    /// How often it was written to a socket: of the daemon instances that it was sent to, the most.
    /// Instances without a connection may not be counted.
    pub attempts: u32,
    /// Its place, to go on from.
    pub cursor: QueueCursor,
}

/// What became of the events of an orchestrator. Always:
/// `accepted = acknowledged + expired + dropped + dead + queued`, unless the orchestrator was not
/// heard of for so long that the books were closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Events taken in.
    pub accepted: u64,
    /// Events that a daemon took.
    pub acknowledged: u64,
    /// Events that waited too long.
    pub expired: u64,
    /// Events that a full queue dropped, or an admin.
    pub dropped: u64,
    /// Events that were given up.
    pub dead: u64,
    /// Events that wait now.
    pub queued: u64,
}

impl Ledger {
    /// By how much the books do not balance: positive when events vanished, negative when there are more
    /// than were taken in. Always 0, or there is a mistake in the hub, or somebody else wrote its keys.
    #[must_use]
    pub fn imbalance(&self) -> i64 {
        let parts = [self.acknowledged, self.expired, self.dropped, self.dead, self.queued];
        let rest: i128 = parts.into_iter().map(i128::from).sum();
        let difference = i128::from(self.accepted) - rest;
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        i64::try_from(difference.clamp(least, most)).unwrap_or_default()
    }
}

/// What admins may see and do.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Inspection {
    /// Connections of all hubs, or those of one orchestrator, ordered by id: at most `limit` of those
    /// after `after`. Connections that come and go meanwhile do not disturb the order.
    fn connections(
        &self,
        orchestrator: Option<&OrchestratorId>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ConnectionView>>> + Send;

    /// One connection, wherever it is.
    fn connection(&self, id: ConnectionId) -> impl Future<Output = Result<Option<ConnectionView>>> + Send;

    /// What waits for an orchestrator, oldest first: at most `limit` events after `after`.
    fn queue_page(
        &self,
        orchestrator: &OrchestratorId,
        after: Option<QueueCursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<QueuedEvent>>> + Send;

    /// Drops everything that waits for an orchestrator, in one atomic step, and counts it as dropped;
    /// returns how many events that were. None of them counts as acknowledged.
    fn purge(&self, orchestrator: &OrchestratorId) -> impl Future<Output = Result<u64>> + Send;

    /// The books of an orchestrator; empty ones when it has none.
    fn ledger(&self, orchestrator: &OrchestratorId) -> impl Future<Output = Result<Ledger>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imbalance_says_how_many_events_are_missing_or_too_many() {
        let books = Ledger { accepted: 10, acknowledged: 4, expired: 1, dropped: 2, dead: 1, queued: 2 };
        assert_eq!(books.imbalance(), 0);
        assert_eq!(Ledger { queued: 0, ..books }.imbalance(), 2);
        assert_eq!(Ledger { accepted: 9, ..books }.imbalance(), -1);
    }

    #[test]
    fn a_cursor_survives_the_way_through_a_url() {
        let cursor = QueueCursor { time: Timestamp(1_700_000_000_123), arrival: 4095 };
        assert_eq!(QueueCursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(QueueCursor::parse("1700000000123"), None);
        assert_eq!(QueueCursor::parse("1.x"), None);
    }
}

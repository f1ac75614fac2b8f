//! What the rules need of a store.

use bytes::Bytes;

use crate::{
    backplane::{
        commit::{DeadLetter, Sent},
        trail::Receipt,
    },
    domain::{
        clock::Timestamp,
        gap::Gap,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
    },
};

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is known by.
    pub id: EventId,
    /// The time by which it is ordered; among equal ones, arrival decides.
    pub time: Timestamp,
    /// Higher is sent first.
    pub priority: i32,
    /// After this it has waited for too long.
    pub due: Timestamp,
    /// Its JSON.
    pub body: Bytes,
}

/// Events that left a queue untaken, since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Dropped by a full queue, or by an admin.
    pub dropped: u64,
    /// Waited for too long.
    pub expired: u64,
}

impl Losses {
    /// What was lost after `told`; `None` when that is nothing.
    #[must_use]
    pub fn since(self, told: Self) -> Option<Gap> {
        let dropped = self.dropped.saturating_sub(told.dropped);
        let expired = self.expired.saturating_sub(told.expired);
        (dropped + expired > 0).then_some(Gap { dropped, expired })
    }
}

/// The books of one orchestrator. Always:
/// `accepted = acknowledged + expired + dropped + dead + queued`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Events taken in, since the beginning.
    pub accepted: u64,
    /// Events that a daemon took, since the beginning.
    pub acknowledged: u64,
    /// Events that left the queue untaken, since the beginning.
    pub lost: Losses,
    /// Events that were given up and not tried again, since the beginning.
    pub dead: u64,
    /// Events that wait now, in flight or not.
    pub queued: u64,
    /// Ids that are remembered now as taken or given up.
    pub remembered: u64,
    /// What was lost when a daemon was last told of it.
    pub told: Losses,
    /// The tenant, where it is known.
    pub organization: Option<OrganizationId>,
}

/// Which connection has, or had, an event that only one of them gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Who has it; `None` when it was let go.
    pub holder: Option<ConnectionId>,
    /// Until when the holder has it, if nothing is heard of it.
    pub until: Timestamp,
    /// How often it was granted, this time included.
    pub grants: u32,
    /// Nobody gets it before this.
    pub not_before: Timestamp,
    /// Who let go of it last.
    pub last: Option<ConnectionId>,
}

/// A store of queues. Each operation is small; what belongs together happens in one transaction of
/// whoever calls the rules.
pub trait Shelf {
    /// Why an operation failed.
    type Error;

    /// The books of an orchestrator; empty ones when it has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn books(&mut self, orchestrator: &OrchestratorId) -> Result<Books, Self::Error>;

    /// Writes the books of an orchestrator.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write_books(&mut self, orchestrator: &OrchestratorId, books: &Books) -> Result<(), Self::Error>;

    /// Appends an event; `false` when one with its id waits already.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn append(&mut self, orchestrator: &OrchestratorId, entry: &Entry) -> Result<bool, Self::Error>;

    /// Takes an event out of the queue together with its deliveries and its claim; `false` when it was
    /// not there.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn remove(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Self::Error>;

    /// Whether an event waits.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_waiting(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Self::Error>;

    /// The `count` oldest of what waits, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn oldest(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<Vec<EventId>, Self::Error>;

    /// At most `limit` events over all queues that are due before `now`, first due first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<(OrchestratorId, EventId)>, Self::Error>;

    /// Whether an id is remembered as taken or given up.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_remembered(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Self::Error>;

    /// Remembers an id as taken or given up; `false` when it was already.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn remember(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        at: Timestamp,
    ) -> Result<bool, Self::Error>;

    /// Forgets a remembered id; `false` when it was not.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn forget(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Self::Error>;

    /// Forgets the `count` ids of an orchestrator that were remembered first.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn forget_first(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<(), Self::Error>;

    /// Writes down a delivery of a waiting event, unless a later one is known.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn record(&mut self, orchestrator: &OrchestratorId, sent: &Sent) -> Result<(), Self::Error>;

    /// Puts a waiting event, with its body, among the dead letters that wait for the database, and
    /// drops the oldest of those beyond [`crate::backplane::dead_letters::UNFILED_CAPACITY`].
    ///
    /// # Errors
    /// When the store cannot be written.
    fn bury(
        &mut self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        letter: &DeadLetter,
        at: Timestamp,
    ) -> Result<(), Self::Error>;

    /// The claim on an event; `None` when nobody ever had one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn claimed(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
    ) -> Result<Option<Claimed>, Self::Error>;

    /// Writes the claim on a waiting event.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write_claim(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        claimed: &Claimed,
    ) -> Result<(), Self::Error>;

    /// Keeps receipts, all of one organization, and forgets the oldest beyond a bound.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn keep_receipts(&mut self, receipts: &[Receipt]) -> Result<(), Self::Error>;

    /// What was lost when a daemon was last told of it; `None` when it never was.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
    ) -> Result<Option<Losses>, Self::Error>;

    /// Notes what a daemon was told of.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write_told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        losses: Losses,
        at: Timestamp,
    ) -> Result<(), Self::Error>;
}

//! One group commit: everything that changed in a few milliseconds, by orchestrator.

use super::registry::Remembered;
use crate::domain::{
    attempt::{Attempt, Ended, MAX_HISTORY},
    clock::Timestamp,
    event::Event,
    ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
};
use std::sync::Arc;

/// Everything that is written at once.
#[derive(Debug, Clone, Default)]
pub struct CommitBatch {
    /// When the batch was closed.
    pub now: Timestamp,
    /// The changes, one group per orchestrator.
    pub groups: Vec<OrchestratorCommit>,
    /// What daemon instances are subscribed to now; written beside the queues.
    pub remembered: Vec<Remembered>,
}

impl CommitBatch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.remembered.is_empty()
    }

    /// Whether something in it concerns the orchestrator.
    #[must_use]
    pub fn concerns(&self, orchestrator: &OrchestratorId) -> bool {
        self.groups.iter().any(|group| group.orchestrator == *orchestrator)
            || self.remembered.iter().any(|one| one.orchestrator == *orchestrator)
    }
}

/// The changes to one orchestrator's queue; they take effect together, in the order of the fields.
#[derive(Debug, Clone)]
pub struct OrchestratorCommit {
    /// Whose queue.
    pub orchestrator: OrchestratorId,
    /// Whose orchestrator it is, where that is known: it gets the receipts.
    pub organization: Option<OrganizationId>,
    /// Events that were taken before they were stored: they count as accepted and acknowledged, are
    /// remembered as such, and leave the queue if another hub has put them there.
    pub completed: Vec<Ack>,
    /// Events to append, in order of arrival.
    pub stores: Vec<Arc<Event>>,
    /// Which connections are to have new events of [`crate::domain::event::Audience::Any`]. Each holds
    /// only if this batch appended the event: of two hubs that hear the same publish, one chooses.
    pub claims: Vec<Claim>,
    /// Dead letters that are to be tried again: they wait as if they were new, with no attempts, also
    /// if their id is remembered, and count as dead no more. One that waits already is left alone.
    pub redriven: Vec<Arc<Event>>,
    /// Events that were taken. Unknown ids are ignored.
    pub acks: Vec<Ack>,
    /// Events that are given up.
    pub dead: Vec<DeadLetter>,
    /// Events that were written to sockets and are not acknowledged yet.
    pub sent: Vec<Sent>,
}

impl OrchestratorCommit {
    /// A group without changes.
    #[must_use]
    pub fn new(orchestrator: OrchestratorId) -> Self {
        Self {
            orchestrator,
            organization: None,
            completed: Vec::new(),
            stores: Vec::new(),
            claims: Vec::new(),
            redriven: Vec::new(),
            acks: Vec::new(),
            dead: Vec::new(),
            sent: Vec::new(),
        }
    }
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which event.
    pub id: EventId,
    /// Who took it.
    pub daemon: DaemonId,
    /// How often it was sent to that daemon, this time included; 0 when that is not known.
    pub attempts: u32,
}

/// One connection of several is to have an event, until it lets go of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which event.
    pub id: EventId,
    /// Who is to have it.
    pub connection: ConnectionId,
    /// Until when, if nothing is heard of it.
    pub until: Timestamp,
}

/// An event that is not tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which event.
    pub id: EventId,
    /// Why, as a word: `max_attempts`, `rejected`, `crash_loop`, `unreadable`, `unsealed`.
    pub reason: &'static str,
    /// How often it was delivered.
    pub attempts: u32,
    /// To which daemon, in the end.
    pub daemon: DaemonId,
    /// How those deliveries ended, oldest first.
    pub history: Vec<Attempt>,
}

/// A delivery that waits for its acknowledgement; what makes the next one a redelivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which event.
    pub id: EventId,
    /// To which daemon instance.
    pub daemon: DaemonId,
    /// On which connection.
    pub connection: ConnectionId,
    /// How often by now.
    pub attempts: u32,
    /// When.
    pub at: Timestamp,
    /// How often a connection broke within seconds of a delivery of this event.
    pub crashes: u32,
    /// How the earlier deliveries ended, oldest first.
    pub history: Vec<Attempt>,
    /// Whether the event is for any daemon: then the next delivery follows this one, whoever gets it.
    pub shared: bool,
}

impl Sent {
    /// How all deliveries ended. Where nobody wrote down how the latest did, its connection ended first.
    #[must_use]
    pub fn told(self) -> Vec<Attempt> {
        let mut history = self.history;
        if history.last().map_or(0, |last| last.attempt) < self.attempts {
            history.drain(..(history.len() + 1).saturating_sub(MAX_HISTORY));
            history.push(Attempt {
                attempt: self.attempts,
                sent_at: self.at,
                daemon_id: self.daemon,
                connection_id: self.connection,
                outcome: Ended::Disconnected,
                reason: None,
            });
        }
        history
    }
}

/// What became of an event to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It is in the queue.
    Stored,
    /// It was in the queue already.
    Duplicate,
    /// It was acknowledged before.
    AlreadyAcknowledged,
    /// It could not be kept; see [`GroupOutcome::failure`].
    Failed,
}

/// What a group commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitOutcome {
    /// One per group, in the order given.
    pub groups: Vec<GroupOutcome>,
}

/// What was done to one orchestrator's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupOutcome {
    /// One per event to append, in the order given.
    pub stores: Vec<StoreOutcome>,
    /// How many entries left the queue because they were acknowledged.
    pub acknowledged: u64,
    /// How many entries left the queue because they were given up.
    pub dead: u64,
    /// How many dead letters are back in the queue.
    pub redriven: u64,
    /// Events that were dropped because the queue was full, oldest first.
    pub dropped: Vec<EventId>,
    /// Why the group took no effect: its keys hold what the hub never wrote. Trying again is useless.
    pub failure: Option<String>,
}

//! What became of an event, and where it is now.

use std::future::Future;

use bytes::Bytes;

use super::Result;
use crate::domain::{
    clock::Timestamp,
    ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
};

/// How many receipts are kept per organization at least.
pub const RECEIPTS_KEPT: u64 = 100_000;

/// How the way of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A daemon took it.
    Acknowledged,
    /// It waited for as long as it may.
    Expired,
    /// A full queue dropped it, or an admin.
    Dropped,
    /// It was given up.
    Dead,
}

impl Outcome {
    /// The word in receipts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Dead => "dead",
        }
    }

    /// Reads the word in receipts.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Acknowledged, Self::Expired, Self::Dropped, Self::Dead];
        all.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// The end of an event's way to one orchestrator: what its publisher can read in
/// `hub:receipts:{organization}` (delivery rule 10). An event that is redriven gets another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which event.
    pub event: EventId,
    /// Whose queue it left.
    pub orchestrator: OrchestratorId,
    /// The tenant, where it is known.
    pub organization: Option<OrganizationId>,
    /// How it left.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// Who took it, or had it last.
    pub daemon: Option<DaemonId>,
    /// How often it was sent to that daemon; 0 when that is not known.
    pub attempts: u32,
    /// Why, as a word, for a dead letter.
    pub reason: Option<String>,
}

/// An event that waits for an orchestrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Whose queue it is in.
    pub orchestrator: OrchestratorId,
    /// Its place by age, counted from 1.
    pub position: u64,
    /// The time by which it is ordered.
    pub time: Timestamp,
    /// Its JSON.
    pub body: Bytes,
    /// Who was sent it and has not acknowledged it.
    pub sends: Vec<LastSend>,
}

/// The latest delivery of a waiting event to one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSend {
    /// To whom.
    pub daemon: DaemonId,
    /// On which connection.
    pub connection: ConnectionId,
    /// When.
    pub at: Timestamp,
    /// How often by then.
    pub attempts: u32,
}

/// Whose receipts are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among<'a> {
    /// Those of one organization.
    Organization(&'a OrganizationId),
    /// Those of everybody, of one organization before all others.
    Everybody {
        /// Where it is likely to be found.
        first: Option<&'a OrganizationId>,
    },
}

/// What was found of an event's receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipts {
    /// They, oldest first.
    pub found: Vec<Receipt>,
    /// Whether not everything was looked through, because there is too much of it.
    pub truncated: bool,
}

/// Receipts, and where events are.
///
/// Receipts are written by whatever ends an event's way, in the same atomic step
/// ([`super::queue::EventQueue::commit`], `expire`, [`super::inspection::Inspection::purge`]).
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait EventTrail {
    /// The receipts of an event that are still kept.
    fn receipts(&self, event: &EventId, among: Among<'_>) -> impl Future<Output = Result<Receipts>> + Send;

    /// The queues that an event waits in, of one orchestrator or of all.
    fn whereabouts(
        &self,
        event: &EventId,
        orchestrator: Option<&OrchestratorId>,
    ) -> impl Future<Output = Result<Vec<Whereabouts>>> + Send;
}

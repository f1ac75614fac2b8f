//! Events that were given up, on their way into the database.
//!
//! A group commit takes a dead letter out of its queue and puts it here in one atomic step; from here it
//! is copied into the database, and then forgotten. So a database that is away loses none.

use std::future::Future;

use bytes::Bytes;

use super::Result;
use crate::domain::{
    attempt::Attempt,
    clock::Timestamp,
    ids::{DaemonId, EventId, OrchestratorId, OrganizationId},
};

/// How many dead letters wait for the database at most; the oldest are lost, and that is logged.
pub const UNFILED_CAPACITY: u64 = 100_000;

/// A dead letter that no database has yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfiled {
    /// What the backplane knows it by; drawn anew each time an event is given up.
    pub key: String,
    /// Whose queue it was in.
    pub orchestrator: OrchestratorId,
    /// The tenant, where it is known.
    pub organization: Option<OrganizationId>,
    /// Which event.
    pub id: EventId,
    /// Why it was given up, as a word.
    pub reason: String,
    /// How often it was delivered.
    pub attempts: u32,
    /// Who had it last.
    pub daemon: Option<DaemonId>,
    /// How the deliveries ended, oldest first.
    pub history: Vec<Attempt>,
    /// When it was given up.
    pub at: Timestamp,
    /// Its JSON.
    pub body: Bytes,
}

/// Dead letters that wait for the database.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait DeadLetters {
    /// The oldest ones, at most `limit`. They come again until they are reported as [`DeadLetters::filed`].
    fn unfiled(&self, limit: usize) -> impl Future<Output = Result<Vec<Unfiled>>> + Send;

    /// Forgets those that a database has now. Unknown ones are ignored.
    fn filed(&self, letters: &[Unfiled]) -> impl Future<Output = Result<()>> + Send;
}

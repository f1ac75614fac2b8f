//! Acknowledged ids by themselves, for events that no queue ever held (contract 1.20, 1.21).

use std::future::Future;

use super::Result;
use crate::domain::{
    clock::Timestamp,
    ids::{EventId, OrchestratorId},
};

/// The memory of acknowledged ids, which queues have in common with what is derived from messages.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Acknowledgements {
    /// Notes ids as acknowledged, for as long as those of queues are remembered. The books of the queue
    /// do not change.
    fn note_acknowledged(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// For each of `ids` in turn whether it is remembered as acknowledged.
    fn acknowledged(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
    ) -> impl Future<Output = Result<Vec<bool>>> + Send;
}

//! Acknowledged ids in the queue file.

use super::{EmbeddedBackplane, commit};
use crate::{
    backplane::{Result, acknowledgements::Acknowledgements},
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
};

impl Acknowledgements for EmbeddedBackplane {
    async fn note_acknowledged(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
        now: Timestamp,
    ) -> Result<()> {
        let (orchestrator, ids) = (orchestrator.clone(), ids.to_vec());
        self.worker
            .run(move |state| Ok(commit::note_acknowledged(&mut state.file, &orchestrator, &ids, now)?))
            .await
    }

    async fn acknowledged(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<bool>> {
        let (orchestrator, ids) = (orchestrator.clone(), ids.to_vec());
        self.worker
            .run(move |state| {
                Ok(state.file.read(|transaction| {
                    ids.iter().map(|id| transaction.is_acknowledged(&orchestrator, id)).collect()
                })?)
            })
            .await
    }
}

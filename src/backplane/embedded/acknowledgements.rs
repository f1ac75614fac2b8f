//! Acknowledged ids in the queue file.

use super::EmbeddedBackplane;
use crate::{
    backplane::{Result, acknowledgements::Acknowledgements, rules},
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
            .run(move |state| {
                state
                    .file
                    .durably(|transaction| rules::note_acknowledged(transaction, &orchestrator, &ids, now))?;
                Ok(())
            })
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

//! Signs of life, in memory.

use super::EmbeddedBackplane;
use crate::{
    backplane::{Result, liveness::Liveness},
    domain::{clock::Timestamp, ids::OrchestratorId},
};

impl Liveness for EmbeddedBackplane {
    async fn watch(&self, orchestrators: &[OrchestratorId], at: Timestamp) -> Result<()> {
        let orchestrators = orchestrators.to_vec();
        self.worker
            .run(move |state| {
                orchestrators.into_iter().for_each(|id| state.observations.watch(id, at));
                Ok(())
            })
            .await
    }

    async fn silent(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<OrchestratorId>> {
        self.worker.run(move |state| Ok(state.observations.silent(before, now, limit))).await
    }

    async fn departed(&self, orchestrators: &[OrchestratorId]) -> Result<()> {
        let orchestrators = orchestrators.to_vec();
        self.worker
            .run(move |state| {
                orchestrators.iter().for_each(|id| state.observations.departed(id));
                Ok(())
            })
            .await
    }
}

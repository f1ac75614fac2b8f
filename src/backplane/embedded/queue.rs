//! The event queue, in the file.

use bytes::Bytes;

use super::{EmbeddedBackplane, commit::commit, sweep::sweep};
use crate::{
    backplane::{
        Result,
        commit::{CommitBatch, CommitOutcome},
        queue::{Backlog, EventQueue, Expired, LegacyClaim, LegacySource, Loaded, RECENT_ACKS, Waiting},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
};

impl EventQueue for EmbeddedBackplane {
    async fn commit(&self, batch: &CommitBatch) -> Result<CommitOutcome> {
        // Cheap: events and ids are shared.
        let batch = batch.clone();
        self.worker.run(move |state| Ok(commit(&mut state.file, &batch)?)).await
    }

    async fn waiting(&self, orchestrator: &OrchestratorId) -> Result<Vec<Waiting>> {
        let orchestrator = orchestrator.clone();
        self.worker
            .run(move |state| {
                let waiting = state.file.read(|transaction| transaction.in_send_order(&orchestrator))?;
                Ok(waiting.into_iter().map(|(id, priority)| Waiting { id, priority }).collect())
            })
            .await
    }

    async fn load(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: &[EventId],
    ) -> Result<Vec<Loaded>> {
        let (orchestrator, daemon, ids) = (orchestrator.clone(), daemon.clone(), ids.to_vec());
        self.worker
            .run(move |state| {
                let loaded = state.file.read(|transaction| {
                    let mut loaded = Vec::with_capacity(ids.len());
                    for id in ids {
                        if let Some(entry) = transaction.load(&orchestrator, &daemon, &id)? {
                            let body = Bytes::from(entry.body);
                            loaded.push(Loaded {
                                id,
                                body,
                                attempts: entry.attempts,
                                crashes: 0,
                                history: Vec::new(),
                            });
                        }
                    }
                    Ok(loaded)
                })?;
                Ok(loaded)
            })
            .await
    }

    async fn claim(
        &self,
        _: &OrchestratorId,
        _: ConnectionId,
        ids: &[EventId],
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<Option<u32>>> {
        Ok(vec![Some(0); ids.len()])
    }

    async fn release(&self, _: &OrchestratorId, _: ConnectionId, _: &[EventId], _: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn places(&self, _: &OrchestratorId, ids: &[EventId]) -> Result<Vec<Option<u64>>> {
        Ok(vec![None; ids.len()])
    }

    async fn depths(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<u64>> {
        let orchestrators = orchestrators.to_vec();
        self.worker
            .run(move |state| {
                let depths = state.file.read(|transaction| {
                    orchestrators.iter().map(|id| Ok(transaction.ledger(id)?.depth())).collect()
                })?;
                Ok(depths)
            })
            .await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Expired>> {
        self.worker.run(move |state| Ok(sweep(&mut state.file, now)?)).await
    }

    async fn recently_acknowledged(&self) -> Result<Vec<(OrchestratorId, EventId)>> {
        self.worker
            .run(|state| {
                Ok(state.file.read(|transaction| transaction.last_acknowledged(RECENT_ACKS.cast_signed()))?)
            })
            .await
    }

    async fn backlog(&self) -> Result<Backlog> {
        self.worker
            .run(|state| {
                let (queues, events) = state.file.read(|transaction| transaction.backlog())?;
                Ok(Backlog { queues, events })
            })
            .await
    }

    /// There are no legacy publishers without Redis, so the claim is always empty.
    async fn claim_legacy(&self, source: &LegacySource) -> Result<LegacyClaim> {
        std::future::ready(Ok(LegacyClaim { source: source.clone(), entries: Vec::new() })).await
    }

    async fn release_legacy(&self, _claim: &LegacyClaim) -> Result<()> {
        std::future::ready(Ok(())).await
    }
}

//! The event queue, in the file.

use std::collections::HashMap;

use bytes::Bytes;

use super::{EmbeddedBackplane, shelf::delivery, sweep};
use crate::{
    backplane::{
        Result,
        commit::{CommitBatch, CommitOutcome, Sent},
        queue::{
            Backlog, EventQueue, Expired, LegacyClaim, LegacySource, Loaded, QUEUE_CAPACITY, RECENT_ACKS,
            Waiting,
        },
        rules::{self, Asking},
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
        self.worker
            .run(move |state| {
                let groups = state.file.durably(|transaction| {
                    batch.groups.iter().map(|group| rules::commit(transaction, group, batch.now)).collect()
                })?;
                Ok(CommitOutcome { groups })
            })
            .await
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
                            let sent =
                                entry.delivered.map(|last| delivery(&id, &daemon, &last)).transpose()?;
                            loaded.push(Loaded {
                                id,
                                body,
                                attempts: sent.as_ref().map_or(0, |sent| sent.attempts),
                                crashes: sent.as_ref().map_or(0, |sent| sent.crashes),
                                history: sent.map(Sent::told).unwrap_or_default(),
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
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        most: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<u32>>> {
        let (orchestrator, ids) = (orchestrator.clone(), ids.to_vec());
        self.worker
            .run(move |state| {
                let living = state.connections.of(&orchestrator);
                let (orchestrator, living) = (&orchestrator, living.as_slice());
                let asking = Asking { orchestrator, connection, until, now, living, most };
                Ok(state.file.loosely(|transaction| rules::claim(transaction, asking, &ids))?)
            })
            .await
    }

    async fn release(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) -> Result<()> {
        let (orchestrator, ids) = (orchestrator.clone(), ids.to_vec());
        self.worker
            .run(move |state| {
                state.file.loosely(|transaction| {
                    rules::release(transaction, &orchestrator, connection, &ids, not_before)
                })?;
                Ok(())
            })
            .await
    }

    async fn places(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<Option<u64>>> {
        let (orchestrator, ids) = (orchestrator.clone(), ids.to_vec());
        self.worker
            .run(move |state| {
                let places = state.file.read(|transaction| {
                    // Counting costs the length of the queue, so it is done once for several.
                    if let [id] = ids.as_slice() {
                        return Ok(vec![transaction.place(&orchestrator, id)?.map(|(place, _)| place)]);
                    }
                    let waiting = transaction.oldest(&orchestrator, QUEUE_CAPACITY.cast_signed())?;
                    let places: HashMap<EventId, u64> = waiting.into_iter().zip(1..).collect();
                    Ok(ids.iter().map(|id| places.get(id).copied()).collect())
                })?;
                Ok(places)
            })
            .await
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
        self.worker
            .run(move |state| {
                let expired = sweep::expire(&mut state.file, now)?;
                if state.is_sweep_due(now) {
                    sweep::sweep(&mut state.file, now)?;
                }
                Ok(expired)
            })
            .await
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

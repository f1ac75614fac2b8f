//! Routing without other routers: messages for who is away wait in the event queue itself.

use bytes::Bytes;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        queue::LegacySource,
        records::Records as _,
        routing::{QueueBounds, Reachability, RoutingRecords},
    },
    domain::{
        clock::Timestamp,
        ids::{OrchestratorId, SessionId},
    },
};

impl RoutingRecords for EmbeddedBackplane {
    async fn reachability(&self, orchestrator: &OrchestratorId) -> Result<Reachability> {
        let known = self.heartbeats_of(std::slice::from_ref(orchestrator)).await?;
        let beating = known.into_iter().flatten().next().is_some();
        Ok(Reachability { beating, ..Reachability::default() })
    }

    async fn queue_message(
        &self,
        _: &OrchestratorId,
        _: &Bytes,
        _: QueueBounds,
    ) -> Result<Option<Vec<Bytes>>> {
        Ok(None)
    }

    async fn note_delivered(&self, _: &str, _: Option<&SessionId>, _: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn filled(&self, sources: &[LegacySource]) -> Result<Vec<bool>> {
        Ok(vec![false; sources.len()])
    }
}

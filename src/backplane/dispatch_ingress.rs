//! What publishing asks of whichever backplane is configured.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Backplane, Result,
    idempotency::{Idempotency, KeyedRequest, Known},
    ingress::{IngressBacklog, IngressEntry, IngressStream, Reply},
    queue::LegacySource,
    routing::{QueueBounds, Reachability, RoutingRecords},
};
use crate::domain::{
    clock::Timestamp,
    ids::{NodeId, OrchestratorId, SessionId},
};

impl IngressStream for Backplane {
    fn has_ingress(&self) -> bool {
        match self {
            Self::Embedded(backplane) => backplane.has_ingress(),
            Self::Redis(backplane) => backplane.has_ingress(),
        }
    }

    async fn read_new(&self, node: &NodeId, count: usize, patience: Duration) -> Result<Vec<IngressEntry>> {
        dispatch!(self.read_new(node, count, patience))
    }

    async fn read_unconfirmed(&self, node: &NodeId, after: &str, count: usize) -> Result<Vec<IngressEntry>> {
        dispatch!(self.read_unconfirmed(node, after, count))
    }

    async fn inherit(&self, node: &NodeId, predecessor: &NodeId) -> Result<()> {
        dispatch!(self.inherit(node, predecessor))
    }

    async fn claim(&self, node: &NodeId, idle: Duration) -> Result<u64> {
        dispatch!(self.claim(node, idle))
    }

    async fn confirm(&self, ids: &[String], replies: &[Reply]) -> Result<()> {
        dispatch!(self.confirm(ids, replies))
    }

    fn may_reply_to(&self, stream: &str) -> bool {
        match self {
            Self::Embedded(backplane) => backplane.may_reply_to(stream),
            Self::Redis(backplane) => backplane.may_reply_to(stream),
        }
    }

    async fn tidy(&self, node: &NodeId) -> Result<IngressBacklog> {
        dispatch!(self.tidy(node))
    }
}

impl RoutingRecords for Backplane {
    async fn reachability(&self, orchestrator: &OrchestratorId) -> Result<Reachability> {
        dispatch!(self.reachability(orchestrator))
    }

    async fn queue_message(
        &self,
        orchestrator: &OrchestratorId,
        message: &Bytes,
        bounds: QueueBounds,
    ) -> Result<Option<Vec<Bytes>>> {
        dispatch!(self.queue_message(orchestrator, message, bounds))
    }

    async fn note_delivered(&self, message: &str, session: Option<&SessionId>, at: Timestamp) -> Result<()> {
        dispatch!(self.note_delivered(message, session, at))
    }

    async fn filled(&self, sources: &[LegacySource]) -> Result<Vec<bool>> {
        dispatch!(self.filled(sources))
    }
}

impl Idempotency for Backplane {
    async fn begin(&self, request: &KeyedRequest, now: Timestamp) -> Result<Known> {
        dispatch!(self.begin(request, now))
    }

    async fn finish(&self, request: &KeyedRequest, answer: &Bytes, now: Timestamp) -> Result<()> {
        dispatch!(self.finish(request, answer, now))
    }

    async fn abandon(&self, request: &KeyedRequest) -> Result<()> {
        dispatch!(self.abandon(request))
    }
}

//! What the platform's own router keeps beside the hub, and reads (contract S4, 6.1).

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::{Result, queue::LegacySource};
use crate::domain::{
    clock::Timestamp,
    ids::{OrchestratorId, SessionId},
};

/// How long a delivery is remembered.
pub const DELIVERED_KEPT: Duration = Duration::from_secs(3600);

/// What tells whether an orchestrator is online (contract C44).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reachability {
    /// How many sockets its daemons have, over all hubs.
    pub sockets: u64,
    /// The session that routers send to.
    pub session: Option<SessionId>,
    /// Whether a heartbeat came lately.
    pub beating: bool,
}

impl Reachability {
    /// Whether any of it says that somebody is there.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.sockets > 0 || self.session.is_some() || self.beating
    }
}

/// The bounds of a queue of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// How many messages it holds; the oldest are dropped.
    pub size: usize,
    /// How long it lives after the last one.
    pub lifetime: Duration,
}

/// The records of routing. Every call fails with [`super::BackplaneError`] when the backplane does not
/// answer.
pub trait RoutingRecords {
    /// What is known of an orchestrator's presence.
    fn reachability(
        &self,
        orchestrator: &OrchestratorId,
    ) -> impl Future<Output = Result<Reachability>> + Send;

    /// Puts a message, a [`crate::domain::queued_message::QueuedMessage`] as JSON, into the
    /// orchestrator's queue of messages. Those that it pushed out, oldest first, or
    /// `None` where there is no such queue: then it belongs into the event queue, which is drained by the
    /// same daemons.
    fn queue_message(
        &self,
        orchestrator: &OrchestratorId,
        message: &Bytes,
        bounds: QueueBounds,
    ) -> impl Future<Output = Result<Option<Vec<Bytes>>>> + Send;

    /// Notes that a message was handed to a session, for [`DELIVERED_KEPT`].
    fn note_delivered(
        &self,
        message: &str,
        session: Option<&SessionId>,
        at: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Which of these lists have something in them, or a claim that was not released.
    fn filled(&self, sources: &[LegacySource]) -> impl Future<Output = Result<Vec<bool>>> + Send;
}

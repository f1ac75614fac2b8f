//! What hubs and Neolith share: the event queue, the bus, who is connected, and small records.
//!
//! Small capability traits, each with its promise, and two complete implementations behind one enum:
//! [`embedded`] needs no server and serves one node, [`redis`] serves a fleet. Which one is decided
//! by the configuration and never changes by itself.

pub mod acknowledgements;
pub mod books;
pub mod buffer;
pub mod bus;
pub mod commit;
pub mod dead_letters;
pub mod embedded;
pub mod fleet;
pub mod idempotency;
pub mod ingress;
pub mod inspection;
pub mod liveness;
pub mod queue;
pub mod records;
pub mod recount;
pub mod redis;
pub mod registrations;
pub mod registry;
pub mod revocations;
pub mod routing;
pub mod rules;
pub mod sessions;
pub mod status;
pub mod trail;
mod words;

use std::path::Path;

use bytes::Bytes;
use thiserror::Error;

use crate::domain::{
    clock::Timestamp,
    ids::{ChannelId, ConnectionId, DaemonId, EventId, NodeId, OrchestratorId},
};
use bus::{BusMessage, EventBus, NodeCommand};
use commit::{CommitBatch, CommitOutcome};
use queue::{Backlog, EventQueue, Expired, LegacyClaim, LegacySource, Loaded, Waiting};
use records::{HeartbeatRecord, HeartbeatView, Presence, PresenceChange, Records};
use registry::{Attach, AttachOutcome, ConnectionRegistry, Detach, Remembered};
use serde_json::{Map, Value};

/// Why the backplane could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BackplaneError {
    /// It cannot be reached, or did not answer in time; the same call may work later.
    #[error("the backplane is unavailable: {0}")]
    Unavailable(String),
    /// It answered with something that the hub never writes.
    #[error("the backplane holds unexpected data: {0}")]
    Corrupt(String),
}

/// The result of every call to the backplane.
pub type Result<T> = std::result::Result<T, BackplaneError>;

/// One of the two backplanes.
#[derive(Debug)]
pub enum Backplane {
    /// One node, no server; durable in a SQLite file.
    Embedded(embedded::EmbeddedBackplane),
    /// A fleet, through Redis.
    Redis(redis::RedisBackplane),
}

/// Calls the same method on whichever backplane is configured.
macro_rules! dispatch {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Embedded(backplane) => backplane.$method($($argument),*).await,
            Self::Redis(backplane) => backplane.$method($($argument),*).await,
        }
    };
}

// After the macro, which they use.
mod dispatch;
mod dispatch_ingress;

impl Backplane {
    /// Opens the embedded backplane in `file`.
    ///
    /// # Errors
    /// When the file cannot be used, or another hub uses it.
    pub fn embedded(file: &Path) -> Result<Self> {
        embedded::EmbeddedBackplane::open(file).map(Self::Embedded)
    }

    /// Prepares the connection to Redis; it is made, and made again, in the background.
    ///
    /// # Errors
    /// When `url` is no Redis URL.
    pub fn redis(url: &str) -> Result<Self> {
        redis::RedisBackplane::connect(url).map(Self::Redis)
    }

    /// A word for logs, metrics and the readiness report.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Redis(_) => "redis",
        }
    }

    /// Asks for one answer, to know that the next calls will get one.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ping(&self) -> Result<()> {
        dispatch!(self.ping())
    }
}

impl EventQueue for Backplane {
    async fn commit(&self, batch: &CommitBatch) -> Result<CommitOutcome> {
        dispatch!(self.commit(batch))
    }

    async fn waiting(&self, orchestrator: &OrchestratorId) -> Result<Vec<Waiting>> {
        dispatch!(self.waiting(orchestrator))
    }

    async fn load(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: &[EventId],
    ) -> Result<Vec<Loaded>> {
        dispatch!(self.load(orchestrator, daemon, ids))
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
        dispatch!(self.claim(orchestrator, connection, ids, most, until, now))
    }

    async fn release(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) -> Result<()> {
        dispatch!(self.release(orchestrator, connection, ids, not_before))
    }

    async fn places(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<Option<u64>>> {
        dispatch!(self.places(orchestrator, ids))
    }

    async fn depths(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<u64>> {
        dispatch!(self.depths(orchestrators))
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Expired>> {
        dispatch!(self.expire(now))
    }

    async fn recently_acknowledged(&self) -> Result<Vec<(OrchestratorId, EventId)>> {
        dispatch!(self.recently_acknowledged())
    }

    async fn backlog(&self) -> Result<Backlog> {
        dispatch!(self.backlog())
    }

    async fn claim_legacy(&self, source: &LegacySource) -> Result<LegacyClaim> {
        dispatch!(self.claim_legacy(source))
    }

    async fn release_legacy(&self, claim: &LegacyClaim) -> Result<()> {
        dispatch!(self.release_legacy(claim))
    }
}

impl EventBus for Backplane {
    async fn publish(&self, body: &Bytes) -> Result<bool> {
        dispatch!(self.publish(body))
    }

    async fn forward(&self, origin: &NodeId, bodies: &[Bytes]) -> Result<()> {
        dispatch!(self.forward(origin, bodies))
    }

    async fn greet(&self, node: &NodeId) -> Result<()> {
        dispatch!(self.greet(node))
    }

    async fn command(&self, node: &NodeId, command: &NodeCommand) -> Result<()> {
        dispatch!(self.command(node, command))
    }

    async fn command_all(&self, command: &NodeCommand) -> Result<()> {
        dispatch!(self.command_all(command))
    }

    async fn announce_message(&self, channel: &ChannelId, json: &str) -> Result<()> {
        dispatch!(self.announce_message(channel, json))
    }

    fn subscribe(&self, node: &NodeId) -> tokio::sync::mpsc::Receiver<BusMessage> {
        match self {
            Self::Embedded(backplane) => backplane.subscribe(node),
            Self::Redis(backplane) => backplane.subscribe(node),
        }
    }
}

impl ConnectionRegistry for Backplane {
    async fn attach(&self, request: &Attach) -> Result<AttachOutcome> {
        dispatch!(self.attach(request))
    }

    async fn detach(&self, gone: &[Detach]) -> Result<()> {
        dispatch!(self.detach(gone))
    }

    async fn save_subscriptions(&self, remembered: &[Remembered]) -> Result<()> {
        dispatch!(self.save_subscriptions(remembered))
    }

    async fn owner_of(&self, daemon: &DaemonId) -> Result<Option<OrchestratorId>> {
        dispatch!(self.owner_of(daemon))
    }

    async fn touch(&self, connections: &[ConnectionId]) -> Result<()> {
        dispatch!(self.touch(connections))
    }

    async fn forget_stale(&self, orchestrators: &[OrchestratorId]) -> Result<usize> {
        dispatch!(self.forget_stale(orchestrators))
    }

    async fn announce(&self, node: &NodeId, now: Timestamp) -> Result<usize> {
        dispatch!(self.announce(node, now))
    }

    async fn retire(&self, node: &NodeId) -> Result<()> {
        dispatch!(self.retire(node))
    }
}

impl Records for Backplane {
    async fn heartbeats(&self, beats: &[HeartbeatRecord]) -> Result<()> {
        dispatch!(self.heartbeats(beats))
    }

    async fn heartbeats_of(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<HeartbeatView>>> {
        dispatch!(self.heartbeats_of(orchestrators))
    }

    async fn metrics_history(&self, orchestrator: &OrchestratorId) -> Result<Vec<Map<String, Value>>> {
        dispatch!(self.metrics_history(orchestrator))
    }

    async fn presence(&self, changes: &[Presence]) -> Result<Vec<PresenceChange>> {
        dispatch!(self.presence(changes))
    }
}

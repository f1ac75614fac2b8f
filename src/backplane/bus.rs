//! What travels between processes without being kept.

use std::future::Future;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::domain::{
    envelope::Context,
    ids::{ChannelId, DaemonId, NodeId, OrchestratorId, SessionId},
};

/// How many bus messages wait for the router before the bus stops reading.
pub const BUS_CAPACITY: usize = 4096;

/// What the bus brings to one hub.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// An event that a publisher put on a channel; every hub gets it.
    Published {
        /// What the channel says about the event.
        context: Context,
        /// The event as JSON.
        body: Bytes,
    },
    /// Something happened on the channel of one daemon: its legacy list is worth a look.
    Wake(DaemonId),
    /// An event that another hub took in and stored: deliver it, do not store it.
    Forwarded(Bytes),
    /// A command to this hub alone, or to all.
    Command(NodeCommand),
    /// Another hub has come: events that only this one knows of must be forwarded from now on.
    Peer,
    /// The bus was lost; nothing arrives until it is restored.
    Lost,
    /// All subscriptions are in place, at start and again after each loss. Whatever was published
    /// in between did not arrive, so queues and lists are worth a look.
    Restored,
}

/// What one hub asks of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum NodeCommand {
    /// Close a connection: its daemon has connected here.
    Evict {
        /// Which, as text.
        connection: String,
    },
    /// Close a connection: somebody who may say so wants it gone.
    Disconnect {
        /// Which, as text.
        connection: String,
        /// Why, for the log.
        reason: String,
    },
    /// Look into the queue of an orchestrator: something there may be sent now.
    Look {
        /// Whose.
        orchestrator: OrchestratorId,
    },
    /// Close the connections of a session, whose tokens were revoked.
    EndSession {
        /// Which.
        session: SessionId,
    },
    /// Close the connections that live on a token, which was revoked.
    EndToken {
        /// The token's id.
        jti: String,
    },
    /// Close the connections of an orchestrator whose token was issued before a moment, or does not say
    /// when.
    EndOrchestrator {
        /// Whose.
        orchestrator: OrchestratorId,
        /// The moment, in milliseconds since the Unix epoch.
        issued_before_ms: i64,
    },
}

/// Publish and subscribe, at most once: what is not received now is never received.
pub trait EventBus {
    /// Publishes an event on the channel that the platform uses. `false` when there is no such channel,
    /// and nothing was published.
    fn publish(&self, body: &Bytes) -> impl Future<Output = Result<bool>> + Send;

    /// Hands events that `origin` has stored to all other hubs, in order.
    fn forward(&self, origin: &NodeId, bodies: &[Bytes]) -> impl Future<Output = Result<()>> + Send;

    /// Tells all other hubs that `node` is there.
    fn greet(&self, node: &NodeId) -> impl Future<Output = Result<()>> + Send;

    /// Sends `command` to the hub called `node`.
    fn command(&self, node: &NodeId, command: &NodeCommand) -> impl Future<Output = Result<()>> + Send;

    /// Sends `command` to every hub, the sender included.
    fn command_all(&self, command: &NodeCommand) -> impl Future<Output = Result<()>> + Send;

    /// Tells other programs of a new message in a channel of the platform. `json`: what they expect on
    /// `channel:{id}:messages`.
    fn announce_message(&self, channel: &ChannelId, json: &str) -> impl Future<Output = Result<()>> + Send;

    /// Everything that the hub called `node` is to know, for as long as the receiver lives. Loss and
    /// recovery of the connection are messages too. The stream ends only with the receiver.
    fn subscribe(&self, node: &NodeId) -> tokio::sync::mpsc::Receiver<BusMessage>;
}

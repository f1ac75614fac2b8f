//! Every message between actors, grouped by receiver.

use std::{sync::Arc, time::Duration};

use actix::Message;

use super::connections::ConnectionHandle;
use crate::{
    auth::token::AccessToken,
    backplane::{bus::NodeCommand, queue::LegacySource, records::HeartbeatRecord},
    domain::{
        event::Event,
        ids::{DaemonId, EventId, OrchestratorId, SessionId},
    },
    protocol::{codes::CloseReason, event_frame::Delivery},
    session::effect::{Admission, Identity, Refusal},
};

/// To a connection: here is an event that you want.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Arc<Delivery>);

/// To a connection: one of your deadlines has come.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Tick;

/// To a connection: look into the queue.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Hint;

/// To a connection: end.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Evict(pub CloseReason);

/// To a connection: the hub stops; you have this long.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// Until the connection is closed.
    pub delay: Duration,
}

/// To the manager: may this connection, with this token, come in?
#[derive(Debug, Message)]
#[rtype(result = "Result<Admission, Refusal>")]
pub struct Admit {
    /// The connection.
    pub handle: Arc<ConnectionHandle>,
    /// Its verified token.
    pub token: AccessToken,
    /// The daemon instance that it claims to be.
    pub daemon: Option<DaemonId>,
    /// The orchestrator that it claims to belong to.
    pub orchestrator: Option<OrchestratorId>,
}

/// To the manager: this connection is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Closed {
    /// Which.
    pub handle: Arc<ConnectionHandle>,
    /// Why.
    pub reason: CloseReason,
}

/// To the manager: a hub, this one perhaps, wants connections closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Obey(pub NodeCommand);

/// To the manager: commands may have been missed; close what lives on revoked tokens.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CheckRevocations;

/// To the manager: let everybody go, and say when they are gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct DrainAll {
    /// By when, at the latest.
    pub deadline: Duration,
}

/// To the router: take these events in. Answered in order.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Routed>")]
pub struct Publish {
    /// Resolved events.
    pub events: Vec<Event>,
    /// Where they come from.
    pub origin: Origin,
}

/// To the router: these could not be kept after all; when they come again they are no duplicates.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub Vec<(OrchestratorId, EventId)>);

/// Where an event entered this hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A channel, which all hubs hear.
    Channel,
    /// Over HTTP, from the stream or from a list, and judged by the intake: only this hub knows of it.
    Taken,
    /// The hub itself: only this one knows of it.
    Direct,
    /// Another hub, which has stored it.
    Peer,
    /// This hub's canary, where no channel leads to it.
    Canary,
    /// The hub itself, about the present moment: worth nothing later, so never queued.
    Ephemeral,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    /// It was handed to these sessions.
    Delivered(Vec<SessionId>),
    /// Nobody can take it now; it waits.
    Queued,
    /// It was known already.
    Duplicate,
    /// The hub is full; the same event may be taken in a moment.
    NoRoom,
    /// It is not taken in, and why.
    Rejected(&'static str),
}

/// To the monitor: a daemon is alive, and its connection says so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Beat(pub HeartbeatRecord);

/// To the monitor: a daemon came.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Came(pub Arc<Identity>);

/// To the monitor: a daemon went.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Went(pub Arc<Identity>);

/// To the queue: original publishers may have left something here.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DrainLegacy(pub Vec<LegacySource>);

/// To the queue: look through everything that lost wake-ups may have left behind.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Sweep;

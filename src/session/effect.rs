//! What a session asks its shell to do, and what the shell tells it.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{
        attempt::{Attempt, Cause},
        clock::Timestamp,
        event::Audience,
        gap::Gap,
        ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, OrganizationId, SessionId},
        mutant::{Mutant, planted},
        scope::ScopeSet,
        subscription::Subscriptions,
    },
    protocol::{
        client_frame::{Auth, Heartbeat},
        codes::CloseReason,
        event_frame::{Delivery, Sending},
        server_frame::{Blocked, ServerMessage},
    },
};

/// One thing to be done, in the order given.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Write a frame; the text is the id of the request it answers.
    Send(ServerMessage, Option<String>),
    /// Write an event, and note that once it has left for the socket.
    Deliver {
        /// What to write.
        sending: Sending,
        /// How often a connection broke within seconds of this event.
        crashes: u32,
        /// How the earlier attempts ended, oldest first.
        history: Vec<Attempt>,
    },
    /// Note what happened to a delivery; nothing is written to the socket.
    Note(DeliveryNote),
    /// Verify a token and admit the connection; the answer goes to [`super::Session::on_admitted`].
    Authenticate {
        /// What the client claims to be.
        auth: Auth,
        /// The id to reply to.
        request_id: Option<String>,
    },
    /// These are taken: remove them from the queue.
    Acknowledge {
        /// Which, and as how many attempts; 0 when it was not in flight here.
        ids: Vec<(EventId, u32)>,
        /// How long the first of them was in flight here; `None` when it was not.
        waited: Option<Duration>,
    },
    /// Say when these acknowledgements are durable, and which of them mean nothing.
    Confirm {
        /// Which.
        ids: Vec<EventId>,
        /// The id to reply to.
        request_id: Option<String>,
    },
    /// Give an event up.
    DeadLetter {
        /// Which.
        id: EventId,
        /// Why.
        cause: Cause,
        /// How often it was delivered.
        attempts: u32,
        /// How those attempts ended, oldest first.
        history: Vec<Attempt>,
    },
    /// Let other connections have these events; nobody before the delay is over.
    Release {
        /// Which.
        ids: Vec<EventId>,
        /// For how long nobody gets them.
        delay: Duration,
    },
    /// This connection needs these events, which others could have, for so long.
    Extend {
        /// Which.
        ids: Vec<EventId>,
        /// From now.
        span: Duration,
    },
    /// Look into the queue; the answer goes to [`super::Session::on_page`].
    Fetch(FetchRequest),
    /// Read these again for redelivery; the answer goes to [`super::Session::on_redelivery`].
    Reload(Vec<EventId>),
    /// Nothing that is wanted waits in the queue: live events may come directly from now on.
    CaughtUp,
    /// Something that is wanted waits in the queue: live events would overtake it.
    Behind,
    /// The subscriptions are these now.
    Subscribed(Arc<Subscriptions>),
    /// The daemon is alive.
    Heartbeat(Heartbeat),
    /// Read nothing more for this long.
    Pause(Duration),
    /// Write a WebSocket ping.
    Ping,
    /// End the connection. The last effect.
    Close(CloseReason),
}

/// A look into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Events that need not be read: they are on their way.
    pub exclude: Vec<EventId>,
    /// How many events that match are wanted.
    pub limit: usize,
    /// How many of them are sent at once. Events that only one connection is to have are never read
    /// ahead of that: another one may have room for them.
    pub room: usize,
}

/// Events from the queue.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Those that match, in the order of sending.
    pub events: Vec<Fetched>,
    /// Whether there is more that was not looked at.
    pub more: bool,
    /// Whether it ends before events that only one connection is to have, for want of room.
    pub held_back: bool,
    /// How many events the queue holds, for any subscription.
    pub waiting: usize,
}

/// How many of the events that come `next` are taken together by a connection that has `room` for so many:
/// as many as fit; or, as one may be refused any number of them, all in a row that only one connection is
/// to have; or, without room, those that may be read ahead. None: the page ends here.
#[must_use]
pub fn taken_together(next: &[Fetched], room: usize) -> usize {
    let is_shared = |fetched: &&Fetched| fetched.delivery.event.audience == Audience::Any;
    let fits = room.min(next.len());
    let shared = next.iter().take_while(is_shared).count();
    match room {
        0 => next.iter().take_while(|fetched| !is_shared(fetched)).count(),
        _ => fits.max(shared),
    }
}

/// One event from the queue.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The event.
    pub delivery: Arc<Delivery>,
    /// How often this daemon instance was sent it before, or any instance, if it is for any.
    pub attempts: u32,
    /// How often a connection broke within seconds of that.
    pub crashes: u32,
    /// How those attempts ended, oldest first.
    pub history: Vec<Attempt>,
    /// Until when this connection has it, if only one of several is to have it.
    pub claimed_until: Option<Timestamp>,
}

impl Fetched {
    /// An event that was never sent before.
    #[must_use]
    pub fn fresh(delivery: Arc<Delivery>) -> Self {
        Self { delivery, attempts: 0, crashes: 0, history: Vec::new(), claimed_until: None }
    }
}

/// What is known of the latest delivery of an event to a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryNote {
    /// Which event.
    pub id: EventId,
    /// How often it was sent by now.
    pub attempts: u32,
    /// When it was sent last.
    pub at: Timestamp,
    /// How often a connection broke within seconds of it.
    pub crashes: u32,
    /// How the attempts ended, as far as they have, oldest first.
    pub history: Vec<Attempt>,
    /// Whether it is for any daemon.
    pub shared: bool,
}

/// Who is at the other end of an authenticated connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose daemon it is.
    pub orchestrator: OrchestratorId,
    /// The daemon instance.
    pub daemon: DaemonId,
    /// Its authentication session.
    pub session: SessionId,
    /// Its tenant, when the token names one.
    pub organization: Option<OrganizationId>,
    /// Since when.
    pub connected_at: Timestamp,
}

impl Identity {
    /// Whether an event for `daemon` of `organization` is for this connection: the same tenant, and
    /// all instances or this one (contract C3, 9.9.3).
    #[must_use]
    pub fn is_addressed(&self, daemon: Option<&DaemonId>, organization: Option<&OrganizationId>) -> bool {
        let tenant = match (organization, &self.organization) {
            (Some(named), Some(own)) => named == own,
            // A token of the original platform names no organization; the event names its owner.
            (Some(_), None) | (None, _) => true,
        };
        let instance =
            daemon.is_none_or(|named| *named == self.daemon || named.as_str() == self.session.as_str());
        (tenant || planted(Mutant::OrganizationsMixed)) && instance
    }
}

/// A connection that was admitted, or whose token was renewed.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// What the token allows.
    pub scopes: ScopeSet,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// What the same daemon instance was subscribed to before.
    pub subscriptions: Option<Subscriptions>,
    /// Whether anything waits in its queue.
    pub backlog: bool,
    /// How many events are in the queue.
    pub depth: u64,
    /// What was lost since the daemon was last told.
    pub gap: Option<Gap>,
    /// The hub that holds the connection.
    pub node: NodeId,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is not acceptable, or not this daemon's.
    Failed(&'static str),
    /// The token's time is over.
    Expired,
    /// The token opens nothing on the socket.
    NoScope,
    /// The orchestrator has all the connections it may have.
    TooMany,
    /// The backplane did not answer.
    Unavailable,
}

/// The numbers that sessions obey.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How often clients are told to send heartbeats; three missing ones close the connection.
    pub heartbeat_interval: Duration,
    /// How long a connection may stay without authenticating.
    pub auth_timeout: Duration,
    /// How often the hub sends a WebSocket ping.
    pub ping_interval: Duration,
    /// How many frames a client may send per window, acknowledgements aside.
    pub message_limit: u32,
    /// The length of that window.
    pub message_window: Duration,
    /// How many events may wait for their acknowledgement at once, if the client asks for nothing else.
    pub max_in_flight: usize,
    /// How many it may ask for.
    pub max_in_flight_ceiling: usize,
    /// How long to wait for an acknowledgement after each attempt; the last one repeats.
    pub redelivery_schedule: Vec<Duration>,
    /// After how many attempts an event is given up.
    pub max_attempts: u32,
    /// Whether subscribing needs the exact scope.
    pub strict_scopes: bool,
}

impl Limits {
    /// How close together heartbeats may come (contract 9.7).
    #[must_use]
    pub fn heartbeat_spacing(&self) -> Duration {
        let ten = Duration::from_secs(10);
        if self.heartbeat_interval < ten * 2 { self.heartbeat_interval / 2 } else { ten }
    }

    /// How long to wait for an acknowledgement after the given attempt, counted from 1.
    #[must_use]
    pub fn redelivery_after(&self, attempt: u32) -> Duration {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let schedule = &self.redelivery_schedule;
        let delay = schedule.get(index).or(schedule.last());
        delay.copied().unwrap_or(Duration::from_secs(30))
    }
}

/// How events flow to a daemon (delivery rule 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// How many events are in flight.
    pub in_flight: usize,
    /// How many more may be.
    pub room: usize,
    /// Why what waits is not sent, if it is not.
    pub blocked: Option<Blocked>,
}

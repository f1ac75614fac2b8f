//! What the hub says, except events: typed frames to text (contract 9.4).

use std::time::Duration;

use bytestring::ByteString;
use serde::Serialize;
use uuid::Uuid;

use super::{MAX_MESSAGE_BYTES, client_frame::Wishes, codes::ErrorCode};
use crate::domain::{
    clock::Timestamp,
    gap::Gap,
    ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, SessionId},
    scope::ScopeSet,
    subscription::{MAX_SUBSCRIPTIONS, Subscriptions},
};

/// Everything the hub says beside events.
#[derive(Debug, Clone)]
pub enum ServerMessage {
    /// The connection is authenticated, or its token renewed.
    AuthSuccess(Box<AuthSuccess>),
    /// Authentication failed; the connection closes next.
    AuthError {
        /// Why.
        code: ErrorCode,
        /// Why, in words. Never contains the token.
        message: String,
    },
    /// The answer to a heartbeat.
    HeartbeatAck {
        /// When the next one is due.
        next_heartbeat: Timestamp,
        /// How many events wait for their acknowledgement on this connection.
        in_flight: usize,
        /// How many events waited for this daemon when the hub last looked.
        queued: usize,
        /// Why what waits is not sent, if it is not.
        blocked: Option<Blocked>,
    },
    /// Acknowledgements that were to be confirmed are durable (protocol 1.1).
    AckOk {
        /// Taken.
        ids: Vec<EventId>,
        /// Not known to the hub: never sent, or dealt with otherwise.
        unknown: Vec<EventId>,
    },
    /// A frame was refused; the connection stays.
    Error {
        /// Why.
        code: ErrorCode,
        /// Why, in words.
        message: String,
        /// The field that is wrong, when it is one.
        field: Option<String>,
    },
    /// A frame was dropped because there were too many.
    RateLimit {
        /// What there was too much of.
        action: &'static str,
        /// When to try again.
        retry_after: Duration,
        /// How many there were in this window.
        current_rate: u32,
        /// How many there may be.
        max_rate: u32,
    },
    /// The client is asked to come back later.
    Reconnect {
        /// Why.
        reason: &'static str,
        /// How long it has until it should close, in this time.
        delay: Duration,
    },
    /// The answer to a ping frame (contract C52).
    Pong,
}

/// Why a connection is sent nothing although something waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blocked {
    /// As many events as may be wait for their acknowledgement.
    Window,
    /// The peer does not read fast enough.
    SlowPeer,
    /// The client asked for a pause.
    Paused,
    /// The hub will close the connection.
    Draining,
    /// An event that may have crashed the daemon is tried alone.
    Quarantine,
}

impl Blocked {
    /// Every reason there is.
    pub const ALL: [Self; 5] = [Self::Window, Self::SlowPeer, Self::Paused, Self::Draining, Self::Quarantine];

    /// The word on the wire and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::SlowPeer => "slow_peer",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Quarantine => "quarantine",
        }
    }
}

/// The payload of `auth_success`.
#[derive(Debug, Clone)]
pub struct AuthSuccess {
    /// Usable in HTTP heartbeats too.
    pub session_id: SessionId,
    /// What the token allows.
    pub scopes: ScopeSet,
    /// How often to send heartbeats.
    pub heartbeat_interval: Duration,
    /// This connection.
    pub connection_id: ConnectionId,
    /// The daemon instance.
    pub daemon_id: DaemonId,
    /// The orchestrator.
    pub orchestrator_id: OrchestratorId,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The hub that holds the connection.
    pub node_id: NodeId,
    /// What the client understands.
    pub wishes: Wishes,
    /// Whether subscriptions of an earlier connection were restored.
    pub resumed: bool,
    /// How many events wait in the orchestrator's queue.
    pub backlog: u64,
    /// What was lost since the daemon was last told.
    pub gap: Option<Gap>,
    /// What the connection is subscribed to.
    pub subscriptions: Subscriptions,
    /// How many events may be in flight.
    pub max_in_flight: usize,
    /// After how long without a sign of life the connection is closed.
    pub heartbeat_timeout: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Uuid,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
}

/// Every payload, with its members' names on the wire.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Payload<'a> {
    AuthSuccess {
        session_id: &'a SessionId,
        scopes: Vec<&'static str>,
        server_time: Timestamp,
        heartbeat_interval_ms: u64,
        connection_id: String,
        daemon_id: &'a DaemonId,
        orchestrator_id: &'a OrchestratorId,
        vp_id: &'a OrchestratorId,
        expires_at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<Loss>,
        #[serde(flatten)]
        extension: Option<Box<Extension<'a>>>,
    },
    Error {
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Details<'a>>,
        retryable: bool,
    },
    HeartbeatAck {
        server_time: Timestamp,
        next_heartbeat: Timestamp,
        in_flight: usize,
        queued: usize,
        blocked_reason: Option<&'static str>,
    },
    AckOk {
        ids: &'a [EventId],
        unknown: &'a [EventId],
    },
    RateLimit {
        action: &'static str,
        retry_after: u64,
        current_rate: u32,
        max_rate: u32,
        retryable: bool,
    },
    Reconnect {
        reason: &'static str,
        delay: u64,
    },
}

/// What only a client is told that asked for protocol 1.1: every byte of a greeting is a byte of buffers that
/// live as long as the connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extension<'a> {
    token_expires_at: Timestamp,
    protocol: &'static str,
    capabilities: Vec<&'static str>,
    node_id: &'a NodeId,
    resumed: bool,
    backlog: u64,
    gap: Option<Loss>,
    subscriptions: Vec<String>,
    limits: Limits,
    heartbeat_timeout_ms: u64,
}

impl<'a> Extension<'a> {
    fn of(success: &'a AuthSuccess) -> Self {
        Self {
            token_expires_at: success.expires_at,
            protocol: "1.1",
            capabilities: success.wishes.granted(),
            node_id: &success.node_id,
            resumed: success.resumed,
            backlog: success.backlog,
            gap: success.gap.map(Loss::from),
            subscriptions: success.subscriptions.patterns().collect(),
            limits: Limits {
                max_in_flight: success.max_in_flight,
                max_message_bytes: MAX_MESSAGE_BYTES,
                max_subscriptions: MAX_SUBSCRIPTIONS,
            },
            heartbeat_timeout_ms: millis(success.heartbeat_timeout),
        }
    }
}

/// Events that are lost, on the wire.
#[derive(Serialize)]
struct Loss {
    count: u64,
    reason: &'static str,
}

impl From<Gap> for Loss {
    fn from(gap: Gap) -> Self {
        Self { count: gap.count(), reason: gap.reason() }
    }
}

/// The limits of a connection, on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    max_in_flight: usize,
    max_message_bytes: usize,
    max_subscriptions: usize,
}

#[derive(Serialize)]
struct Details<'a> {
    field: &'a str,
    error: &'a str,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

impl ServerMessage {
    fn kind(&self) -> &'static str {
        match self {
            Self::AuthSuccess(_) => "auth_success",
            Self::AuthError { .. } => "auth_error",
            Self::HeartbeatAck { .. } => "heartbeat_ack",
            Self::AckOk { .. } => "ack_ok",
            Self::Error { .. } => "error",
            Self::RateLimit { .. } => "rate_limit",
            Self::Reconnect { .. } => "reconnect",
            Self::Pong => "pong",
        }
    }

    fn payload(&self, now: Timestamp) -> Option<Payload<'_>> {
        let payload = match self {
            Self::AuthSuccess(success) => Payload::AuthSuccess {
                session_id: &success.session_id,
                scopes: success.scopes.names(),
                server_time: now,
                heartbeat_interval_ms: millis(success.heartbeat_interval),
                connection_id: success.connection_id.to_string(),
                daemon_id: &success.daemon_id,
                orchestrator_id: &success.orchestrator_id,
                vp_id: &success.orchestrator_id,
                expires_at: success.expires_at,
                gap: success.gap.filter(|_| !success.wishes.extended).map(Loss::from),
                extension: success.wishes.extended.then(|| Box::new(Extension::of(success))),
            },
            Self::AuthError { code, message } => {
                Payload::Error { code: code.as_str(), message, details: None, retryable: code.is_retryable() }
            }
            Self::HeartbeatAck { next_heartbeat, in_flight, queued, blocked } => Payload::HeartbeatAck {
                server_time: now,
                next_heartbeat: *next_heartbeat,
                in_flight: *in_flight,
                queued: *queued,
                blocked_reason: blocked.map(Blocked::as_str),
            },
            Self::AckOk { ids, unknown } => Payload::AckOk { ids, unknown },
            Self::Error { code, message, field } => {
                let problem = |field: &str| message.strip_prefix(field)?.strip_prefix(": ");
                let details =
                    field.as_deref().map(|field| Details { field, error: problem(field).unwrap_or(message) });
                Payload::Error { code: code.as_str(), message, details, retryable: code.is_retryable() }
            }
            Self::RateLimit { action, retry_after, current_rate, max_rate } => Payload::RateLimit {
                action,
                retry_after: whole_seconds(*retry_after),
                current_rate: *current_rate,
                max_rate: *max_rate,
                retryable: true,
            },
            Self::Reconnect { reason, delay } => Payload::Reconnect { reason, delay: millis(*delay) },
            Self::Pong => return None,
        };
        Some(payload)
    }

    /// The frame as text, with a fresh id; `reply_to` is the id of the request it answers.
    #[must_use]
    pub fn encode(&self, reply_to: Option<&str>, now: Timestamp) -> ByteString {
        let frame = Frame {
            kind: self.kind(),
            id: Uuid::new_v4(),
            timestamp: now,
            reply_to,
            payload: self.payload(now),
        };
        // Serializing these types cannot fail; an empty text would be a visible protocol error.
        serde_json::to_string(&frame).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn encoded(message: &ServerMessage, reply_to: Option<&str>) -> Value {
        serde_json::from_str(&message.encode(reply_to, Timestamp(0))).expect("JSON")
    }

    fn greeting(wishes: Wishes, gap: Option<Gap>) -> Value {
        encoded(
            &ServerMessage::AuthSuccess(Box::new(AuthSuccess {
                session_id: SessionId::parse("daemon_session_vp_1_x").expect("an id"),
                scopes: ScopeSet::from_names(["messages:read"]),
                heartbeat_interval: Duration::from_secs(30),
                connection_id: ConnectionId::random(),
                daemon_id: DaemonId::parse("d").expect("an id"),
                orchestrator_id: OrchestratorId::parse("vp_1").expect("an id"),
                expires_at: Timestamp(3_600_000),
                node_id: NodeId::parse("node_1").expect("an id"),
                wishes,
                resumed: false,
                backlog: 7,
                gap,
                subscriptions: Subscriptions::default(),
                max_in_flight: 256,
                heartbeat_timeout: Duration::from_secs(90),
            })),
            Some("r1"),
        )
    }

    #[test]
    fn auth_success_has_every_promised_member() {
        let frame = greeting(Wishes::default(), Some(Gap { dropped: 2, expired: 1 }));
        assert_eq!((&frame["type"], &frame["replyTo"]), (&"auth_success".into(), &"r1".into()));
        assert!(Uuid::parse_str(frame["id"].as_str().expect("an id")).is_ok());
        let payload = &frame["payload"];
        assert_eq!(payload["heartbeatIntervalMs"], 30_000);
        assert_eq!(payload["scopes"], json!(["messages:read"]));
        assert_eq!(payload["serverTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(payload["expiresAt"], "1970-01-01T01:00:00.000Z");
        assert_eq!((&payload["orchestratorId"], &payload["vpId"]), (&"vp_1".into(), &"vp_1".into()));
        assert!(payload["connectionId"].is_string() && payload["daemonId"] == "d");
        assert_eq!(payload["gap"], json!({ "count": 3, "reason": "dropped_and_expired" }));
        assert!(payload.get("protocol").is_none(), "it did not ask");
    }

    #[test]
    fn who_asks_for_more_is_told_more() {
        let wishes = Wishes { extended: true, batch: true, ..Wishes::default() };
        let frame = greeting(wishes, None);
        let payload = &frame["payload"];
        assert_eq!((&payload["protocol"], &payload["nodeId"]), (&"1.1".into(), &"node_1".into()));
        assert_eq!(payload["gap"], Value::Null);
        assert!(payload.as_object().is_some_and(|members| members.contains_key("gap")), "said, and none");
        assert_eq!(payload["limits"]["maxInFlight"], 256);
        assert_eq!(payload["heartbeatTimeoutMs"], 90_000);
        assert_eq!((&payload["backlog"], &payload["expiresAt"]), (&7.into(), &payload["tokenExpiresAt"]));
    }

    #[test]
    fn an_error_names_the_field() {
        let frame = encoded(
            &ServerMessage::Error {
                code: ErrorCode::InvalidMessage,
                message: "eventTypes: too many".into(),
                field: Some("eventTypes".into()),
            },
            None,
        );
        assert_eq!(frame["payload"]["code"], "INVALID_MESSAGE");
        assert_eq!(frame["payload"]["details"]["field"], "eventTypes");
        assert!(frame.get("replyTo").is_none());
    }

    #[test]
    fn units_are_seconds_for_rate_limits_and_milliseconds_for_reconnects() {
        let limited = encoded(
            &ServerMessage::RateLimit {
                action: "message.send",
                retry_after: Duration::from_millis(59_001),
                current_rate: 101,
                max_rate: 100,
            },
            None,
        );
        assert_eq!(limited["payload"]["retryAfter"], 60);
        let reconnect =
            encoded(&ServerMessage::Reconnect { reason: "shutdown", delay: Duration::from_secs(5) }, None);
        assert_eq!(reconnect["payload"]["delay"], 5_000);
    }
}

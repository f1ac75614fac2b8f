//! What the hub says, except events: typed frames to text (contract 9.4).

use std::time::Duration;

use bytestring::ByteString;
use serde::Serialize;
use uuid::Uuid;

use super::codes::ErrorCode;
use crate::domain::{
    clock::Timestamp,
    ids::{ConnectionId, DaemonId, OrchestratorId, SessionId},
    scope::ScopeSet,
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
    },
    Error {
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Details<'a>>,
    },
    HeartbeatAck {
        server_time: Timestamp,
        next_heartbeat: Timestamp,
    },
    RateLimit {
        action: &'static str,
        retry_after: u64,
        current_rate: u32,
        max_rate: u32,
    },
    Reconnect {
        reason: &'static str,
        delay: u64,
    },
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
            },
            Self::AuthError { code, message } => {
                Payload::Error { code: code.as_str(), message, details: None }
            }
            Self::HeartbeatAck { next_heartbeat } => {
                Payload::HeartbeatAck { server_time: now, next_heartbeat: *next_heartbeat }
            }
            Self::Error { code, message, field } => {
                let problem = |field: &str| message.strip_prefix(field)?.strip_prefix(": ");
                let details =
                    field.as_deref().map(|field| Details { field, error: problem(field).unwrap_or(message) });
                Payload::Error { code: code.as_str(), message, details }
            }
            Self::RateLimit { action, retry_after, current_rate, max_rate } => Payload::RateLimit {
                action,
                retry_after: whole_seconds(*retry_after),
                current_rate: *current_rate,
                max_rate: *max_rate,
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

    #[test]
    fn auth_success_has_every_promised_member() {
        let frame = encoded(
            &ServerMessage::AuthSuccess(Box::new(AuthSuccess {
                session_id: SessionId::parse("daemon_session_vp_1_x").expect("an id"),
                scopes: ScopeSet::from_names(["messages:read"]),
                heartbeat_interval: Duration::from_secs(30),
                connection_id: ConnectionId::random(),
                daemon_id: DaemonId::parse("d").expect("an id"),
                orchestrator_id: OrchestratorId::parse("vp_1").expect("an id"),
                expires_at: Timestamp(3_600_000),
            })),
            Some("r1"),
        );
        assert_eq!((&frame["type"], &frame["replyTo"]), (&"auth_success".into(), &"r1".into()));
        assert!(Uuid::parse_str(frame["id"].as_str().expect("an id")).is_ok());
        let payload = &frame["payload"];
        assert_eq!(payload["heartbeatIntervalMs"], 30_000);
        assert_eq!(payload["scopes"], json!(["messages:read"]));
        assert_eq!(payload["serverTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(payload["expiresAt"], "1970-01-01T01:00:00.000Z");
        assert_eq!((&payload["orchestratorId"], &payload["vpId"]), (&"vp_1".into(), &"vp_1".into()));
        assert!(payload["connectionId"].is_string() && payload["daemonId"] == "d");
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

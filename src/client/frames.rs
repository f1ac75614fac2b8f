//! The wire as the client sees it: frames to send, frames to understand (contract 9).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use crate::domain::{
    clock::Timestamp,
    ids::{ChannelId, DaemonId, OrchestratorId},
};

fn frame(kind: &str, payload: &Value, now: Timestamp) -> String {
    json!({ "type": kind, "id": Uuid::new_v4(), "timestamp": now, "payload": payload }).to_string()
}

pub(super) fn auth(token: &str, daemon: &DaemonId, orchestrator: &OrchestratorId, now: Timestamp) -> String {
    let payload = json!({ "accessToken": token, "daemonId": daemon, "orchestratorId": orchestrator });
    frame("auth", &payload, now)
}

pub(super) fn heartbeat(uptime: Duration, now: Timestamp) -> String {
    let payload = json!({ "status": "active", "metrics": { "uptimeSeconds": uptime.as_secs() } });
    frame("heartbeat", &payload, now)
}

pub(super) fn subscribe(event_types: &[String], channels: &[ChannelId], now: Timestamp) -> String {
    let payload = match channels {
        [] => json!({ "eventTypes": event_types }),
        channels => json!({ "eventTypes": event_types, "channelIds": channels }),
    };
    frame("subscribe", &payload, now)
}

pub(super) fn ack(event_ids: &[String], now: Timestamp) -> String {
    frame("ack", &json!({ "eventIds": event_ids }), now)
}

/// An event as a daemon receives it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedEvent {
    /// What it is acknowledged and deduplicated by: delivery is at least once.
    pub event_id: String,
    /// What kind of event it is.
    pub event_type: String,
    /// The publisher's payload, one JSON object.
    #[serde(default = "empty_object")]
    pub data: Box<RawValue>,
    /// Whether the hub keeps it until it is acknowledged.
    #[serde(default)]
    pub requires_ack: bool,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// The channel it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// The workspace it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// Higher is more urgent.
    #[serde(default)]
    pub priority: i32,
    /// Which attempt this is, from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// Whether it was sent before.
    #[serde(default)]
    pub redelivered: bool,
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

fn first() -> u32 {
    1
}

/// What the hub says, as far as the client cares.
#[derive(Debug)]
pub(super) enum Incoming {
    AuthSuccess {
        session: String,
        heartbeat: Option<Duration>,
    },
    AuthError {
        code: String,
        message: String,
    },
    Event(Box<ReceivedEvent>),
    Problem {
        code: String,
        message: String,
    },
    RateLimit {
        action: String,
        retry_after: Duration,
    },
    Reconnect {
        reason: String,
        delay: Duration,
    },
    /// Sign of life only: acknowledgements of heartbeats, and frames from a newer protocol.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// The fields of every other payload; each frame type has some of them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    session_id: String,
    heartbeat_interval_ms: Option<u64>,
    code: String,
    message: String,
    action: String,
    retry_after: f64,
    reason: String,
    delay: f64,
}

/// Reads one text frame.
pub(super) fn read(text: &str) -> Result<Incoming, serde_json::Error> {
    let envelope: Envelope<'_> = serde_json::from_str(text)?;
    let payload = envelope.payload.map_or("{}", RawValue::get);
    if envelope.kind == "event" {
        return serde_json::from_str(payload).map(|event| Incoming::Event(Box::new(event)));
    }
    let known = ["auth_success", "auth_error", "error", "rate_limit", "reconnect"];
    if !known.contains(&envelope.kind.as_str()) {
        return Ok(Incoming::Other);
    }
    let payload: Payload = serde_json::from_str(payload)?;
    Ok(match envelope.kind.as_str() {
        "auth_success" => Incoming::AuthSuccess {
            session: payload.session_id,
            heartbeat: payload.heartbeat_interval_ms.filter(|ms| *ms > 0).map(Duration::from_millis),
        },
        "auth_error" => Incoming::AuthError { code: payload.code, message: payload.message },
        "rate_limit" => {
            Incoming::RateLimit { action: payload.action, retry_after: seconds(payload.retry_after) }
        }
        "reconnect" => Incoming::Reconnect { reason: payload.reason, delay: seconds(payload.delay / 1000.0) },
        _ => Incoming::Problem { code: payload.code, message: payload.message },
    })
}

/// Seconds from the wire; what is no time is none.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client_frame::{ClientMessage, decode};

    fn said(text: &str) -> ClientMessage {
        decode(text).expect("a frame of the protocol").message
    }

    #[test]
    fn the_hub_understands_what_the_client_says() {
        let daemon = DaemonId::parse("d1").expect("an id");
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let ClientMessage::Auth(sent) = said(&auth("tok", &daemon, &orchestrator, Timestamp(0))) else {
            panic!("no auth frame")
        };
        assert_eq!((sent.access_token.as_str(), sent.daemon_id), ("tok", Some(daemon)));
        assert_eq!(sent.orchestrator_id, Some(orchestrator));
        assert!(matches!(
            said(&heartbeat(Duration::from_secs(7), Timestamp(0))),
            ClientMessage::Heartbeat(beat) if beat.metrics.as_ref().is_some_and(|m| m["uptimeSeconds"] == 7)
        ));
        let channel = ChannelId::parse("c1").expect("an id");
        assert!(matches!(
            said(&subscribe(&["message.*".to_owned()], &[channel], Timestamp(0))),
            ClientMessage::Subscribe { patterns, channels } if patterns.len() == 1 && channels.len() == 1
        ));
        assert!(matches!(
            said(&ack(&["e1".to_owned(), "e2".to_owned()], Timestamp(0))),
            ClientMessage::Ack { event_ids, .. } if event_ids.len() == 2
        ));
    }

    #[test]
    fn the_client_understands_what_the_hub_says() {
        let success = r#"{"type":"auth_success","id":"1","payload":{"sessionId":"s","heartbeatIntervalMs":250,"new":1}}"#;
        assert!(matches!(
            read(success),
            Ok(Incoming::AuthSuccess { session, heartbeat: Some(h) }) if session == "s" && h.as_millis() == 250
        ));
        let reconnect = r#"{"type":"reconnect","payload":{"reason":"shutdown","delay":1500}}"#;
        assert!(matches!(
            read(reconnect),
            Ok(Incoming::Reconnect { delay, .. }) if delay.as_millis() == 1500
        ));
        let limit = r#"{"type":"rate_limit","payload":{"action":"heartbeat","retryAfter":9}}"#;
        assert!(matches!(
            read(limit),
            Ok(Incoming::RateLimit { retry_after, .. }) if retry_after.as_secs() == 9
        ));
        let refused = r#"{"type":"auth_error","payload":{"code":"TOKEN_EXPIRED","message":"m"}}"#;
        assert!(matches!(read(refused), Ok(Incoming::AuthError { code, .. }) if code == "TOKEN_EXPIRED"));
        assert!(matches!(read(r#"{"type":"batch_v9","payload":{"delay":"x"}}"#), Ok(Incoming::Other)));
        assert!(read(r#"{"type":"event"}"#).is_err() && read("[]").is_err());
    }

    #[test]
    fn an_event_keeps_its_payload_as_published() {
        let frame = r#"{"type":"event","payload":{"eventId":"e","eventType":"a.b","data":{"n":1.10},"requiresAck":true,"attempt":2}}"#;
        let Ok(Incoming::Event(event)) = read(frame) else { panic!("no event") };
        assert_eq!((event.event_id.as_str(), event.attempt, event.requires_ack), ("e", 2, true));
        assert_eq!(event.data.get(), r#"{"n":1.10}"#);
        let Ok(Incoming::Event(bare)) =
            read(r#"{"type":"event","payload":{"eventId":"e","eventType":"a.b"}}"#)
        else {
            panic!("no event")
        };
        assert_eq!((bare.data.get(), bare.attempt, bare.requires_ack), ("{}", 1, false));
    }

    #[test]
    fn a_delay_that_is_no_time_is_none() {
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(seconds(value), Duration::ZERO);
        }
    }
}

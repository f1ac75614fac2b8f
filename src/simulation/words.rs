//! What clients and hubs say to each other, in the words of the wire.

use super::{
    Number,
    act::{Act, Frame},
    invariant::Invariant,
    world::World,
};
use crate::protocol::server_frame::ServerMessage;

impl World {
    /// A frame as the client writes it.
    pub(super) fn text(&self, connection: Number, frame: &Frame) -> String {
        let id = |event: &Number| self.oracle.facts.all[*event].event.id.as_str();
        let daemon = &self.daemons[self.links[connection].daemon];
        match frame {
            Frame::Auth => {
                let orchestrator = &self.orchestrators[daemon.orchestrator].id;
                let who = format!(
                    r#""accessToken":"t","daemonId":"{}","orchestratorId":"{orchestrator}""#,
                    daemon.id
                );
                let more = if daemon.legacy {
                    ""
                } else {
                    r#","protocol":"1.1","capabilities":["nack","progress"]"#
                };
                format!(r#"{{"type":"auth","payload":{{{who}{more}}}}}"#)
            }
            Frame::Subscribe(kind) => {
                format!(r#"{{"type":"subscribe","payload":{{"eventTypes":["{kind}"]}}}}"#)
            }
            Frame::Unsubscribe(kind) => {
                format!(r#"{{"type":"unsubscribe","payload":{{"eventTypes":["{kind}"]}}}}"#)
            }
            Frame::Ack(events) => {
                let ids: Vec<&str> = events.iter().map(id).collect();
                format!(r#"{{"type":"ack","payload":{{"eventIds":{ids:?}}}}}"#)
            }
            Frame::Nack { event, delay, terminal } => {
                let delay = delay.map(|delay| format!(r#","delayMs":{delay}"#)).unwrap_or_default();
                let ids = [id(event)];
                format!(r#"{{"type":"nack","payload":{{"eventIds":{ids:?},"terminal":{terminal}{delay}}}}}"#)
            }
            Frame::Progress { event, extend } => {
                let ids = [id(event)];
                format!(r#"{{"type":"progress","payload":{{"eventIds":{ids:?},"extendMs":{extend}}}}}"#)
            }
            Frame::Flow(most) => format!(r#"{{"type":"flow","payload":{{"maxInFlight":{most}}}}}"#),
        }
    }

    /// The hub said something that is no event.
    pub(super) fn said(&mut self, connection: Number, message: &ServerMessage) {
        let legacy = self.daemons[self.links[connection].daemon].legacy;
        match message {
            ServerMessage::AuthSuccess(success) => {
                let expected = self.links[connection].gap;
                if success.gap != expected {
                    let what =
                        format!("connection {connection} heard {:?}, it lost {expected:?}", success.gap);
                    self.oracle.fail(Invariant::LossesAnnounced, what, None);
                }
                self.links[connection].window = success.max_in_flight;
                self.soon(1, 10, Act::Greeted { connection });
            }
            ServerMessage::AckOk { .. } if legacy => {
                self.oracle.fail(Invariant::LegacyShape, "a legacy client heard ack_ok", None);
            }
            ServerMessage::AckOk { .. }
            | ServerMessage::AuthError { .. }
            | ServerMessage::HeartbeatAck { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::RateLimit { .. }
            | ServerMessage::Reconnect { .. }
            | ServerMessage::Pong => {}
        }
        if legacy && self.random.chance(100) {
            self.check_shape(message);
        }
    }

    /// A legacy client knows these frames, and that each has a type, an id and a time.
    fn check_shape(&mut self, message: &ServerMessage) {
        const KNOWN: [&str; 7] =
            ["auth_success", "auth_error", "heartbeat_ack", "error", "rate_limit", "reconnect", "pong"];
        let text = message.encode(None, self.now().wall);
        let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let known = frame["type"].as_str().is_some_and(|kind| KNOWN.contains(&kind));
        if !known || frame["timestamp"].as_str().is_none() {
            self.oracle.fail(Invariant::LegacyShape, format!("a legacy client heard {text}"), None);
        }
    }
}

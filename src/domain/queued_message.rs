//! A message on its way to an orchestrator, as the platform's router queues it (contract S4).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{clock::Timestamp, ids::OrchestratorId};

/// One entry of `routing:queue:{orchestrator}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedMessage {
    /// Which message.
    pub message_id: String,
    /// Where it was written.
    pub channel_id: Option<String>,
    /// By whom.
    pub author_id: Option<String>,
    /// What it says.
    pub content: Option<String>,
    /// When it was written, in whatever form its writer chose.
    pub created_at: Option<Value>,
    /// When it was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Value>,
}

impl QueuedMessage {
    /// The id of the event that the message becomes. It follows from the message, so that a message
    /// that comes by two ways is one event.
    #[must_use]
    pub fn event_id(&self) -> String {
        format!("msg_{}", self.message_id)
    }

    /// The event that the original router would have made of it, as published JSON; given up after
    /// `expires_at`, if that is said.
    #[must_use]
    pub fn event(&self, orchestrator: &OrchestratorId, expires_at: Option<Timestamp>) -> Bytes {
        let mut event = json!({
            "id": self.event_id(),
            "type": "message.received",
            "orchestratorId": orchestrator,
            "daemonId": "",
            "channelId": self.channel_id,
            "payload": {
                "messageId": self.message_id,
                "channelId": self.channel_id,
                "content": self.content,
                "authorId": self.author_id,
                "timestamp": self.created_at,
            },
            "timestamp": self.created_at,
            "requiresAck": true,
            "priority": 1,
        });
        if let (Some(expires_at), Some(members)) = (expires_at, event.as_object_mut()) {
            members.insert("expiresAt".to_owned(), json!(expires_at));
        }
        Bytes::from(event.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::envelope::{Context, Published};

    #[test]
    fn a_queued_message_becomes_the_event_that_the_original_router_makes() {
        let entry = r#"{"messageId":"m1","channelId":"c1","authorId":"u1","content":"hi","createdAt":"2024-01-01T00:00:00.000Z","queuedAt":"x"}"#;
        let message: QueuedMessage = serde_json::from_str(entry).expect("a message");
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let json = message.event(&orchestrator, Some(Timestamp(1_704_067_200_001)));
        let event = Published::parse(&json, &Context::default(), Timestamp(1)).expect("an event").event;
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("msg_m1", "message.received"));
        assert_eq!((event.orchestrator, event.requires_ack), (orchestrator, true));
        assert_eq!(event.expires_at, Some(Timestamp(1_704_067_200_001)));
        let payload: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert_eq!((&payload["content"], &payload["messageId"]), (&"hi".into(), &"m1".into()));
    }
}

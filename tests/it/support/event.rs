//! Events as the platform publishes them.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::identity::{Identity, unique};

/// The type of most events in the tests.
pub(crate) const MESSAGE: &str = "message.received";

/// An event in the shape of the integration example's publisher.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    json: Value,
}

impl Event {
    /// A message to all daemons of an orchestrator, to be acknowledged.
    pub(crate) fn to(identity: &Identity) -> Self {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let json = json!({
            "id": unique("event"), "type": MESSAGE,
            "daemonId": "", "orchestratorId": identity.orchestrator,
            "payload": {
                "messageId": unique("message"), "content": "Hello orchestrator!",
                "authorId": "user_1", "timestamp": now,
            },
            "timestamp": now, "requiresAck": true, "priority": 1,
        });
        Self { json }
    }

    /// As many messages as asked for, all of the same millisecond, told apart by their number.
    pub(crate) fn burst(identity: &Identity, count: usize) -> Vec<Self> {
        let first = Self::to(identity);
        let numbered = |number| {
            let json = json!({ "number": number });
            Self { json: first.json.clone() }.set("id", unique("event")).set("payload", json)
        };
        (0..count).map(numbered).collect()
    }

    /// With another value of one field; `null` takes the field away.
    pub(crate) fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let fields = self.json.as_object_mut().unwrap();
        if value.is_null() {
            fields.remove(field);
        } else {
            fields.insert(field.to_owned(), value);
        }
        self
    }

    /// In a channel, written the way the integration example does: as the workspace too.
    pub(crate) fn in_channel(mut self, channel: &str) -> Self {
        self.json["payload"]["channelId"] = channel.into();
        self.set("channelId", channel).set("workspaceId", channel)
    }

    /// For one daemon instance, or one session.
    pub(crate) fn for_daemon(self, daemon: &str) -> Self {
        self.set("daemonId", daemon)
    }

    /// Not to be acknowledged.
    pub(crate) fn without_ack(self) -> Self {
        self.set("requiresAck", false)
    }

    /// With a payload of about `bytes` bytes.
    pub(crate) fn sized(self, bytes: usize) -> Self {
        self.set("payload", json!({ "content": "x".repeat(bytes) }))
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        self.json["id"].as_str().unwrap()
    }

    /// One of its fields.
    pub(crate) fn field(&self, name: &str) -> &Value {
        &self.json[name]
    }

    /// Its whole JSON.
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }
}

/// The ids of events, in order.
pub(crate) fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::id).collect()
}

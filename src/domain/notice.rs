//! Events that the hub itself makes out of what happened (contract 9.10).

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    clock::Timestamp,
    envelope::{Context, Published},
    event::Event,
    ids::{ChannelId, OrchestratorId, OrganizationId},
};

/// What happened, for the daemons of one orchestrator.
#[derive(Debug, Clone)]
pub struct Notice<'a> {
    /// The event's type, such as `channel.joined`.
    pub kind: &'a str,
    /// Whom it is for.
    pub orchestrator: &'a OrchestratorId,
    /// Its tenant.
    pub organization: Option<&'a OrganizationId>,
    /// The channel it happened in.
    pub channel: Option<&'a ChannelId>,
    /// What happened: an object.
    pub payload: Value,
    /// When.
    pub at: Timestamp,
}

impl Notice<'_> {
    /// The event for those who are there now: no acknowledgement, an id of its own.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        let id = format!("evt_{}_{}", self.at.0, Uuid::new_v4().simple());
        self.written(&id, false, 0)
    }

    /// The event that waits until it is acknowledged. The same `id` again is the same event.
    #[must_use]
    pub fn lasting(&self, id: &str, priority: i32) -> Option<Event> {
        self.written(id, true, priority)
    }

    /// `None` when it is larger than an event may be.
    fn written(&self, id: &str, requires_ack: bool, priority: i32) -> Option<Event> {
        let event = json!({
            "id": id,
            "type": self.kind,
            "orchestratorId": self.orchestrator,
            "organizationId": self.organization,
            "channelId": self.channel,
            "payload": self.payload,
            "timestamp": self.at,
            "requiresAck": requires_ack,
            "priority": priority,
        });
        let json = Bytes::from(serde_json::to_vec(&event).ok()?);
        Published::parse(&json, &Context::default(), self.at).ok().map(|published| published.event)
    }
}

/// `vp.status_changed` for `orchestrator`, whose status is now `status`.
#[must_use]
pub fn status_changed(
    orchestrator: &OrchestratorId,
    organization: Option<&OrganizationId>,
    status: &str,
    at: Timestamp,
) -> Option<Event> {
    let payload = json!({ "status": status });
    Notice { kind: "vp.status_changed", orchestrator, organization, channel: None, payload, at }.event()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(orchestrator: &OrchestratorId) -> Notice<'_> {
        let payload = json!({ "messageId": "m" });
        let at = Timestamp(1_700_000_000_000);
        Notice { kind: "message.received", orchestrator, organization: None, channel: None, payload, at }
    }

    #[test]
    fn what_must_be_acknowledged_is_the_same_event_however_often_it_is_made() {
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let event = notice(&orchestrator).lasting("evt_message_m", 1).expect("an event");
        assert_eq!((event.id.as_str(), event.requires_ack, event.priority), ("evt_message_m", true, 1));
        assert_eq!(&event.payload[..], br#"{"messageId":"m"}"#);
    }

    #[test]
    fn what_is_only_for_now_is_a_new_event_each_time() {
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let [one, two] = [(); 2].map(|()| notice(&orchestrator).event().expect("an event"));
        assert!(!one.requires_ack && one.id != two.id);
    }
}

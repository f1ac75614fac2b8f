//! The `event` frame: encoded once per event, its bytes shared by every receiver.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use bytestring::ByteString;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::{
    clock::{Stopwatch, Timestamp},
    event::Event,
};

/// An event on its way to sockets, with its first frame as soon as one receiver needed it.
#[derive(Debug)]
pub struct Delivery {
    /// The event.
    pub event: Arc<Event>,
    /// When the hub took it in, or read it from the queue.
    pub received: Stopwatch,
    first_frame: OnceLock<ByteString>,
    taken: AtomicBool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Uuid,
    timestamp: Timestamp,
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    event_id: &'a str,
    event_type: &'a str,
    data: &'a RawValue,
    requires_ack: bool,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    priority: i32,
    attempt: u32,
    redelivered: bool,
}

impl Delivery {
    /// Wraps an event for delivery.
    #[must_use]
    pub fn new(event: Arc<Event>) -> Self {
        Self {
            event,
            received: Stopwatch::start(),
            first_frame: OnceLock::new(),
            taken: AtomicBool::new(false),
        }
    }

    /// The frame of the given attempt, counted from 1. First attempts share their bytes, the frame
    /// id included.
    #[must_use]
    pub fn frame(&self, attempt: u32, now: Timestamp) -> ByteString {
        if attempt <= 1 {
            self.first_frame.get_or_init(|| encode(&self.event, 1, now)).clone()
        } else {
            encode(&self.event, attempt, now)
        }
    }

    /// Takes note that a receiver has it; whether it is the first one. One is enough for an event that
    /// needs no acknowledgement.
    #[must_use]
    pub fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::Relaxed)
    }

    /// Roughly how many bytes the frame takes in a peer's queue.
    #[must_use]
    pub fn size(&self) -> usize {
        self.event.payload.len() + 512
    }
}

fn encode(event: &Event, attempt: u32, now: Timestamp) -> ByteString {
    let Ok(data) = serde_json::from_slice::<&RawValue>(&event.payload) else {
        return ByteString::new();
    };
    let frame = Frame {
        kind: "event",
        id: Uuid::new_v4(),
        timestamp: now,
        payload: Payload {
            event_id: event.id.as_str(),
            event_type: event.kind.as_str(),
            data,
            requires_ack: event.requires_ack,
            timestamp: event.timestamp,
            channel_id: event.channel.as_ref().map(|id| id.as_str()),
            workspace_id: event.workspace.as_deref(),
            priority: event.priority,
            attempt,
            redelivered: attempt > 1,
        },
    };
    // Serializing these types cannot fail; an empty text would be a visible protocol error.
    serde_json::to_string(&frame).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::domain::envelope::{Context, Published};

    fn delivery() -> Delivery {
        let json = Bytes::from_static(
            br#"{"id":"e1","type":"message.received","orchestratorId":"vp_1","payload":{"content":"h\u00e9"},
                 "timestamp":1000,"channelId":"c1","workspaceId":"w1","requiresAck":true,"priority":1}"#,
        );
        let published = Published::parse(&json, &Context::default(), Timestamp(0)).expect("an event");
        Delivery::new(Arc::new(published.event))
    }

    fn read(frame: &ByteString) -> Value {
        serde_json::from_str(frame).expect("JSON")
    }

    #[test]
    fn the_frame_has_the_documented_envelope() {
        let frame = read(&delivery().frame(1, Timestamp(2_000)));
        assert_eq!(frame["type"], "event");
        assert_eq!(frame["timestamp"], "1970-01-01T00:00:02.000Z");
        let payload = &frame["payload"];
        assert_eq!((&payload["eventId"], &payload["eventType"]), (&"e1".into(), &"message.received".into()));
        assert_eq!(payload["data"]["content"], "hé");
        assert_eq!((&payload["requiresAck"], &payload["priority"]), (&true.into(), &1.into()));
        assert_eq!((&payload["channelId"], &payload["workspaceId"]), (&"c1".into(), &"w1".into()));
        assert_eq!((&payload["attempt"], &payload["redelivered"]), (&1.into(), &false.into()));
        assert_eq!(payload["timestamp"], "1970-01-01T00:00:01.000Z");
    }

    #[test]
    fn first_attempts_share_bytes_and_later_ones_say_so() {
        let delivery = delivery();
        let (one, other) = (delivery.frame(1, Timestamp(0)), delivery.frame(1, Timestamp(5)));
        assert_eq!(one.as_bytes().as_ptr(), other.as_bytes().as_ptr());
        let third = read(&delivery.frame(3, Timestamp(0)));
        assert_eq!(
            (&third["payload"]["attempt"], &third["payload"]["redelivered"]),
            (&3.into(), &true.into())
        );
    }
}

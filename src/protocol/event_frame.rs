//! The `event` frame: encoded once per event, its bytes shared by every receiver.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
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
    payload: Content<'a>,
}

/// One event, or several (protocol 1.1).
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    One(Payload<'a>),
    Several { events: Vec<Payload<'a>> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    event_id: &'a str,
    event_type: &'a str,
    data: &'a RawValue,
    requires_ack: bool,
    timestamp: Timestamp,
    published_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    priority: i32,
    attempt: u32,
    redelivered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

/// One event that is sent: the event, as which attempt, and how long the daemon has for it.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The event.
    pub delivery: Arc<Delivery>,
    /// Counted from 1.
    pub attempt: u32,
    /// After how long without an acknowledgement it is sent again.
    pub ack_deadline: Duration,
}

impl Sending {
    /// The frame of this event alone.
    #[must_use]
    pub fn frame(&self, now: Timestamp) -> ByteString {
        if self.attempt > 1 {
            return one(&self.delivery.event, self.attempt, self.ack_deadline, now);
        }
        let shared = &self.delivery.first_frame;
        shared.get_or_init(|| one(&self.delivery.event, 1, self.ack_deadline, now)).clone()
    }
}

/// One frame with several events, in their order (protocol 1.1).
#[must_use]
pub fn batch(sendings: &[Sending], now: Timestamp) -> ByteString {
    let events = sendings
        .iter()
        .filter_map(|sending| payload(&sending.delivery.event, sending.attempt, sending.ack_deadline));
    encode("batch", Content::Several { events: events.collect() }, now)
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

fn one(event: &Event, attempt: u32, ack_deadline: Duration, now: Timestamp) -> ByteString {
    payload(event, attempt, ack_deadline)
        .map(|payload| encode("event", Content::One(payload), now))
        .unwrap_or_default()
}

/// `None` for an event whose payload is no JSON: none that was parsed.
fn payload(event: &Event, attempt: u32, ack_deadline: Duration) -> Option<Payload<'_>> {
    let ack_deadline = u64::try_from(ack_deadline.as_millis()).unwrap_or(u64::MAX);
    Some(Payload {
        event_id: event.id.as_str(),
        event_type: event.kind.as_str(),
        data: serde_json::from_slice(&event.payload).ok()?,
        requires_ack: event.requires_ack,
        timestamp: event.timestamp,
        published_at: event.timestamp,
        expires_at: event.expires_at,
        ack_deadline_ms: event.requires_ack.then_some(ack_deadline),
        channel_id: event.channel.as_ref().map(|id| id.as_str()),
        workspace_id: event.workspace.as_deref(),
        priority: event.priority,
        attempt,
        redelivered: attempt > 1,
        traceparent: event.traceparent.as_deref(),
    })
}

fn encode(kind: &'static str, payload: Content<'_>, now: Timestamp) -> ByteString {
    let frame = Frame { kind, id: Uuid::new_v4(), timestamp: now, payload };
    // Serializing these types cannot fail; an empty text would be a visible protocol error.
    serde_json::to_string(&frame).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::domain::envelope::{Context, Published};

    fn delivery() -> Arc<Delivery> {
        let json = Bytes::from_static(
            br#"{"id":"e1","type":"message.received","orchestratorId":"vp_1","payload":{"content":"h\u00e9"},
                 "timestamp":1000,"channelId":"c1","workspaceId":"w1","requiresAck":true,"priority":1}"#,
        );
        let published = Published::parse(&json, &Context::default(), Timestamp(0)).expect("an event");
        Arc::new(Delivery::new(Arc::new(published.event)))
    }

    fn sending(delivery: &Arc<Delivery>, attempt: u32) -> Sending {
        Sending { delivery: delivery.clone(), attempt, ack_deadline: Duration::from_secs(30) }
    }

    fn read(frame: &ByteString) -> Value {
        serde_json::from_str(frame).expect("JSON")
    }

    #[test]
    fn the_frame_has_the_documented_envelope() {
        let frame = read(&sending(&delivery(), 1).frame(Timestamp(2_000)));
        assert_eq!(frame["type"], "event");
        assert_eq!(frame["timestamp"], "1970-01-01T00:00:02.000Z");
        let payload = &frame["payload"];
        assert_eq!((&payload["eventId"], &payload["eventType"]), (&"e1".into(), &"message.received".into()));
        assert_eq!(payload["data"]["content"], "hé");
        assert_eq!((&payload["requiresAck"], &payload["priority"]), (&true.into(), &1.into()));
        assert_eq!((&payload["channelId"], &payload["workspaceId"]), (&"c1".into(), &"w1".into()));
        assert_eq!((&payload["attempt"], &payload["redelivered"]), (&1.into(), &false.into()));
        assert_eq!(payload["timestamp"], "1970-01-01T00:00:01.000Z");
        assert_eq!(
            (&payload["publishedAt"], &payload["ackDeadlineMs"]),
            (&payload["timestamp"], &30_000.into())
        );
    }

    #[test]
    fn first_attempts_share_bytes_and_later_ones_say_so() {
        let delivery = delivery();
        let (one, other) =
            (sending(&delivery, 1).frame(Timestamp(0)), sending(&delivery, 1).frame(Timestamp(5)));
        assert_eq!(one.as_bytes().as_ptr(), other.as_bytes().as_ptr());
        let third = read(&sending(&delivery, 3).frame(Timestamp(0)));
        assert_eq!(
            (&third["payload"]["attempt"], &third["payload"]["redelivered"]),
            (&3.into(), &true.into())
        );
    }

    #[test]
    fn a_batch_holds_what_single_frames_would() {
        let delivery = delivery();
        let frame = read(&batch(&[sending(&delivery, 1), sending(&delivery, 2)], Timestamp(0)));
        assert_eq!(frame["type"], "batch");
        let events = frame["payload"]["events"].as_array().expect("events");
        assert_eq!(events[0], read(&sending(&delivery, 1).frame(Timestamp(0)))["payload"]);
        assert_eq!((&events[1]["attempt"], &events[1]["redelivered"]), (&2.into(), &true.into()));
    }
}

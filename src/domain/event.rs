//! An event on its way from a publisher to daemons.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    clock::Timestamp,
    ids::{ChannelId, DaemonId, EventId, OrchestratorId, OrganizationId},
};

/// The largest event that is accepted, in bytes of its JSON: what fits one WebSocket frame.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024 - 4096;
/// The longest event type name, in bytes.
pub const MAX_EVENT_TYPE_BYTES: usize = 64;

/// The name of an event type, such as `message.received`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventType(Arc<str>);

impl EventType {
    /// Checks `text` and makes it a type name: letters, digits, `.`, `_`, `-`, at most 64 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = !text.is_empty() && text.len() <= MAX_EVENT_TYPE_BYTES;
        (fits && text.bytes().all(good)).then(|| Self(Arc::from(text)))
    }

    /// The name as published.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventType({})", self.0)
    }
}

/// Which of the daemons that an event is for get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Every one that wants it; the first acknowledgement completes it.
    #[default]
    All,
    /// One, the least loaded; another one when that one does not take it (delivery rule 8).
    Any,
}

/// A normalised event: the envelope is understood, the payload stays the publisher's bytes.
#[derive(Clone, Debug)]
pub struct Event {
    /// What the event is known by, to acknowledgements and to duplicates.
    pub id: EventId,
    /// What kind of event it is, for subscriptions.
    pub kind: EventType,
    /// Whom it is for.
    pub orchestrator: OrchestratorId,
    /// One daemon instance or session of that orchestrator; `None` means all of them (contract C3).
    pub daemon: Option<DaemonId>,
    /// The tenant it belongs to; it is never delivered to a connection of another one.
    pub organization: Option<OrganizationId>,
    /// The channel it happened in, for channel filters.
    pub channel: Option<ChannelId>,
    /// The workspace it happened in, unless it repeats the channel (contract C47).
    pub workspace: Option<Box<str>>,
    /// When it happened, by its publisher's clock.
    pub timestamp: Timestamp,
    /// Whether it is kept until a daemon acknowledges it.
    pub requires_ack: bool,
    /// Higher is sent first among what waits.
    pub priority: i32,
    /// Which of the daemons that it is for get it.
    pub audience: Audience,
    /// After this it is not delivered any more; `None` means the retention of the queue.
    pub expires_at: Option<Timestamp>,
    /// The publisher's trace, handed on as it is (W3C Trace Context).
    pub traceparent: Option<Box<str>>,
    /// The payload: one JSON object, a slice of `body`.
    pub payload: Bytes,
    /// The whole event as JSON, as it is kept in the queue.
    pub body: Bytes,
}

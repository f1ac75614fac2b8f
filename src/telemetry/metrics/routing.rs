//! What is counted of routing, under the names that the platform's router gives to its events.

use prometheus::IntCounterVec;

use super::Builder;

/// Something that happened while messages were routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingEvent {
    /// A session has a message.
    Routed,
    /// Nobody took a message, and it was not kept.
    RoutingFailed,
    /// A message could not be routed.
    RoutingError,
    /// A message waits.
    Queued,
    /// A daemon came.
    SessionRegistered,
    /// A daemon went.
    SessionUnregistered,
    /// A queue of messages is drained.
    QueueStarted,
    /// A queue of messages is empty.
    QueueCompleted,
}

impl RoutingEvent {
    fn label(self) -> &'static str {
        match self {
            Self::Routed => "message.routed",
            Self::RoutingFailed => "message.routing_failed",
            Self::RoutingError => "message.routing_error",
            Self::Queued => "message.queued",
            Self::SessionRegistered => "session.registered",
            Self::SessionUnregistered => "session.unregistered",
            Self::QueueStarted => "queue.processing_started",
            Self::QueueCompleted => "queue.processing_completed",
        }
    }
}

/// The numbers of routing.
#[derive(Debug)]
pub struct RoutingMetrics(IntCounterVec);

impl RoutingMetrics {
    pub(super) fn new(add: &Builder) -> prometheus::Result<Self> {
        add.counters("hub_routing_events_total", "What happened while messages were routed.", &["event"])
            .map(Self)
    }

    /// Counts something that happened.
    pub fn happened(&self, event: RoutingEvent) {
        self.0.with_label_values(&[event.label()]).inc();
    }
}

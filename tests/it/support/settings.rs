//! The names of the hub's settings that are not part of its documented environment, in one place.

/// Milliseconds until an unacknowledged event is sent again, one per attempt, comma-separated.
pub(crate) const REDELIVERY_SCHEDULE_MS: &str = "HUB_DELIVERY_REDELIVERY_SCHEDULE_MS";
/// How often an event is delivered before it is given up.
pub(crate) const MAX_ATTEMPTS: &str = "HUB_DELIVERY_MAX_ATTEMPTS";
/// How long a peer may leave its receive buffer full before it is cut off.
pub(crate) const SLOW_CONSUMER_TIMEOUT_MS: &str = "HUB_WEBSOCKET_SLOW_CONSUMER_TIMEOUT_MS";

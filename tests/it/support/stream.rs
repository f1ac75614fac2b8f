//! The stream that publishers append to.

use std::collections::HashMap;

use super::{event::Event, eventually::eventually, redis::RedisServer};

/// The stream's name.
const STREAM: &str = "hub:ingress";

/// Appends an event; the entry's id.
pub(crate) fn append(redis: &RedisServer, event: &Event) -> String {
    append_with(redis, event, &[])
}

/// Appends an event with more fields.
pub(crate) fn append_with(redis: &RedisServer, event: &Event, fields: &[(&str, &str)]) -> String {
    append_text(redis, &event.json().to_string(), fields)
}

/// Appends a text as it is.
pub(crate) fn append_text(redis: &RedisServer, event: &str, fields: &[(&str, &str)]) -> String {
    let mut words = vec!["XADD", STREAM, "*", "event", event];
    words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
    redis.run(&words)
}

/// Waits until every entry is confirmed, and so gone.
#[track_caller]
pub(crate) fn wait_until_confirmed(redis: &RedisServer) {
    eventually(|| redis.command::<usize>(&format!("XLEN {STREAM}")) == 0, "every entry is confirmed");
    let pending: (usize, redis::Value, redis::Value, redis::Value) =
        redis.command(&format!("XPENDING {STREAM} hubs"));
    assert_eq!(pending.0, 0, "and nothing is pending");
}

/// The verdicts in a reply stream, each with its fields.
pub(crate) fn replies(redis: &RedisServer, stream: &str) -> Vec<HashMap<String, String>> {
    let entries: Vec<(String, HashMap<String, String>)> = redis.command(&format!("XRANGE {stream} - +"));
    entries.into_iter().map(|(_, fields)| fields).collect()
}

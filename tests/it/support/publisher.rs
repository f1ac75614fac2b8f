//! The ways by which events reach the hub.

use redis::Connection;
use serde_json::Value;

use super::{
    event::Event,
    eventually::eventually,
    http::{self, Response},
    hub::{ADMIN_KEY, Hub},
    redis::RedisServer,
};

/// How much one HTTP publish carries at most, well below the hub's body limit.
const BODY_BYTES: usize = 512 * 1024;

/// Publishes on the channel of the integration example.
pub(crate) fn publish<'a>(redis: &RedisServer, events: impl IntoIterator<Item = &'a Event>) {
    publish_on(redis, "daemon:events", events);
}

/// Publishes on `channel`, in order. Waits for a hub to listen, because Redis forgets what nobody hears.
pub(crate) fn publish_on<'a>(
    redis: &RedisServer,
    channel: &str,
    events: impl IntoIterator<Item = &'a Event>,
) {
    let mut connection = redis.client();
    for event in events {
        let heard = || publish_once(&mut connection, channel, &event.json().to_string()) > 0;
        eventually(heard, "a hub listens to the channel");
    }
}

fn publish_once(connection: &mut Connection, channel: &str, text: &str) -> usize {
    redis::cmd("PUBLISH").arg(channel).arg(text).query(connection).unwrap()
}

/// Puts events at the head of a list, as the original router does.
pub(crate) fn lpush<'a>(redis: &RedisServer, key: &str, events: impl IntoIterator<Item = &'a Event>) {
    for event in events {
        redis.run::<usize>(&["LPUSH", key, &event.json().to_string()]);
    }
}

/// Publishes over HTTP and asserts that each event was taken.
#[track_caller]
pub(crate) fn post<'a>(hub: &Hub, events: impl IntoIterator<Item = &'a Event>) {
    let events: Vec<_> = events.into_iter().collect();
    let mut rest = events.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&&Event| {
            bytes += event.json().to_string().len();
            bytes <= BODY_BYTES
        };
        let count = rest.iter().take(1000).take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        let body: Vec<_> = now.iter().map(|event| event.json()).collect();
        let response = post_json(hub, &serde_json::json!(body));
        assert_eq!(response.status, 200, "{response:?}");
        let statuses = statuses(&response);
        assert_eq!(statuses.len(), now.len(), "{response:?}");
        assert!(!statuses.iter().any(|status| status == "rejected"), "{response:?}");
        rest = later;
    }
}

/// `POST /api/events` with the admin key.
#[track_caller]
pub(crate) fn post_json(hub: &Hub, body: &Value) -> Response {
    post_text(hub, &body.to_string())
}

/// `POST /api/events` with the admin key and a body as it is.
#[track_caller]
pub(crate) fn post_text(hub: &Hub, body: &str) -> Response {
    http::post(&hub.url("/api/events"), &[("X-API-Key", ADMIN_KEY)], body)
}

/// What became of each event of a publish, in the order of the request.
#[track_caller]
pub(crate) fn statuses(response: &Response) -> Vec<String> {
    let body = response.json();
    let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {response:?}"));
    results.iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
}

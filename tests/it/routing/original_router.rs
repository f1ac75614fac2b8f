//! The keys that an original `OrchestratorRouter` beside the hub reads and writes.

use serde_json::{Value, json};

use super::routes::{QUICK, message, route};
use crate::support::{
    eventually::{eventually, eventually_some},
    hub::Hub,
    identity::{Identity, unique},
    redis::RedisServer,
    world::Mode,
};

fn queue_of(orchestrator: &str) -> String {
    format!("routing:queue:{orchestrator}")
}

fn queued(redis: &RedisServer, orchestrator: &str) -> Vec<Value> {
    let entries: Vec<String> = redis.run(&["LRANGE", &queue_of(orchestrator), "0", "-1"]);
    entries.iter().map(|entry| serde_json::from_str(entry).unwrap()).collect()
}

#[test]
fn a_message_for_who_is_offline_lies_where_routers_look() {
    let world = Mode::Redis.start();
    let (redis, orchestrator) = (world.redis(), unique("vp"));
    let message = message();
    route(&world.hub, &orchestrator, &message);
    let entries = queued(redis, &orchestrator);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["messageId"], message["id"]);
    for field in ["channelId", "authorId", "content", "createdAt"] {
        assert_eq!(entries[0][field], message[field], "{field}");
    }
    assert!(entries[0]["queuedAt"].is_string(), "{entries:?}");
    let left: i64 = redis.command(&format!("TTL {}", queue_of(&orchestrator)));
    assert!((86_000..=86_400).contains(&left), "{left}");
}

#[test]
fn the_queue_keeps_the_newest() {
    let world = Mode::Redis.start_with(&[("HUB_ROUTING_MAX_QUEUE_SIZE", "3")]);
    let orchestrator = unique("vp");
    let messages: Vec<Value> = (0..5).map(|_| message()).collect();
    messages.iter().for_each(|message| drop(route(&world.hub, &orchestrator, message)));
    let kept: Vec<Value> =
        queued(world.redis(), &orchestrator).into_iter().map(|entry| entry["messageId"].clone()).collect();
    let newest: Vec<Value> = messages[2..].iter().map(|message| message["id"].clone()).collect();
    assert_eq!(kept, newest);
}

#[test]
fn a_delivery_is_written_down() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let daemon = world.subscriber(&identity);
    let message = message();
    route(&world.hub, &identity.orchestrator, &message);
    let key = format!("routing:delivered:{}", message["id"].as_str().unwrap());
    let record: String = world.redis().command(&format!("GET {key}"));
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["sessionId"], daemon.session()["sessionId"]);
    assert!(record["deliveredAt"].is_string(), "{record}");
    let left: i64 = world.redis().command(&format!("TTL {key}"));
    assert!((1..=3600).contains(&left), "{left}");
}

#[test]
fn who_is_online_and_takes_nothing_has_it_queued_after_three_attempts() {
    let world = Mode::Redis.start_with(QUICK);
    let orchestrator = unique("vp");
    // Another router's word that somebody is there, who has no socket.
    let session = json!({ "sessionId": "s1", "daemonId": "d1", "status": "busy" }).to_string();
    world.redis().run::<()>(&["SET", &format!("routing:session:{orchestrator}"), &session]);
    let answer = route(&world.hub, &orchestrator, &message());
    assert_eq!((&answer["success"], &answer["attempts"]), (&json!(true), &json!(3)), "{answer}");
    assert_eq!(queued(world.redis(), &orchestrator).len(), 1);

    let mut only_now = message();
    only_now["requireOnline"] = json!(true);
    super::routes::call(&world.hub, &orchestrator, &only_now).refused(404, "NO_ACTIVE_SESSION");
    assert_eq!(queued(world.redis(), &orchestrator).len(), 1, "nothing was kept");
}

#[test]
fn what_a_router_queues_while_a_daemon_is_connected_comes_with_its_heartbeat() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let id = unique("message");
    let entry = json!({
        "messageId": id, "channelId": "c", "authorId": "u", "content": "hi",
        "createdAt": "2025-01-01T00:00:00.000Z", "queuedAt": "2025-01-01T00:00:00.000Z",
    });
    world.redis().run::<usize>(&["RPUSH", &queue_of(&identity.orchestrator), &entry.to_string()]);
    daemon.send("heartbeat", json!({ "status": "busy" }));
    assert_eq!(daemon.next_frame()["type"], "heartbeat_ack");
    assert_eq!(daemon.take_event()["data"]["messageId"], id.as_str());
    let drained = || queued(world.redis(), &identity.orchestrator).is_empty();
    eventually(drained, "the queue is drained");
    let session: String = eventually_some(
        || world.redis().command(&format!("GET routing:session:{}", identity.orchestrator)),
        "routers see the session",
    );
    let session: Value = serde_json::from_str(&session).unwrap();
    assert_eq!(session["status"], "active", "whatever the daemon is doing");
}

#[test]
fn a_daemon_of_another_hub_gets_the_message() {
    let world = Mode::Redis.start_with(QUICK);
    let other = Hub::setup().redis(world.redis()).start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let message = message();
    let answer = route(&other, &identity.orchestrator, &message);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(daemon.take_event()["data"]["messageId"], message["id"]);
    assert!(queued(world.redis(), &identity.orchestrator).is_empty(), "it waits nowhere else");
}

#[test]
fn a_queue_that_holds_something_else_is_an_error() {
    let world = Mode::Redis.start();
    let orchestrator = unique("vp");
    world.redis().run::<()>(&["SET", &queue_of(&orchestrator), "not a list"]);
    super::routes::call(&world.hub, &orchestrator, &message()).refused(500, "ORCHESTRATOR_ROUTING_ERROR");
}

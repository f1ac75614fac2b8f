//! What the route answers.

use serde_json::{Value, json};

use crate::support::{
    call::Call,
    hub::Hub,
    identity::{Identity, unique},
    in_both_modes, metrics,
    world::Mode,
};

/// Waits that a test can afford.
pub(super) const QUICK: &[(&str, &str)] = &[("HUB_ROUTING_INITIAL_DELAY_MS", "20")];

in_both_modes! {
    who_is_online_gets_the_message,
    who_is_offline_finds_the_message_later,
    a_message_that_is_routed_twice_arrives_once,
    a_time_without_seconds_is_a_time,
    what_is_too_large_for_an_event_is_not_kept,
    who_is_away_can_be_refused,
    without_a_queue_a_message_for_nobody_fails,
    a_bad_message_is_refused_by_its_field,
    nobody_routes_without_the_key,
    what_happens_is_counted,
}

pub(super) fn message() -> Value {
    json!({
        "id": unique("message"), "channelId": "channel_1", "authorId": "user_1",
        "content": "Hello orchestrator!", "createdAt": "2026-11-21T10:00:00.000Z",
    })
}

pub(super) fn call<'a>(hub: &'a Hub, orchestrator: &str, message: &Value) -> Call<'a> {
    hub.call("POST", &format!("/api/orchestrators/{orchestrator}/messages")).operator().json(message)
}

pub(super) fn route(hub: &Hub, orchestrator: &str, message: &Value) -> Value {
    call(hub, orchestrator, message).expect(200)
}

fn who_is_online_gets_the_message(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let message = message();
    let answer = route(&world.hub, &identity.orchestrator, &message);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!((&answer["status"], &answer["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!(answer["sessionId"], daemon.session()["sessionId"]);
    let event = daemon.take_event();
    assert_eq!(event["eventType"], "message.received");
    assert_eq!(event["data"]["messageId"], message["id"]);
    assert_eq!(event["data"]["channelId"], "channel_1");
    assert_eq!(event["data"]["content"], message["content"]);
    assert_eq!(event["data"]["authorId"], "user_1");
    assert_eq!(event["requiresAck"], true);
}

fn who_is_offline_finds_the_message_later(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let messages: Vec<Value> = (0..3).map(|_| message()).collect();
    for message in &messages {
        let answer = route(&world.hub, &identity.orchestrator, message);
        assert_eq!((&answer["success"], &answer["status"]), (&json!(true), &json!("offline")));
        assert_eq!(answer["attempts"], 1);
        assert!(answer.get("sessionId").is_none(), "{answer}");
    }
    let mut daemon = world.come_online(&identity);
    for message in &messages {
        assert_eq!(daemon.take_event()["data"]["messageId"], message["id"], "oldest first");
    }
}

fn a_message_that_is_routed_twice_arrives_once(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let message = message();
    for _ in 0..2 {
        let answer = route(&world.hub, &identity.orchestrator, &message);
        assert_eq!(answer["status"], "delivered", "{answer}");
    }
    assert_eq!(daemon.take_event()["data"]["messageId"], message["id"]);
    assert!(world.further_events(&mut daemon).is_empty());
}

fn a_time_without_seconds_is_a_time(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut message = message();
    message["createdAt"] = json!("2026-11-21T12:00+02:00");
    assert_eq!(route(&world.hub, &identity.orchestrator, &message)["status"], "offline");
    let event = world.come_online(&identity).take_event();
    assert_eq!(event["data"]["messageId"], message["id"]);
    assert_eq!(event["data"]["timestamp"], "2026-11-21T10:00:00.000Z");
}

fn what_is_too_large_for_an_event_is_not_kept(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut message = message();
    message["content"] = json!("\u{10000}".repeat(261_500));
    call(&world.hub, &identity.orchestrator, &message).refused(500, "ORCHESTRATOR_ROUTING_ERROR");
    let mut daemon = world.subscriber(&identity);
    assert!(world.further_events(&mut daemon).is_empty(), "nothing was kept");
}

fn who_is_away_can_be_refused(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut message = message();
    message["requireOnline"] = json!(true);
    call(&world.hub, &identity.orchestrator, &message).refused(503, "ORCHESTRATOR_OFFLINE");
    let mut daemon = world.subscriber(&identity);
    assert!(world.further_events(&mut daemon).is_empty(), "nothing was kept");
}

fn without_a_queue_a_message_for_nobody_fails(mode: Mode) {
    let world = mode.start_with(&[("HUB_ROUTING_QUEUE_ENABLED", "false")]);
    let answer = route(&world.hub, &unique("vp"), &message());
    assert_eq!((&answer["success"], &answer["status"]), (&json!(false), &json!("failed")));
    assert!(answer["error"].is_string(), "{answer}");
}

fn a_bad_message_is_refused_by_its_field(mode: Mode) {
    let world = mode.start();
    let change = |field: &str, value: Value| {
        let mut message = message();
        message[field] = value;
        message
    };
    let cases = [
        ("channelId", change("channelId", Value::Null)),
        ("id", change("id", json!("two words"))),
        ("id", change("id", json!("x".repeat(129)))),
        ("messageId", change("messageId", json!("another"))),
        ("content", change("content", json!("x".repeat(262_145)))),
        ("createdAt", change("createdAt", json!("yesterday"))),
    ];
    for (field, message) in cases {
        let body = call(&world.hub, "vp_1", &message).refused(400, "VALIDATION_ERROR");
        assert!(body["details"]["errors"][field].is_array(), "{field}: {body}");
    }
    call(&world.hub, "two%20words", &message()).refused(400, "VALIDATION_ERROR");
}

fn nobody_routes_without_the_key(mode: Mode) {
    let world = mode.start();
    let path = "/api/orchestrators/vp_1/messages";
    world.hub.call("POST", path).json(&message()).refused(401, "UNAUTHORIZED");
    let token = Identity::new().token;
    world.hub.call("POST", path).bearer(&token).json(&message()).refused(403, "INSUFFICIENT_SCOPE");
}

fn what_happens_is_counted(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    route(&world.hub, &identity.orchestrator, &message());
    let mut daemon = world.come_online(&identity);
    daemon.take_event();
    route(&world.hub, &identity.orchestrator, &message());
    let count = |event: &str| {
        metrics::total(&world.hub, "hub_routing_events_total", &[&format!("event=\"{event}\"")])
    };
    assert_eq!((count("message.queued"), count("message.routed")), (1.0, 1.0));
    assert_eq!(count("session.registered"), 1.0);
}

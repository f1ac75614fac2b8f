//! Good frames and bad ones: the hub and its schemas agree about each.

use serde_json::{Value, json};

use super::{schema, validator};
use crate::support::{identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    the_hub_refuses_what_its_schemas_refuse_and_nothing_else,
    a_token_is_read_wherever_the_schema_allows_it,
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a.n{number}")).collect()
}

/// Frames of daemons that are authenticated, and whether they are good.
fn table() -> Vec<(bool, Value)> {
    let heartbeat = |payload: Value| json!({ "type": "heartbeat", "payload": payload });
    let subscribe = |payload: Value| json!({ "type": "subscribe", "payload": payload });
    let unsubscribe = |payload: Value| json!({ "type": "unsubscribe", "payload": payload });
    let ack = |payload: Value| json!({ "type": "ack", "payload": payload });
    let types = |types: &[&str]| subscribe(json!({ "eventTypes": types }));
    let numbers: serde_json::Map<_, _> = (0..65).map(|n| (format!("m{n}"), json!(n))).collect();
    vec![
        (true, json!({ "type": "ping" })),
        (true, json!({ "type": "ping", "id": null, "timestamp": 5, "payload": { "a": 1 }, "more": [] })),
        (true, json!({ "type": "ping", "id": long(128) })),
        (false, json!({ "type": "ping", "id": long(129) })),
        (false, json!({ "type": "ping", "id": 7 })),
        (false, json!({ "type": "ping", "payload": [] })),
        (true, json!({ "type": "heartbeat" })),
        (true, heartbeat(json!({ "status": "busy", "metrics": { "a": 1, "b": "c", "d": null, "e": true } }))),
        (true, heartbeat(json!({ "metrics": null }))),
        (false, heartbeat(json!({ "status": null }))),
        (false, heartbeat(json!({ "status": "asleep" }))),
        (false, heartbeat(json!({ "metrics": { "a": [] } }))),
        (false, heartbeat(json!({ "metrics": numbers }))),
        (true, types(&["*"])),
        (true, types(&["message.*", "mention", "a.b-c_d", "."])),
        (true, subscribe(json!({ "eventTypes": many(50) }))),
        (false, subscribe(json!({ "eventTypes": many(51) }))),
        (false, types(&[])),
        (false, types(&["message"])),
        (false, types(&["message*"])),
        (false, types(&["a.é"])),
        (false, types(&[&format!("a.{}", long(63))])),
        (false, json!({ "type": "subscribe" })),
        (false, json!({ "type": "subscribe", "payload": null })),
        (true, subscribe(json!({ "eventTypes": ["a.b"], "channelIds": ["c:1", "{d}"] }))),
        (true, subscribe(json!({ "eventTypes": ["a.b"], "channelIds": null }))),
        (true, subscribe(json!({ "eventTypes": ["a.b"], "channelIds": many(1000) }))),
        (false, subscribe(json!({ "eventTypes": ["a.b"], "channelIds": many(1001) }))),
        (false, subscribe(json!({ "eventTypes": ["a.b"], "channelIds": ["a b"] }))),
        (true, unsubscribe(json!({ "eventTypes": ["*"] }))),
        (true, unsubscribe(json!({ "eventTypes": ["*"], "channelIds": [""] }))),
        (false, unsubscribe(json!({ "eventTypes": ["*"], "channelIds": [1] }))),
        (false, unsubscribe(json!({}))),
        (true, ack(json!({ "eventIds": [long(256)] }))),
        (false, ack(json!({ "eventIds": [long(257)] }))),
        (true, ack(json!({ "eventIds": many(1000) }))),
        (false, ack(json!({ "eventIds": many(1001) }))),
        (false, ack(json!({ "eventIds": ["a\u{3000}"] }))),
        (false, ack(json!({ "eventIds": null }))),
    ]
}

/// How many frames of the table fit into what a connection may say in a minute.
const PER_CONNECTION: usize = 20;

fn the_hub_refuses_what_its_schemas_refuse_and_nothing_else(mode: Mode) {
    let world = mode.start();
    for frames in table().chunks(PER_CONNECTION) {
        let mut daemon = Daemon::connect(&world.hub, &Identity::new());
        for (good, frame) in frames {
            let name = format!("client.{}", frame["type"].as_str().unwrap());
            let described = validator(&schema(&world.hub, &name)).is_valid(frame);
            assert_eq!(described, *good, "the schema is wrong about {frame}");
            daemon.send_text(&frame.to_string());
            let replies = daemon.roundtrip();
            let refused = replies.iter().any(|reply| reply["type"] == "error");
            assert_eq!(!refused, *good, "{frame}: {replies:?}");
            // The next one starts from nothing: there is a limit on what a connection is subscribed to.
            daemon.send("unsubscribe", json!({ "eventTypes": ["*"] }));
        }
    }
}

fn a_token_is_read_wherever_the_schema_allows_it(mode: Mode) {
    let world = mode.start();
    let validator = validator(&schema(&world.hub, "client.auth"));
    let payload = |who: &Identity| json!({ "accessToken": who.token, "daemonId": who.daemon, "vpId": who.orchestrator });
    type Write = fn(&Identity, Value) -> Value;
    let frames: [(bool, Write); 10] = [
        (true, |_, payload| json!({ "type": "auth", "payload": payload })),
        (true, |who, _| json!({ "type": "auth", "token": who.token })),
        (true, |who, _| json!({ "type": "auth", "token": who.token, "payload": null })),
        (
            true,
            |who, payload| json!({ "type": "auth", "token": who.token, "payload": without(payload, "accessToken") }),
        ),
        (true, |_, payload| json!({ "type": "auth", "token": 7, "payload": payload })),
        (false, |_, payload| json!({ "type": "auth", "payload": without(payload, "accessToken") })),
        (false, |_, payload| json!({ "type": "auth", "payload": without(payload, "daemonId") })),
        (false, |_, payload| json!({ "type": "auth", "payload": without(payload, "vpId") })),
        (false, |who, _| json!({ "type": "auth", "token": who.token, "payload": {} })),
        (false, |_, _| json!({ "type": "auth", "token": "x".repeat(8193) })),
    ];
    for (good, frame) in frames {
        let identity = Identity::new();
        let frame = frame(&identity, payload(&identity));
        assert_eq!(validator.is_valid(&frame), good, "the schema is wrong about {frame}");
        let mut daemon = Daemon::open(&world.hub);
        daemon.send_text(&frame.to_string());
        let answer = daemon.next_frame();
        assert_eq!(answer["type"], if good { "auth_success" } else { "error" }, "{frame}: {answer}");
    }
}

fn without(mut payload: Value, member: &str) -> Value {
    payload.as_object_mut().unwrap().remove(member);
    payload
}

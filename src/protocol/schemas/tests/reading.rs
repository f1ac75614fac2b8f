//! What clients and publishers write, in thousands of variants: schema and code agree about each.

use bytes::Bytes;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::{client_name, dialects, ready, schemas};
use crate::{
    domain::{
        clock::Timestamp,
        envelope::{Context, Published},
        event::EventType,
        ids::{ChannelId, DaemonId, EventId, OrchestratorId, SessionId},
        subscription::TypePattern,
    },
    protocol::client_frame::decode,
};

/// Short texts of characters that mean something to ids, types and patterns.
fn texts() -> Vec<String> {
    let parts =
        ["", "a", "*", ".", "-", "_", ":", "{", "}", " ", "\u{0}", "\u{85}", "\u{a0}", "\u{3000}", "é", "/"];
    let pairs = parts.iter().flat_map(|a| parts.iter().map(move |b| format!("{a}{b}")));
    let around =
        parts.iter().flat_map(|part| [format!("a{part}b"), format!("a.{part}"), format!("a{part}*")]);
    let long = [63, 64, 65, 128, 129, 256, 257].into_iter().flat_map(|length| {
        let name = "x".repeat(length);
        [format!("{name}.*"), format!("{}.", &name[1..]), name]
    });
    let known = ["message.*", "message_created", "mention", "mentions", "**", ".*"].map(str::to_owned);
    pairs.chain(around).chain(long).chain(known).collect()
}

fn definition(name: &str) -> Validator {
    let components = schemas().components();
    let schema =
        json!({ "$ref": format!("#/components/schemas/{name}"), "components": { "schemas": components } });
    ready(&schema, Draft::Draft202012)
}

#[test]
fn ids_and_types_are_described_as_they_are_read() {
    type Reads = fn(&str) -> bool;
    let rules: [(&str, Reads); 6] = [
        ("daemonId", |text| DaemonId::parse(text).is_ok()),
        ("sessionId", |text| SessionId::parse(text).is_ok()),
        ("orchestratorId", |text| OrchestratorId::parse(text).is_ok()),
        ("channelId", |text| ChannelId::parse(text).is_ok()),
        ("eventId", |text| EventId::parse(text).is_ok()),
        ("typePattern", |text| TypePattern::parse(text).is_ok()),
    ];
    for (name, reads) in rules {
        let validator = definition(name);
        for text in texts() {
            assert_eq!(validator.is_valid(&json!(text)), reads(&text), "{name}: {text:?}");
        }
    }
    for text in texts().iter().filter(|text| !text.is_empty()) {
        let event = json!({ "id": "e", "type": text, "orchestratorId": "v" });
        let read = EventType::parse(text).is_some();
        assert!(dialects("event").iter().all(|schema| schema.is_valid(&event) == read), "{text:?}");
    }
}

/// Values that may stand anywhere.
fn values() -> Vec<Value> {
    let texts = ["", "a", "active", "a.b", "*", "a b", "v", "2026-11-21T04:00:00Z", "yesterday"];
    let others =
        [json!(null), json!(true), json!(0), json!(-1), json!(1.5), json!(1e16), json!([]), json!({})];
    let lists =
        [json!(["a.b"]), json!(["a", "b"]), json!([null]), json!(["a", 1]), json!(["a b"]), json!([""])];
    let objects = [json!({ "a": 1 }), json!({ "a": null }), json!({ "a": [] }), json!({ "a": {} })];
    texts.into_iter().map(Value::from).chain(others).chain(lists).chain(objects).collect()
}

/// Every frame that differs from `frame` in one or two of the members at `places`.
fn variants(frame: &Value, places: &[&str]) -> Vec<Value> {
    let set = |frame: &Value, place: &str, value: Option<&Value>| {
        let mut frame = frame.clone();
        let (parent, name) = place.rsplit_once('/').expect("a place");
        if let Some(members) = frame.pointer_mut(parent).and_then(Value::as_object_mut) {
            match value {
                Some(value) => members.insert(name.to_owned(), value.clone()),
                None => members.remove(name),
            };
        }
        frame
    };
    let values = values();
    let choices = || std::iter::once(None).chain(values.iter().map(Some));
    let change = |frame: &Value| {
        let changed = places.iter().flat_map(|place| choices().map(move |value| (place, value)));
        changed.map(|(place, value)| set(frame, place, value)).collect::<Vec<_>>()
    };
    change(frame).iter().flat_map(change).collect()
}

#[test]
fn clients_are_described_as_they_are_read() {
    let token = json!({ "type": "auth", "token": "t" });
    let introduced = json!({ "accessToken": "t", "daemonId": "d", "orchestratorId": "v", "protocol": "1.1" });
    let frames: [(Value, &[&str]); 11] = [
        (
            json!({ "type": "auth", "payload": { "accessToken": "t", "daemonId": "d", "orchestratorId": "v" } }),
            &[
                "/payload",
                "/token",
                "/payload/accessToken",
                "/payload/daemonId",
                "/payload/orchestratorId",
                "/payload/vpId",
            ],
        ),
        (
            json!({ "type": "auth", "payload": introduced }),
            &["/payload/protocol", "/payload/capabilities", "/payload/maxInFlight", "/payload/resume"],
        ),
        (token, &["/payload", "/token", "/id"]),
        (
            json!({ "type": "heartbeat", "payload": {} }),
            &["/id", "/payload", "/payload/status", "/payload/metrics"],
        ),
        (
            json!({ "type": "subscribe", "payload": { "eventTypes": ["a.b"] } }),
            &["/id", "/payload", "/payload/eventTypes", "/payload/channelIds"],
        ),
        (
            json!({ "type": "unsubscribe", "payload": { "eventTypes": ["a.b"] } }),
            &["/payload", "/payload/eventTypes", "/payload/channelIds"],
        ),
        (
            json!({ "type": "ack", "payload": { "eventIds": ["e"] } }),
            &["/payload", "/payload/eventIds", "/payload/confirm", "/more"],
        ),
        (
            json!({ "type": "nack", "payload": { "eventIds": ["e"] } }),
            &["/payload/eventIds", "/payload/delayMs", "/payload/reason", "/payload/terminal"],
        ),
        (
            json!({ "type": "progress", "payload": { "eventIds": ["e"], "extendMs": 5 } }),
            &["/payload", "/payload/eventIds", "/payload/extendMs"],
        ),
        (json!({ "type": "flow", "payload": { "maxInFlight": 5 } }), &["/payload", "/payload/maxInFlight"]),
        (json!({ "type": "ping" }), &["/id", "/payload", "/token", "/timestamp"]),
    ];
    for (frame, places) in frames {
        let message = decode(&frame.to_string()).expect("a frame").message;
        let schemas = dialects(client_name(&message));
        for frame in variants(&frame, places) {
            let payload = &frame["payload"];
            let names = [&payload["orchestratorId"], &payload["vpId"]];
            if names.iter().all(|name| name.is_string()) && names[0] != names[1] {
                continue; // A schema cannot say that they must agree.
            }
            let read = decode(&frame.to_string()).is_ok();
            for schema in &schemas {
                assert_eq!(schema.is_valid(&frame), read, "{frame}");
            }
        }
    }
}

#[test]
fn publishers_are_described_as_they_are_read() {
    let frame = json!({ "id": "v", "type": "a.b", "orchestratorId": "v" });
    let pairs: &[&[&str]] = &[
        &["/id", "/eventId"],
        &["/type", "/eventType"],
        &["/orchestratorId", "/vpId", "/daemonId"],
        &["/organizationId", "/channelId", "/workspaceId"],
        &["/payload", "/data"],
        &["/timestamp", "/createdAt"],
        &["/requiresAck", "/priority", "/more"],
        &["/delivery", "/traceparent"],
        &["/delivery", "/expiresAt"],
        &["/delivery", "/ttlMs"],
    ];
    for places in pairs {
        for event in variants(&frame, places) {
            let contradicts = |a: &str, b: &str| {
                let said = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
                said(a).is_some_and(|a| said(b).is_some_and(|b| a != b))
            };
            let spellings = [("id", "eventId"), ("type", "eventType"), ("orchestratorId", "vpId")];
            if spellings.iter().any(|(a, b)| contradicts(a, b)) {
                continue; // A schema cannot say that they must agree.
            }
            let text = Bytes::from(event.to_string());
            let by = DaemonId::parse("d").ok();
            for (name, daemon) in [("event", None), ("event.envelope", by)] {
                let context = Context { daemon, ..Context::default() };
                let read =
                    Published::parse(&text, &context, Timestamp(0)).map(drop).map_err(|e| e.to_string());
                for schema in dialects_of(name) {
                    assert_eq!(schema.is_valid(&event), read.is_ok(), "{name}: {event}: {read:?}");
                }
            }
        }
    }
}

/// The same, built once: thousands of events are held against these.
fn dialects_of(name: &str) -> &'static [Validator; 2] {
    use std::sync::OnceLock;
    static EVENT: OnceLock<[Validator; 2]> = OnceLock::new();
    static ENVELOPE: OnceLock<[Validator; 2]> = OnceLock::new();
    let place = if name == "event" { &EVENT } else { &ENVELOPE };
    place.get_or_init(|| dialects(name))
}

//! Real frames of a hub that runs, each as its schema says, to the last member.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{names, schema, strict, validator};
use crate::support::{
    event::Event,
    hub::Hub,
    identity::Identity,
    in_both_modes,
    settings::REDELIVERY_SCHEDULE_MS,
    socket::Daemon,
    token::seconds_from_now,
    world::{Mode, World},
};

in_both_modes! {
    everything_the_hub_says_is_described,
}

fn everything_the_hub_says_is_described(mode: Mode) {
    let mut world = mode.start_with(&[(REDELIVERY_SCHEDULE_MS, "100")]);
    let schemas: Vec<_> = names(&world.hub)
        .into_iter()
        .filter_map(|name| Some((name.strip_prefix("server.")?.to_owned(), schema(&world.hub, &name))))
        .collect();
    let mut frames = refusals(&world.hub);
    frames.extend(conversation(&mut world));

    let mut seen = BTreeSet::new();
    for frame in &frames {
        let kind = frame["type"].as_str().unwrap();
        let schema = schemas.iter().find(|(name, _)| name == kind);
        let (_, schema) = schema.unwrap_or_else(|| panic!("no schema for {frame}"));
        let validator = validator(&strict(schema.clone()));
        assert_eq!(validator.validate(frame).err().map(|error| error.to_string()), None, "{frame}");
        seen.insert(kind);
    }
    let described: BTreeSet<_> = schemas.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(seen, described, "every kind of frame came up");
}

/// What is said to those who may not come in.
fn refusals(hub: &Hub) -> Vec<Value> {
    let expired = Identity::new().with_claim("exp", seconds_from_now(-60));
    let useless = Identity::new().with_claim("scopes", json!(["files:read"]));
    let forged = Identity::new().claiming("somebody".to_owned());
    let mut frames: Vec<_> = [expired, useless, forged]
        .iter()
        .map(|identity| {
            let mut daemon = Daemon::open(hub);
            daemon.auth(identity);
            daemon.next_frame()
        })
        .collect();
    let mut early = Daemon::open(hub);
    early.heartbeat();
    frames.push(early.next_frame());
    frames
}

/// What is said only to those who asked for it: several events at once, and that they are taken.
fn extension(world: &mut World) -> Vec<Value> {
    let identity = Identity::new();
    let events = [Event::to(&identity), Event::to(&identity).set("ttlMs", 60_000)];
    world.publish_all(&events);
    let mut daemon = Daemon::connect_extended(&world.hub, &identity, &json!({}));
    daemon.send("subscribe", json!({ "eventTypes": ["*"] }));
    let batch = daemon.next_frame();
    let ids: Vec<_> = events.iter().map(Event::id).collect();
    daemon.send("ack", json!({ "eventIds": ids, "confirm": true }));
    let mut frames = vec![batch];
    while frames.last().is_some_and(|frame| frame["type"] != "ack_ok") {
        frames.push(daemon.next_frame());
    }
    frames
}

/// What is said to those who are in, from the first to the last word.
fn conversation(world: &mut World) -> Vec<Value> {
    let identity = Identity::new();
    let mut daemon = Daemon::open(&world.hub);
    daemon.auth(&identity);
    let mut frames = vec![daemon.next_frame()];
    daemon.auth(&identity);
    frames.push(daemon.next_frame());
    for beat in ["the first", "one that comes too early"] {
        daemon.send("heartbeat", json!({ "metrics": { "note": beat } }));
        frames.push(daemon.next_frame());
    }
    for text in ["{", "[]", r#"{"type":"ack","id":"a"}"#, r#"{"type":"ack","payload":{"eventIds":[" "]}}"#] {
        daemon.send_text(text);
        frames.push(daemon.next_frame());
    }
    daemon.send_text(r#"{"type":"ping"}"#);
    frames.push(daemon.next_frame());
    daemon.send("ping", json!({}));
    frames.push(daemon.next_frame());
    daemon.send("subscribe", json!({ "eventTypes": ["*"] }));
    daemon.roundtrip();
    let in_channel = Event::to(&identity).in_channel("general").set("workspaceId", "w1");
    world.publish_all(&[in_channel, Event::to(&identity).set("priority", -3).set("payload", json!({}))]);
    // Each comes a second time, because nobody acknowledges it.
    frames.extend((0..4).map(|_| daemon.next_frame()));
    frames.extend(extension(world));
    world.hub.ask_to_stop();
    while frames.last().is_some_and(|frame| frame["type"] != "reconnect") {
        frames.push(daemon.next_frame());
    }
    frames
}

//! How much a daemon wants at once, in how many frames, and that its acknowledgements are safe.

use serde_json::{Value, json};

use crate::support::{
    event::{Event, ids},
    identity::Identity,
    in_both_modes,
    socket::{Daemon, ids_in},
    world::Mode,
};

in_both_modes! {
    who_pauses_gets_nothing_until_it_goes_on,
    what_waits_comes_several_in_a_frame,
    what_was_confirmed_outlives_a_hub_that_is_killed,
    the_greeting_tells_what_waits_and_what_holds,
    a_legacy_client_hears_no_new_kind_of_frame,
}

fn who_pauses_gets_nothing_until_it_goes_on(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect_extended(&world.hub, &identity, &json!({}));
    daemon.subscribe(&["message.*"]);
    daemon.send("flow", json!({ "maxInFlight": 0 }));
    daemon.roundtrip();
    let events = Event::burst(&identity, 3);
    world.publish_all(&events);
    world.wait_until_queued(3);
    daemon.heartbeat();
    let beat = daemon.next_frame();
    assert_eq!(beat["type"], "heartbeat_ack", "and no event: {beat}");
    assert_eq!(
        (&beat["payload"]["blockedReason"], &beat["payload"]["inFlight"]),
        (&json!("paused"), &json!(0)),
        "{beat}"
    );
    assert!(beat["payload"]["queued"].as_u64() >= Some(1), "something waits: {beat}");
    daemon.send("flow", json!({ "maxInFlight": 2 }));
    let mut arrived = ids_in(&daemon.next_frame());
    arrived.extend(daemon.roundtrip().iter().flat_map(ids_in));
    assert_eq!(arrived, ids(&events[..2]), "as many as it wants");
    daemon.ack(&[events[0].id()]);
    assert_eq!(daemon.next_event()["eventId"], events[2].id());
}

fn what_waits_comes_several_in_a_frame(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 200);
    world.publish_all(&events);
    world.wait_until_queued(200);
    let mut daemon = Daemon::connect_extended(&world.hub, &identity, &json!({}));
    daemon.send("subscribe", json!({ "eventTypes": ["*"] }));
    let (mut frames, mut arrived) = (0, Vec::new());
    while arrived.len() < events.len() {
        arrived.extend(ids_in(&daemon.next_frame()));
        frames += 1;
    }
    assert_eq!(arrived, ids(&events));
    assert!(frames <= 20, "{frames} frames");
}

fn what_was_confirmed_outlives_a_hub_that_is_killed(mode: Mode) {
    let mut world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect_extended(&world.hub, &identity, &json!({}));
    daemon.subscribe(&["*"]);
    let events = Event::burst(&identity, 2);
    world.publish_all(&events);
    daemon.next_event();
    daemon.next_event();
    let request = daemon.send("ack", json!({ "eventIds": [events[0].id(), "never"], "confirm": true }));
    let answer = daemon.next_frame();
    world.hub.kill();
    assert_eq!((&answer["type"], &answer["replyTo"]), (&json!("ack_ok"), &json!(request)));
    assert_eq!(answer["payload"], json!({ "ids": [events[0].id()], "unknown": ["never"] }));
    world.hub.restart();
    let mut back = Daemon::connect(&world.hub, &identity);
    assert_eq!(back.take_event()["eventId"], events[1].id(), "only what was not confirmed");
    assert!(world.further_events(&mut back).is_empty());
}

fn the_greeting_tells_what_waits_and_what_holds(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect_extended(&world.hub, &identity, &json!({}));
    let first = daemon.session().clone();
    assert_eq!(
        (&first["resumed"], &first["backlog"], &first["gap"]),
        (&json!(false), &json!(0), &Value::Null)
    );
    daemon.subscribe(&["message.*"]);
    daemon.leave();
    world.publish_all(&Event::burst(&identity, 4));
    world.wait_until_queued(4);
    let back = Daemon::connect_extended(&world.hub, &identity, &json!({ "maxInFlight": 100_000 }));
    let session = back.session();
    assert_eq!(
        (&session["protocol"], &session["resumed"], &session["backlog"], &session["subscriptions"]),
        (&json!("1.1"), &json!(true), &json!(4), &json!(["message.*"])),
        "{session}"
    );
    assert_eq!(session["limits"]["maxInFlight"], 1000, "the ceiling: {session}");
}

fn a_legacy_client_hears_no_new_kind_of_frame(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 20);
    world.publish_all(&events);
    world.wait_until_queued(20);
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.send("subscribe", json!({ "eventTypes": ["*"] }));
    for event in &events {
        let arrived = daemon.next_event();
        assert_eq!(arrived["eventId"], event.id());
    }
    daemon.send("ack", json!({ "eventIds": [events[0].id()], "confirm": true }));
    assert!(daemon.roundtrip().is_empty(), "not even when it asks, without having introduced itself");
}

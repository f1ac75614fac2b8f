//! Events that a daemon refuses, puts off, works on for long, or breaks over.

use serde_json::{Value, json};

use crate::support::{
    event::{Event, MESSAGE, ids},
    eventually::eventually_some,
    hub::Hub,
    identity::Identity,
    in_both_modes,
    platform::{Stand, on_both_stands},
    publisher, settings,
    socket::{Daemon, ids_in},
    world::Mode,
};

in_both_modes! {
    what_is_refused_comes_again_after_the_delay_that_was_asked_for,
    what_is_put_off_leaves_room_for_the_next,
    what_is_worked_on_does_not_come_again,
}
on_both_stands! {
    what_breaks_its_connection_three_times_is_given_up_and_the_next_flow,
}

/// A daemon of protocol 1.1 that wants messages; `more` goes into its `auth`.
fn subscriber(hub: &Hub, identity: &Identity, more: &Value) -> Daemon {
    let mut daemon = Daemon::connect_extended(hub, identity, more);
    daemon.send("subscribe", json!({ "eventTypes": [MESSAGE] }));
    daemon
}

fn what_is_refused_comes_again_after_the_delay_that_was_asked_for(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = subscriber(&world.hub, &identity, &json!({}));
    let event = Event::to(&identity);
    world.publish(&event);
    for attempt in 1..=3 {
        let arrived = daemon.next_event();
        assert_eq!(
            (&arrived["eventId"], &arrived["attempt"], &arrived["redelivered"]),
            (&json!(event.id()), &json!(attempt), &json!(attempt > 1))
        );
        daemon.send("nack", json!({ "eventIds": [event.id()], "delayMs": 50, "reason": "busy" }));
    }
}

fn what_is_put_off_leaves_room_for_the_next(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 3);
    world.publish_all(&events);
    world.wait_until_queued(3);
    let mut daemon = subscriber(&world.hub, &identity, &json!({ "maxInFlight": 1 }));
    assert_eq!(daemon.session()["limits"]["maxInFlight"], 1);
    assert_eq!(daemon.next_event()["eventId"], events[0].id());
    assert!(daemon.roundtrip().is_empty(), "one at a time");
    daemon.send("nack", json!({ "eventIds": [events[0].id()], "delayMs": 3_600_000 }));
    assert_eq!(daemon.take_event()["eventId"], events[1].id());
    assert_eq!(daemon.take_event()["eventId"], events[2].id());
    assert!(daemon.roundtrip().is_empty(), "the first waits for its hour");
    // An acknowledgement counts all the same, and a disconnect ends the wait of what is left.
    daemon.leave();
    let mut back = Daemon::connect(&world.hub, &identity);
    let again = back.next_event();
    assert_eq!((&again["eventId"], &again["attempt"]), (&json!(events[0].id()), &json!(2)));
}

fn what_is_worked_on_does_not_come_again(mode: Mode) {
    let world = mode.start_with(&[(settings::REDELIVERY_SCHEDULE_MS, "300")]);
    let identity = Identity::new();
    let mut daemon = subscriber(&world.hub, &identity, &json!({}));
    let (slow, other) = (Event::to(&identity), Event::to(&identity));
    world.publish(&slow);
    let arrived = daemon.next_event();
    assert_eq!((&arrived["eventId"], &arrived["ackDeadlineMs"]), (&json!(slow.id()), &json!(300)));
    daemon.send("progress", json!({ "eventIds": [slow.id()], "extendMs": 600_000 }));
    world.publish(&other);
    for attempt in 1..=4 {
        let arrived = daemon.next_event();
        assert_eq!((&arrived["eventId"], &arrived["attempt"]), (&json!(other.id()), &json!(attempt)));
    }
}

fn what_breaks_its_connection_three_times_is_given_up_and_the_next_flow(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    let events = Event::burst(&identity, 3);
    publisher::post(&platform.hub, &events);
    for crash in 1..=3 {
        let mut daemon = subscriber(&platform.hub, &identity, &json!({ "maxInFlight": 1 }));
        let arrived = daemon.next_event();
        assert_eq!((&arrived["eventId"], &arrived["attempt"]), (&json!(events[0].id()), &json!(crash)));
        daemon.roundtrip();
        // The process dies: its socket closes without a word.
        drop(daemon);
        let gone = || {
            let path = format!("/api/admin/connections?orchestratorId={}", orchestrator.id);
            let list = platform.hub.call("GET", &path).operator().expect(200);
            list["items"].as_array().is_some_and(Vec::is_empty).then_some(())
        };
        eventually_some(gone, "the hub has noticed");
        // What is confirmed afterwards is stored after what the hub noted about the crash.
        publisher::post(&platform.hub, [&Event::to(&Identity::new())]);
    }
    let mut daemon = subscriber(&platform.hub, &identity, &json!({}));
    assert_eq!(ids_in(&daemon.next_frame()), ids(&events[1..]));

    let path = format!("/api/admin/dead-letters?eventId={}", events[0].id());
    let filed = || {
        let list = platform.hub.call("GET", &path).operator().expect(200);
        list["items"].as_array().unwrap().first().cloned()
    };
    let letter = eventually_some(filed, "it is among the dead letters");
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("crash_loop"), &json!(3)), "{letter}");
    let one = format!("/api/admin/dead-letters/{}", letter["id"].as_str().unwrap());
    let shown = platform.hub.call("GET", &one).operator().expect(200);
    let outcomes: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["crashed"; 3], "{shown}");
}

//! Events that are of no use after their time.

use serde_json::json;

use crate::support::{
    event::Event,
    eventually::eventually,
    identity::Identity,
    in_both_modes,
    metrics::total,
    publisher::{post_json, statuses},
    settings,
    world::{Mode, World},
};

in_both_modes! {
    what_has_expired_is_not_delivered_and_is_counted,
    what_expires_in_flight_is_not_sent_again,
    what_has_expired_before_is_rejected,
}

fn wait_until_expired(world: &World, count: f64) {
    let expired = || total(&world.hub, "hub_events_dropped_total", &["expired"]) >= count;
    eventually(expired, "it is counted as expired");
}

fn what_has_expired_is_not_delivered_and_is_counted(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let (short, long) = (Event::to(&identity).set("ttlMs", 100), Event::to(&identity).set("ttlMs", 600_000));
    world.publish_all([&short, &long]);
    wait_until_expired(&world, 1.0);
    let mut daemon = world.come_online(&identity);
    let arrived = daemon.take_event();
    assert_eq!(arrived["eventId"], long.id());
    assert!(arrived["expiresAt"].is_string(), "{arrived}");
    assert!(world.further_events(&mut daemon).is_empty());
}

fn what_expires_in_flight_is_not_sent_again(mode: Mode) {
    let world = mode.start_with(&[(settings::REDELIVERY_SCHEDULE_MS, "3000")]);
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity).set("ttlMs", 1000);
    world.publish(&event);
    assert_eq!(daemon.next_event()["eventId"], event.id());
    wait_until_expired(&world, 1.0);
    daemon.leave();
    let mut back = world.come_online(&identity);
    assert!(world.further_events(&mut back).is_empty());
}

fn what_has_expired_before_is_rejected(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = [
        Event::to(&identity).set("expiresAt", "2020-01-01T00:00:00.000Z"),
        Event::to(&identity).set("ttlMs", 0),
        Event::to(&identity),
    ];
    let body: Vec<_> = events.iter().map(Event::json).collect();
    let answer = post_json(&world.hub, &json!(body));
    assert_eq!(statuses(&answer), ["rejected", "rejected", "queued"], "{answer:?}");
}

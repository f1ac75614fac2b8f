//! Events for whichever daemon of an orchestrator has time (delivery rule 8).

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{
    event::{Event, MESSAGE},
    eventually::eventually,
    hub::Hub,
    identity::Identity,
    in_both_modes, metrics, publisher,
    redis::RedisServer,
    settings,
    socket::{Daemon, ids_in},
    world::Mode,
};

in_both_modes! {
    each_event_goes_to_one_daemon_and_the_work_is_shared,
    what_one_refuses_another_gets,
    what_one_leaves_behind_another_gets,
    what_one_does_not_acknowledge_in_time_moves_on,
    what_waits_for_any_goes_to_the_first_that_comes,
    two_that_take_one_at_a_time_share_a_backlog,
}

fn for_any(identity: &Identity) -> Event {
    Event::to(identity).set("delivery", "any")
}

fn worker(hub: &Hub, identity: &Identity) -> Daemon {
    let mut daemon = Daemon::connect_extended(hub, identity, &json!({}));
    daemon.subscribe(&[MESSAGE]);
    daemon
}

/// The ids of all events that a daemon has been sent by now.
fn arrived(daemon: &mut Daemon) -> Vec<String> {
    daemon.roundtrip().iter().flat_map(ids_in).collect()
}

fn each_event_goes_to_one_daemon_and_the_work_is_shared(mode: Mode) {
    let world = mode.start();
    let first = Identity::new();
    let mut daemons = [worker(&world.hub, &first), worker(&world.hub, &first.sibling())];
    let mut given = [BTreeSet::new(), BTreeSet::new()];
    let events: Vec<_> = (0..10).map(|_| for_any(&first)).collect();
    publisher::post(&world.hub, &events);
    let everything = || {
        for (daemon, given) in daemons.iter_mut().zip(&mut given) {
            given.extend(arrived(daemon));
        }
        given.iter().map(BTreeSet::len).sum::<usize>() >= events.len()
    };
    eventually(everything, "all are given out");
    assert!(given[0].is_disjoint(&given[1]), "no event goes to both");
    assert_eq!([given[0].len(), given[1].len()], [5, 5], "the one with less to do gets the next");
}

fn what_one_refuses_another_gets(mode: Mode) {
    let world = mode.start();
    let first = Identity::new();
    let mut one = worker(&world.hub, &first);
    let event = for_any(&first);
    world.publish(&event);
    assert_eq!(one.next_event()["eventId"], event.id());
    let mut other = worker(&world.hub, &first.sibling());
    one.send("flow", json!({ "maxInFlight": 0 }));
    one.send("nack", json!({ "eventIds": [event.id()], "delayMs": 0 }));
    let moved = other.next_event();
    assert_eq!((&moved["eventId"], &moved["redelivered"]), (&json!(event.id()), &json!(true)));
    other.ack(&[event.id()]);
    one.send("flow", json!({ "maxInFlight": 10 }));
    assert!(world.further_events(&mut one).is_empty());
}

fn what_one_leaves_behind_another_gets(mode: Mode) {
    let world = mode.start();
    let first = Identity::new();
    let mut one = worker(&world.hub, &first);
    let event = for_any(&first);
    world.publish(&event);
    assert_eq!(one.next_event()["eventId"], event.id());
    let mut other = worker(&world.hub, &first.sibling());
    assert!(other.roundtrip().is_empty(), "it is with the first");
    one.leave();
    assert_eq!(other.take_event()["eventId"], event.id());
}

fn what_one_does_not_acknowledge_in_time_moves_on(mode: Mode) {
    let world = mode.start_with(&[(settings::REDELIVERY_SCHEDULE_MS, "300")]);
    let first = Identity::new();
    let mut one = worker(&world.hub, &first);
    let event = for_any(&first);
    world.publish(&event);
    assert_eq!(one.next_event()["eventId"], event.id());
    one.send("flow", json!({ "maxInFlight": 1 }));
    let mut other = worker(&world.hub, &first.sibling());
    let mut moves = 0;
    // Whoever is free gets it: the one that just had it, or the other.
    let moved = || {
        moves += arrived(&mut one).len();
        !arrived(&mut other).is_empty()
    };
    eventually(moved, "the other one gets it");
    other.ack(&[event.id()]);
    assert!(moves < 10, "{moves}");
}

fn what_waits_for_any_goes_to_the_first_that_comes(mode: Mode) {
    let world = mode.start();
    let first = Identity::new();
    let event = for_any(&first);
    world.publish(&event);
    world.wait_until_queued(1);
    let mut one = world.come_online(&first);
    assert_eq!(one.next_event()["eventId"], event.id(), "also by one that speaks the old protocol");
    let mut other = world.come_online(&first.sibling());
    assert!(other.roundtrip().is_empty());
    one.ack(&[event.id()]);
    assert!(world.further_events(&mut other).is_empty());
}

fn two_that_take_one_at_a_time_share_a_backlog(mode: Mode) {
    let world = mode.start();
    let first = Identity::new();
    let events: Vec<_> = (0..20).map(|_| for_any(&first)).collect();
    publisher::post(&world.hub, &events);
    world.wait_until_queued(20);
    let come = |identity: &Identity| {
        let mut daemon = Daemon::connect_extended(&world.hub, identity, &json!({ "maxInFlight": 1 }));
        daemon.send("subscribe", json!({ "eventTypes": [MESSAGE] }));
        daemon
    };
    let mut one = come(&first);
    let busy_with = one.next_event();
    let mut other = come(&first.sibling());
    for event in &events[1..] {
        let next = other.next_event();
        assert_eq!((&next["eventId"], &next["redelivered"]), (&json!(event.id()), &json!(false)));
        other.ack(&[event.id()]);
    }
    one.ack(&[busy_with["eventId"].as_str().expect("an id")]);
    assert!(world.further_events(&mut one).is_empty(), "nothing was kept for it");
}

/// Two hubs on one Redis that know of each other, with some settings of their own.
fn two_hubs(redis: &RedisServer, environment: &[(&str, &str)]) -> [Hub; 2] {
    let hubs = [(); 2].map(|()| Hub::setup().envs(environment).redis(redis).start());
    let both = || hubs.iter().all(|hub| metrics::total(hub, "hub_nodes", &[]) >= 2.0);
    eventually(both, "the hubs know of each other");
    hubs
}

#[test]
fn daemons_at_different_hubs_share_the_work() {
    let redis = RedisServer::start();
    let hubs = two_hubs(&redis, &[]);
    let first = Identity::new();
    let mut daemons = [worker(&hubs[0], &first), worker(&hubs[1], &first.sibling())];
    let events: Vec<_> = (0..20).map(|_| for_any(&first)).collect();
    publisher::publish(&redis, &events);
    let mut given = [BTreeSet::new(), BTreeSet::new()];
    let everything = || {
        for (daemon, given) in daemons.iter_mut().zip(&mut given) {
            given.extend(arrived(daemon));
        }
        given.iter().map(BTreeSet::len).sum::<usize>() >= events.len()
    };
    eventually(everything, "all are given out");
    assert!(given[0].is_disjoint(&given[1]), "no event goes to both");
}

#[test]
fn what_was_with_a_hub_that_died_goes_to_a_daemon_at_another() {
    let redis = RedisServer::start();
    let soon = [(settings::REDELIVERY_SCHEDULE_MS, "100"), ("HUB_DELIVERY_SWEEP_INTERVAL_MS", "500")];
    let mut hubs = two_hubs(&redis, &soon);
    let first = Identity::new();
    let mut lost = worker(&hubs[1], &first);
    let event = for_any(&first);
    publisher::publish(&redis, [&event]);
    assert_eq!(lost.next_event()["eventId"], event.id());
    hubs[1].kill();
    let mut survivor = worker(&hubs[0], &first.sibling());
    assert_eq!(survivor.take_event()["eventId"], event.id());
}

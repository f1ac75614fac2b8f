//! Several hubs on one Redis are one hub to everybody else.

use serde_json::json;

use crate::support::{
    event::{Event, MESSAGE},
    hub::Hub,
    identity::Identity,
    publisher::{self, publish},
    redis::RedisServer,
    socket::Daemon,
};

struct Fleet {
    // The hubs go before the Redis they work on.
    first: Hub,
    second: Hub,
    redis: RedisServer,
}

impl Fleet {
    fn start() -> Self {
        let redis = RedisServer::start();
        let hub = || Hub::setup().redis(&redis).env("WS_MAX_CONNECTIONS_PER_VP", "2").start();
        Self { first: hub(), second: hub(), redis }
    }
}

fn subscriber(hub: &Hub, identity: &Identity) -> Daemon {
    let mut daemon = Daemon::connect(hub, identity);
    daemon.subscribe(&[MESSAGE]);
    daemon
}

/// Asserts that `daemon` gets `marker` next, which is published now.
#[track_caller]
fn assert_nothing_else_comes(redis: &RedisServer, daemon: &mut Daemon) {
    let identity = daemon.identity().clone();
    let marker = Event::to(&identity).for_daemon(&identity.daemon).without_ack().set("priority", 0);
    publish(redis, [&marker]);
    assert_eq!(daemon.next_event()["eventId"], marker.id(), "something came before the marker");
}

#[test]
fn an_event_published_at_one_hub_arrives_once_at_a_daemon_of_another() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut daemon = subscriber(&fleet.second, &identity);
    let event = Event::to(&identity);
    publisher::post(&fleet.first, [&event]);
    assert_eq!(daemon.next_event()["eventId"], event.id());
    assert_nothing_else_comes(&fleet.redis, &mut daemon);
}

#[test]
fn an_event_that_every_hub_hears_arrives_once_at_each_daemon() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut daemons = [subscriber(&fleet.first, &identity), subscriber(&fleet.second, &identity.sibling())];
    let event = Event::to(&identity);
    publish(&fleet.redis, [&event]);
    for daemon in &mut daemons {
        assert_eq!(daemon.next_event()["eventId"], event.id());
        assert_nothing_else_comes(&fleet.redis, daemon);
    }
}

#[test]
fn a_daemon_that_moves_to_another_hub_takes_over_from_itself() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut older = subscriber(&fleet.first, &identity);
    let mut newer = subscriber(&fleet.second, &identity);
    assert_eq!(older.expect_close().code, 4006);
    let event = Event::to(&identity);
    publish(&fleet.redis, [&event]);
    assert_eq!(newer.take_event()["eventId"], event.id());
}

#[test]
fn the_quota_counts_the_connections_of_all_hubs() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let _first = Daemon::connect(&fleet.first, &identity);
    let _second = Daemon::connect(&fleet.second, &identity.sibling());
    for hub in [&fleet.first, &fleet.second] {
        let mut third = Daemon::open(hub);
        third.auth(&identity.sibling());
        third.expect_refusal("MAX_CONNECTIONS", 4004);
    }
}

#[test]
fn what_a_killed_hub_had_sent_comes_again_from_another() {
    let mut fleet = Fleet::start();
    let identity = Identity::new();
    let mut daemon = subscriber(&fleet.first, &identity);
    let event = Event::to(&identity);
    publisher::post(&fleet.first, [&event]);
    assert_eq!(daemon.next_event()["attempt"], 1);
    daemon.roundtrip();
    // Confirmed only when it is stored, and with it what was sent before.
    publisher::post(&fleet.first, [&Event::to(&Identity::new())]);
    fleet.first.kill();

    let mut moved = Daemon::connect(&fleet.second, &identity);
    moved.send("subscribe", json!({ "eventTypes": [MESSAGE] }));
    let again = moved.take_event();
    assert_eq!(again["eventId"], event.id());
    assert_eq!(again["redelivered"], true);
}

#[test]
fn an_acknowledgement_at_one_hub_is_known_to_the_other() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut daemon = subscriber(&fleet.first, &identity);
    let event = Event::to(&identity);
    publish(&fleet.redis, [&event]);
    daemon.take_event();
    daemon.roundtrip();
    publisher::post(&fleet.first, [&Event::to(&Identity::new())]);

    let mut moved = subscriber(&fleet.second, &identity);
    assert_nothing_else_comes(&fleet.redis, &mut moved);
    publish(&fleet.redis, [&event]);
    assert_nothing_else_comes(&fleet.redis, &mut moved);
}

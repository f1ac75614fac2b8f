//! Nothing that was appended is lost, whoever dies in between.

use crate::support::{
    event::{self, Event},
    hub::{Hub, Setup},
    identity::Identity,
    publisher::post,
    redis::RedisServer,
    socket::Daemon,
    stream::{append, wait_until_confirmed},
};

fn setup(redis: &RedisServer) -> Setup {
    Hub::setup().redis(redis).env("HUB_INGRESS_CLAIM_AFTER_MS", "500")
}

/// Takes `count` entries away as the hub called `reader` would, and confirms none of them.
fn take_as(redis: &RedisServer, reader: &str, count: usize) {
    let count = count.to_string();
    let words = ["XREADGROUP", "GROUP", "hubs", reader, "COUNT", &count, "STREAMS", "hub:ingress", ">"];
    redis.run::<redis::Value>(&words);
}

fn collect(hub: &Hub, identity: &Identity, events: &[Event]) {
    let mut daemon = Daemon::connect(hub, identity);
    daemon.send("subscribe", serde_json::json!({ "eventTypes": [event::MESSAGE] }));
    let mut arrived = daemon.take_ids(events.len());
    arrived.sort_unstable();
    let mut expected: Vec<_> = event::ids(events).into_iter().map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(arrived, expected);
}

#[test]
fn what_a_dead_hub_left_is_taken_over() {
    let redis = RedisServer::start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 50);
    redis.run::<()>(&["XGROUP", "CREATE", "hub:ingress", "hubs", "0", "MKSTREAM"]);
    events.iter().for_each(|event| drop(append(&redis, event)));
    take_as(&redis, "a_hub_that_died", 50);
    let hub = setup(&redis).start();
    wait_until_confirmed(&redis);
    collect(&hub, &identity, &events);
}

#[test]
fn a_hub_that_is_killed_goes_on_where_it_was() {
    let redis = RedisServer::start();
    let identity = Identity::new();
    let mut hub = Hub::setup().redis(&redis).start();
    let node = std::fs::read_to_string(hub.data_dir().join("node")).unwrap();
    hub.kill();
    // As if it had died between taking entries and storing them; nobody claims them for half a minute.
    let events = Event::burst(&identity, 50);
    events.iter().for_each(|event| drop(append(&redis, event)));
    take_as(&redis, &node, 20);
    hub.restart();
    wait_until_confirmed(&redis);
    collect(&hub, &identity, &events);
}

#[test]
fn an_entry_whose_confirmation_was_lost_is_not_delivered_again() {
    let redis = RedisServer::start();
    let identity = Identity::new();
    let event = Event::to(&identity);
    let mut hub = setup(&redis).start();
    let mut daemon = Daemon::connect(&hub, &identity);
    daemon.subscribe(&[event::MESSAGE]);
    append(&redis, &event);
    daemon.take_event();
    daemon.roundtrip();
    wait_until_confirmed(&redis);
    post(&hub, [&Event::to(&Identity::new())]);
    hub.kill();
    append(&redis, &event);
    take_as(&redis, "a_hub_that_died", 1);
    hub.restart();
    wait_until_confirmed(&redis);
    let last = Event::to(&identity);
    append(&redis, &last);
    collect(&hub, &identity, &[last]);
}

#[test]
fn entries_survive_a_redis_that_is_started_again() {
    let mut redis = RedisServer::start_with_aof();
    let identity = Identity::new();
    let hub = setup(&redis).start();
    let events = Event::burst(&identity, 100);
    let (before, after) = events.split_at(60);
    before.iter().for_each(|event| drop(append(&redis, event)));
    redis.stop();
    redis.start_again();
    after.iter().for_each(|event| drop(append(&redis, event)));
    wait_until_confirmed(&redis);
    hub.wait_until_ready();
    collect(&hub, &identity, &events);
}

#[test]
fn a_redis_that_has_forgotten_everything_gets_its_readers_again() {
    let mut redis = RedisServer::start();
    let identity = Identity::new();
    let hub = setup(&redis).start();
    redis.stop();
    redis.start_again();
    let event = Event::to(&identity);
    append(&redis, &event);
    wait_until_confirmed(&redis);
    hub.wait_until_ready();
    collect(&hub, &identity, &[event]);
}

//! Redis goes away and comes back.

use crate::support::{
    event::Event,
    eventually::eventually,
    http,
    hub::Hub,
    identity::Identity,
    publisher::{self, publish},
    redis::RedisServer,
    socket::{self, Daemon},
};

fn subscriber(hub: &Hub, identity: &Identity) -> Daemon {
    let mut daemon = Daemon::connect(hub, identity);
    daemon.subscribe(&["message.received"]);
    daemon
}

fn wait_until_unready(hub: &Hub) {
    eventually(|| http::try_get(&hub.url("/ready")) == Some(503), "GET /ready answers 503");
}

#[test]
fn a_hub_that_starts_before_its_redis_waits_for_it() {
    let mut redis = RedisServer::not_started();
    let hub = Hub::setup().redis(&redis).start_unready();
    wait_until_unready(&hub);
    assert_eq!(hub.get("/health").status, 200);

    redis.start_again();
    hub.wait_until_ready();
    let identity = Identity::new();
    let mut daemon = subscriber(&hub, &identity);
    let event = Event::to(&identity);
    publish(&redis, [&event]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn an_outage_of_redis_closes_no_socket_and_loses_no_acknowledgement() {
    let mut redis = RedisServer::start_with_aof();
    let hub = Hub::setup().redis(&redis).start();
    let identity = Identity::new();
    let queue = format!("daemon:events:{}", identity.orchestrator);
    let mut daemon = subscriber(&hub, &identity);
    let before = Event::to(&identity);
    publish(&redis, [&before]);
    assert_eq!(daemon.next_event()["eventId"], before.id());
    eventually(|| redis.command::<usize>(&format!("ZCARD {queue}")) == 1, "the event is stored");

    redis.stop();
    wait_until_unready(&hub);
    assert_eq!(hub.get("/health").status, 200);
    daemon.ack(&[before.id()]);
    daemon.heartbeat();
    let answers = daemon.roundtrip();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["type"], "heartbeat_ack", "{answers:?}");

    redis.start_again();
    hub.wait_until_ready();
    let flushed = || redis.command::<usize>(&format!("ZCARD {queue}")) == 0;
    eventually(flushed, "the acknowledgement is written");
    let after = Event::to(&identity);
    publish(&redis, [&after]);
    assert_eq!(daemon.take_event()["eventId"], after.id());
}

#[test]
fn publishers_and_newcomers_are_told_to_wait_while_redis_is_away() {
    let mut redis = RedisServer::start_with_aof();
    let hub = Hub::setup().redis(&redis).start();
    redis.stop();
    wait_until_unready(&hub);

    let identity = Identity::new();
    let event = Event::to(&identity);
    publisher::post_json(&hub, event.json()).assert_json_error(503);
    let newcomer = Daemon::open_at(&hub, socket::PATH);
    assert_eq!(newcomer.err(), Some(503), "an opened socket would reset the client's back-off");

    redis.start_again();
    hub.wait_until_ready();
    publisher::post(&hub, [&event]);
    let mut daemon = Daemon::connect(&hub, &identity);
    daemon.send("subscribe", serde_json::json!({ "eventTypes": ["*"] }));
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn a_redis_that_hangs_holds_up_no_socket() {
    let mut redis = RedisServer::start();
    let hub = Hub::setup().redis(&redis).start();
    let identity = Identity::new();
    let mut daemon = subscriber(&hub, &identity);
    redis.pause();
    daemon.heartbeat();
    let answers = daemon.roundtrip();
    assert_eq!(answers[0]["type"], "heartbeat_ack", "{answers:?}");
    wait_until_unready(&hub);
    daemon.roundtrip();

    redis.resume();
    hub.wait_until_ready();
    let event = Event::to(&identity);
    publish(&redis, [&event]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

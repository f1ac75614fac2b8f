//! No daemon, however slow, broken or greedy, costs another one anything; and nobody comes by what is
//! another one's.

use ::redis::Commands as _;
use serde_json::{Value, json};

use crate::support::{
    event::{Event, MESSAGE},
    eventually::eventually,
    identity::Identity,
    in_both_modes, metrics,
    publisher::{self, lpush},
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    a_large_backlog_that_a_daemon_does_not_want_does_not_hide_what_it_wants,
    restored_subscriptions_obey_the_token_of_the_day,
    a_renewal_cannot_keep_what_the_new_token_does_not_allow,
    made_up_acknowledgements_crowd_nobody_out,
}

fn a_large_backlog_that_a_daemon_does_not_want_does_not_hide_what_it_wants(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let absent = identity.sibling();
    let backlog = Event::burst(&identity, 100).into_iter();
    let backlog: Vec<_> = backlog.map(|event| event.sized(10_000).for_daemon(&absent.daemon)).collect();
    world.publish_all(&backlog);
    let wanted = Event::to(&identity).set("priority", -1);
    world.publish(&wanted);
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_event()["eventId"], wanted.id());
    let live = Event::to(&identity);
    world.publish(&live);
    assert_eq!(daemon.take_event()["eventId"], live.id());
}

fn restored_subscriptions_obey_the_token_of_the_day(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    world.subscriber(&identity).leave();
    let poorer = identity.clone().with_claim("scopes", json!(["vp:status"]));
    let mut back = Daemon::connect(&world.hub, &poorer);
    world.publish(&Event::to(&identity).without_ack());
    back.subscribe(&["vp.status_changed"]);
    let marker = Event::to(&identity).set("type", "vp.status_changed").without_ack();
    world.publish(&marker);
    assert_eq!(back.next_event()["eventId"], marker.id(), "the message needs messages:read");
}

fn a_renewal_cannot_keep_what_the_new_token_does_not_allow(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    daemon.auth(&identity.clone().with_claim("scopes", json!(["files:read"])));
    assert_eq!(daemon.next_frame()["payload"]["code"], "INSUFFICIENT_SCOPE");
    assert_eq!(daemon.expect_close().code, 4005);
}

#[test]
fn a_key_that_somebody_else_uses_stops_only_its_own_orchestrator() {
    let world = Mode::Redis.start();
    let (broken, healthy) = (Identity::new(), Identity::new());
    let mut redis = world.redis().client();
    let _: () = redis.set(format!("daemon:events:{}:data", broken.orchestrator), "not a hash").unwrap();
    let _: () = redis.set(format!("daemon:pending_ack:{}", healthy.daemon), "not a hash").unwrap();

    let (lost, kept) = (Event::to(&broken), Event::to(&healthy));
    let answer = publisher::post_json(&world.hub, &json!([lost.json(), kept.json()]));
    assert_eq!(publisher::statuses(&answer), ["rejected", "queued"], "{}", answer.body);
    let counted = || metrics::total(&world.hub, "hub_events_dropped_total", &["reason=\"unwritable\""]) > 0.5;
    eventually(counted, "the loss is counted");

    let mut daemon = Daemon::connect(&world.hub, &healthy);
    daemon.subscribe(&[MESSAGE]);
    assert_eq!(daemon.take_event()["eventId"], kept.id());
    assert_eq!(world.hub.get("/ready").status, 200);

    let _: () = redis.del(format!("daemon:events:{}:data", broken.orchestrator)).unwrap();
    let again = publisher::post_json(&world.hub, lost.json());
    assert_eq!(publisher::statuses(&again), ["queued"], "what was refused is no duplicate");
}

#[test]
fn a_daemon_that_takes_another_orchestrators_name_gets_nothing_of_it() {
    let world = Mode::Redis.start();
    let (victim, thief) = (Identity::new(), Identity::new());
    let stolen = Event::to(&victim).set("orchestratorId", Value::Null).set("daemonId", Value::Null);
    lpush(world.redis(), &format!("daemon:events:{}", victim.orchestrator), [&stolen]);

    let disguised = thief.clone().named(&victim.orchestrator);
    let mut daemon = Daemon::connect(&world.hub, &disguised);
    daemon.subscribe(&["*"]);
    let own = Event::to(&thief);
    world.publish(&own);
    assert_eq!(daemon.take_event()["eventId"], own.id());
    assert!(world.further_events(&mut daemon).is_empty());

    let mut rightful = world.subscriber(&victim);
    assert_eq!(rightful.take_event()["eventId"], stolen.id());
}

#[test]
fn a_daemon_that_was_unknown_a_moment_ago_is_found_as_soon_as_it_connects() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let only_daemon = || Event::to(&identity).set("orchestratorId", Value::Null).for_daemon(&identity.daemon);
    world.publish(&only_daemon());
    let mut daemon = world.subscriber(&identity);
    let event = only_daemon();
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

fn made_up_acknowledgements_crowd_nobody_out(mode: Mode) {
    let world = mode.start();
    let (hostile, honest) = (Identity::new(), Identity::new());
    let mut flooder = world.subscriber(&hostile);
    let mut daemon = world.subscriber(&honest);
    let made_up: Vec<_> = (0..1000).map(|n| format!("made-up-{n}")).collect();
    let made_up: Vec<_> = made_up.iter().map(String::as_str).collect();
    for _ in 0..100 {
        flooder.ack(&made_up);
    }
    let events = Event::burst(&honest, 50);
    world.publish_all(&events);
    assert_eq!(daemon.take_ids(events.len()), crate::support::event::ids(&events));
    let dropped = metrics::total(&world.hub, "hub_events_dropped_total", &["reason=\"buffer_full\""]);
    assert!(dropped < 0.5, "{dropped} events found no room");
    assert_eq!(flooder.next_frame()["type"], "rate_limit");
}

#[test]
fn a_redis_that_refuses_to_write_for_a_while_loses_nothing() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut redis = world.redis().client();
    let demand = |redis: &mut ::redis::Connection, replicas: &str| {
        let mut set = ::redis::cmd("CONFIG");
        set.arg("SET").arg("min-replicas-to-write").arg(replicas).exec(redis).unwrap();
    };
    demand(&mut redis, "1");
    let event = Event::to(&identity);
    world.publish(&event);
    let retried = || world.hub.log().contains("the queue cannot be written");
    eventually(retried, "the hub says that it cannot write");
    demand(&mut redis, "0");
    world.hub.wait_until_ready();
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn a_redis_that_has_lost_its_data_learns_who_is_connected() {
    let world = Mode::Redis.start_with(&[("WS_HEARTBEAT_INTERVAL", "2000")]);
    let identity = Identity::new();
    let mut older = world.subscriber(&identity);
    let mut redis = world.redis().client();
    let () = ::redis::cmd("FLUSHALL").query(&mut redis).unwrap();
    older.heartbeat();
    let connections = format!("ws:vp:{}:connections", identity.orchestrator);
    let known = || redis.scard::<_, u64>(&connections).unwrap() == 1;
    eventually(known, "the heartbeat counts the connection again");
    let _newer = Daemon::connect(&world.hub, &identity);
    assert_eq!(older.expect_close().code, 4006, "and the next one of the same daemon replaces it");
}

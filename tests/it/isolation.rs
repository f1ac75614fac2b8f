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

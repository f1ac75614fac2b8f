//! `XADD hub:ingress`: taken once, confirmed when it is safe.

use crate::support::{
    event::{self, Event},
    eventually::{eventually, eventually_some},
    hub::Hub,
    identity::{Identity, unique},
    metrics,
    redis::RedisServer,
    socket::Daemon,
    stream::{append, append_text, append_with, replies, wait_until_confirmed},
    world::Mode,
};

#[test]
fn what_is_appended_arrives_in_order_and_is_confirmed() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let events = Event::burst(&identity, 100);
    for event in &events {
        append(world.redis(), event);
    }
    assert_eq!(daemon.take_ids(events.len()), event::ids(&events));
    wait_until_confirmed(world.redis());
    assert_eq!(metrics::total(&world.hub, "hub_ingress_entries_total", &["taken"]), 100.0);
}

#[test]
fn what_was_appended_before_any_hub_came_is_taken() {
    let redis = RedisServer::start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 20);
    for event in &events {
        append(&redis, event);
    }
    let hub = Hub::setup().redis(&redis).start();
    wait_until_confirmed(&redis);
    let mut daemon = Daemon::connect(&hub, &identity);
    daemon.send("subscribe", serde_json::json!({ "eventTypes": [event::MESSAGE] }));
    assert_eq!(daemon.take_ids(events.len()), event::ids(&events));
}

#[test]
fn who_asks_gets_a_verdict_in_a_stream() {
    let world = Mode::Redis.start();
    let (here, absent) = (Identity::new(), Identity::new());
    let mut daemon = world.subscriber(&here);
    let stream = format!("hub:verdicts:{}", unique("publisher"));
    let ask = [("reply", stream.as_str())];
    let (delivered, queued) = (Event::to(&here), Event::to(&absent));
    let entries = [
        append_with(world.redis(), &delivered, &ask),
        append_with(world.redis(), &queued, &ask),
        append_text(world.redis(), "no event", &ask),
    ];
    let verdicts = eventually_some(
        || Some(replies(world.redis(), &stream)).filter(|verdicts| verdicts.len() == 3),
        "every entry has a verdict",
    );
    let words: Vec<_> = verdicts.iter().map(|verdict| verdict["status"].as_str()).collect();
    assert_eq!(words, ["delivered", "queued", "rejected"]);
    for (verdict, entry) in verdicts.iter().zip(&entries) {
        assert_eq!(&verdict["entry"], entry);
    }
    assert_eq!((verdicts[0]["id"].as_str(), verdicts[1]["id"].as_str()), (delivered.id(), queued.id()));
    assert_eq!(verdicts[0]["sessions"], daemon.session()["sessionId"].as_str().unwrap());
    assert_eq!(verdicts[1]["orchestratorId"], absent.orchestrator);
    assert!(verdicts[1]["expiresAt"].ends_with('Z') && !verdicts[2]["reason"].is_empty(), "{verdicts:?}");
    assert!(world.redis().command::<i64>(&format!("TTL {stream}")) > 0, "it does not stay for ever");
    daemon.take_event();
    wait_until_confirmed(world.redis());
    assert_eq!(metrics::total(&world.hub, "hub_ingress_entries_total", &["rejected"]), 1.0);
}

#[test]
fn what_expires_while_it_waits_for_a_hub_leaves_a_trace() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    append(world.redis(), &Event::to(&identity).set("expiresAt", "2020-01-01T00:00:00.000Z"));
    wait_until_confirmed(world.redis());
    assert_eq!(metrics::total(&world.hub, "hub_events_dropped_total", &["expired"]), 1.0);
    // A duplicate of what had arrived in time is no loss.
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    append(world.redis(), &event);
    daemon.take_event();
    append(world.redis(), &event.set("expiresAt", "2020-01-01T00:00:00.000Z"));
    wait_until_confirmed(world.redis());
    assert_eq!(metrics::total(&world.hub, "hub_events_dropped_total", &["expired"]), 1.0);
}

#[test]
fn verdicts_are_written_over_nobodys_keys() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let foreign = format!("daemon:events:{}", unique("vp"));
    world.redis().run::<()>(&["SET", "taken", "by somebody"]);
    for reply in [foreign.as_str(), "hub:ingress", "taken"] {
        let event = Event::to(&identity);
        append_with(world.redis(), &event, &[("reply", reply)]);
        assert_eq!(daemon.take_event()["eventId"], event.id(), "the event itself is good");
    }
    wait_until_confirmed(world.redis());
    assert_eq!(world.redis().command::<usize>(&format!("EXISTS {foreign}")), 0);
    assert_eq!(world.redis().command::<String>("GET taken"), "by somebody");
}

#[test]
fn two_hubs_share_the_stream_and_every_event_arrives_once() {
    let world = Mode::Redis.start();
    let other = Hub::setup().redis(world.redis()).start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let both = || metrics::total(&world.hub, "hub_nodes", &[]) == 2.0;
    eventually(both, "the hubs know of each other");
    let events = Event::burst(&identity, 200);
    for event in &events {
        append(world.redis(), event);
    }
    let mut arrived = daemon.take_ids(events.len());
    arrived.sort_unstable();
    let mut expected: Vec<_> = event::ids(&events).into_iter().map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(arrived, expected);
    wait_until_confirmed(world.redis());
    let taken = |hub: &Hub| metrics::total(hub, "hub_ingress_entries_total", &["taken"]);
    assert_eq!(taken(&world.hub) + taken(&other), 200.0, "each entry is taken by one hub");
    assert!(world.further_events(&mut daemon).is_empty());
}

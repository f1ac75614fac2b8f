//! Events for daemons that are not there.

use crate::support::{
    event::{self, Event},
    identity::Identity,
    in_both_modes, metrics,
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    events_of_the_same_millisecond_wait_in_the_order_in_which_they_came,
    older_events_come_before_newer_ones,
    what_is_more_urgent_is_sent_first,
    a_full_queue_drops_its_oldest_events_and_counts_them,
    a_daemon_that_comes_back_is_subscribed_as_before,
    subscribing_again_after_coming_back_brings_nothing_twice,
    an_event_without_acknowledgement_waits_too_and_is_gone_once_sent,
}

fn events_of_the_same_millisecond_wait_in_the_order_in_which_they_came(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 200);
    world.publish_all(&events);
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(events.len()), event::ids(&events));
}

fn older_events_come_before_newer_ones(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let at = |time: &str| Event::to(&identity).set("timestamp", time);
    let hour_ago = |hours| (chrono::Utc::now() - chrono::TimeDelta::hours(hours)).to_rfc3339();
    let (new, old, older) = (at(&hour_ago(1)), at(&hour_ago(2)), at(&hour_ago(3)));
    world.publish_all([&new, &older, &old]);
    world.wait_until_queued(3);
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(3), [older.id(), old.id(), new.id()]);
}

fn what_is_more_urgent_is_sent_first(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let of = |priority: i32| Event::to(&identity).set("priority", priority);
    let (low, normal, high, highest) = (of(-1), of(0), of(5), of(10));
    world.publish_all([&normal, &low, &highest, &high]);
    world.wait_until_queued(4);
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(4), [highest.id(), high.id(), normal.id(), low.id()]);
}

fn a_full_queue_drops_its_oldest_events_and_counts_them(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 1003);
    world.publish_all(&events);
    let dropped = || {
        let samples = metrics::scrape(&world.hub);
        let counts = samples
            .iter()
            .filter(|sample| sample.name.contains("dropped") || sample.labels.contains("\"dropped\""))
            .map(|sample| sample.value);
        counts.fold(0.0, f64::max)
    };
    crate::support::eventually::eventually(|| dropped() >= 3.0, "the dropped events are counted");
    assert!(dropped() < 4.0, "and no others: {}", dropped());

    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(1000), event::ids(&events[3..]));
}

fn a_daemon_that_comes_back_is_subscribed_as_before(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    world.subscriber(&identity).leave();
    let queued = Event::to(&identity);
    world.publish(&queued);

    let mut back = Daemon::connect(&world.hub, &identity);
    assert_eq!(back.take_event()["eventId"], queued.id(), "what waited, without being asked for");
    let live = Event::to(&identity);
    world.publish(&live);
    assert_eq!(back.take_event()["eventId"], live.id());
}

fn subscribing_again_after_coming_back_brings_nothing_twice(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    world.subscriber(&identity).leave();
    let events = Event::burst(&identity, 20);
    world.publish_all(&events);

    let mut back = world.come_online(&identity);
    let arrived: Vec<_> = (0..events.len()).map(|_| back.next_event()).collect();
    assert!(arrived.iter().all(|event| event["attempt"] == 1), "{arrived:?}");
    let arrived: Vec<_> = arrived.iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    assert_eq!(arrived, event::ids(&events));
    assert!(world.further_events(&mut back).is_empty());
}

fn an_event_without_acknowledgement_waits_too_and_is_gone_once_sent(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let event = Event::to(&identity).without_ack();
    world.publish(&event);
    let mut daemon = world.come_online(&identity);
    let arrived = daemon.next_event();
    assert_eq!(arrived["eventId"], event.id());
    assert_eq!(arrived["requiresAck"], false);
    world.wait_until_stored(&mut daemon);
    daemon.leave();

    let mut back = Daemon::connect(&world.hub, &identity);
    assert!(world.further_events(&mut back).is_empty());
}

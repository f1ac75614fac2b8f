//! What was not acknowledged comes again, says so, and in the end is given up.

use crate::support::{
    event::Event, eventually::eventually, identity::Identity, in_both_modes, settings, socket::Daemon,
    world::Mode,
};

in_both_modes! {
    an_unacknowledged_event_comes_again_on_the_next_connection,
    an_unacknowledged_event_comes_again_on_the_same_connection,
    an_event_that_nobody_ever_acknowledges_is_given_up,
    more_events_than_fit_the_window_follow_as_acknowledgements_come,
}

const SOON: (&str, &str) = (settings::REDELIVERY_SCHEDULE_MS, "200");

fn an_unacknowledged_event_comes_again_on_the_next_connection(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let event = Event::to(&identity);
    let mut daemon = world.subscriber(&identity);
    world.publish(&event);
    let first = daemon.next_event();
    assert_eq!((first["attempt"].as_u64(), first["redelivered"].as_bool()), (Some(1), Some(false)));
    world.wait_until_stored(&mut daemon);
    daemon.leave();

    let mut back = Daemon::connect(&world.hub, &identity);
    let second = back.next_event();
    assert_eq!(second["eventId"], event.id());
    assert_eq!((second["attempt"].as_u64(), second["redelivered"].as_bool()), (Some(2), Some(true)));
    assert_eq!(second["data"], first["data"]);
}

fn an_unacknowledged_event_comes_again_on_the_same_connection(mode: Mode) {
    let world = mode.start_with(&[SOON]);
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    world.publish(&event);
    for attempt in 1..=3 {
        let arrived = daemon.next_event();
        assert_eq!(arrived["eventId"], event.id());
        assert_eq!(arrived["attempt"], attempt);
        assert_eq!(arrived["redelivered"], attempt > 1);
    }
}

fn an_event_that_nobody_ever_acknowledges_is_given_up(mode: Mode) {
    let world = mode.start_with(&[SOON, (settings::MAX_ATTEMPTS, "3")]);
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    world.publish(&Event::to(&identity));
    for attempt in 1..=3 {
        assert_eq!(daemon.next_event()["attempt"], attempt);
    }
    if mode == Mode::Redis {
        let queue = format!("daemon:events:{}", identity.orchestrator);
        let left = || world.redis().command::<usize>(&format!("ZCARD {queue}")) == 0;
        eventually(left, "the event leaves the queue");
        let dead: Option<u64> = world.redis().command(&format!("HGET {queue}:meta dead"));
        assert_eq!(dead, Some(1), "and is counted");
    }
    // Two beats of the redelivery timer: a fourth attempt would be due in the first.
    let mut metronome = world.subscriber(&Identity::new());
    let beat = Event::to(metronome.identity());
    world.publish(&beat);
    assert_eq!(metronome.next_event()["attempt"], 1);
    assert_eq!(metronome.next_event()["attempt"], 2);
    assert_eq!(metronome.next_event()["attempt"], 3);
    assert!(world.further_events(&mut daemon).is_empty(), "it is not tried a fourth time");
    daemon.leave();
    let mut back = Daemon::connect(&world.hub, &identity);
    assert!(world.further_events(&mut back).is_empty(), "nor on the next connection");
}

fn more_events_than_fit_the_window_follow_as_acknowledgements_come(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let events = Event::burst(&identity, 600);
    world.publish_all(&events);
    let unacknowledged: Vec<_> =
        (0..256).map(|_| daemon.next_event()["eventId"].as_str().unwrap().to_owned()).collect();
    assert!(daemon.roundtrip().is_empty(), "the window is full");
    for some in unacknowledged.chunks(100) {
        daemon.ack(&some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let rest = daemon.take_ids(events.len() - unacknowledged.len());
    let arrived: Vec<_> = unacknowledged.into_iter().chain(rest).collect();
    assert_eq!(arrived, crate::support::event::ids(&events), "each once, in order");
}

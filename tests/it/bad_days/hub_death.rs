//! The hub is killed (`kill -9`) and started again.

use crate::support::{
    event::{self, Event},
    identity::Identity,
    in_both_modes, publisher,
    world::Mode,
};

in_both_modes! {
    what_was_not_acknowledged_comes_again_in_order_after_the_hub_was_killed,
    what_was_accepted_for_an_absent_daemon_survives_the_hub,
}

fn what_was_not_acknowledged_comes_again_in_order_after_the_hub_was_killed(mode: Mode) {
    let mut world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let events = Event::burst(&identity, 20);
    world.publish_all(&events);
    let (acknowledged, kept): (Vec<_>, Vec<_>) =
        events.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    for event in &events {
        assert_eq!(daemon.next_event()["eventId"], event.id());
    }
    for (_, event) in acknowledged {
        daemon.ack(&[event.id()]);
    }
    world.wait_until_stored(&mut daemon);
    world.hub.kill();
    assert_eq!(daemon.expect_close().code, 1006);
    world.hub.restart();

    let mut back = world.come_online(&identity);
    for (_, event) in kept {
        let again = back.take_event();
        assert_eq!(again["eventId"], event.id());
        assert_eq!(again["redelivered"], true);
        assert!(again["attempt"].as_u64().unwrap() > 1, "{again}");
    }
    assert!(world.further_events(&mut back).is_empty());
}

fn what_was_accepted_for_an_absent_daemon_survives_the_hub(mode: Mode) {
    let mut world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 100);
    publisher::post(&world.hub, &events);
    world.hub.kill();
    world.hub.restart();

    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(events.len()), event::ids(&events), "the publisher was told so");
}

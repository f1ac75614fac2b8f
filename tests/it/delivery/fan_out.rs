//! Several daemons of one orchestrator.

use crate::support::{event::Event, identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    an_event_for_nobody_in_particular_reaches_every_daemon_of_its_orchestrator,
    an_event_for_one_instance_reaches_only_that_one,
    an_event_for_one_session_reaches_only_that_one,
    an_event_never_reaches_another_orchestrator,
    the_first_acknowledgement_completes_an_event_for_all_daemons,
}

fn an_event_for_nobody_in_particular_reaches_every_daemon_of_its_orchestrator(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemons = [identity.clone(), identity.sibling(), identity.sibling()]
        .map(|identity| world.subscriber(&identity));
    let event = Event::to(&identity);
    world.publish(&event);
    for daemon in &mut daemons {
        assert_eq!(daemon.next_event()["eventId"], event.id());
    }
}

fn an_event_for_one_instance_reaches_only_that_one(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let (mut meant, mut other) = (world.subscriber(&identity), world.subscriber(&identity.sibling()));
    let event = Event::to(&identity).for_daemon(&identity.daemon);
    world.publish(&event);
    assert_eq!(meant.take_event()["eventId"], event.id());
    assert!(world.further_events(&mut other).is_empty());
}

fn an_event_for_one_session_reaches_only_that_one(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let (mut meant, mut other) = (world.subscriber(&identity), world.subscriber(&identity.sibling()));
    let session = meant.session()["sessionId"].as_str().unwrap().to_owned();
    let event = Event::to(&identity).for_daemon(&session);
    world.publish(&event);
    assert_eq!(meant.take_event()["eventId"], event.id());
    assert!(world.further_events(&mut other).is_empty());
}

fn an_event_never_reaches_another_orchestrator(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut stranger = world.subscriber(&Identity::new());
    world.publish(&Event::to(&identity));
    world.publish(&Event::to(&identity).for_daemon(&stranger.identity().daemon.clone()));
    assert!(world.further_events(&mut stranger).is_empty());
}

fn the_first_acknowledgement_completes_an_event_for_all_daemons(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let sibling = identity.sibling();
    let (mut quick, mut slow) = (world.subscriber(&identity), world.subscriber(&sibling));
    let event = Event::to(&identity);
    world.publish(&event);
    assert_eq!(slow.next_event()["eventId"], event.id());
    assert_eq!(quick.take_event()["eventId"], event.id());
    world.wait_until_stored(&mut quick);
    slow.leave();

    let mut back = Daemon::connect(&world.hub, &sibling);
    assert!(world.further_events(&mut back).is_empty());
}

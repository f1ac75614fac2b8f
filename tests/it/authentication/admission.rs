//! How many connections an orchestrator has, and which one counts.

use crate::support::{event::Event, identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    connections_beyond_the_quota_are_refused_until_one_leaves,
    the_quota_of_one_orchestrator_is_not_the_quota_of_another,
    a_newer_connection_of_the_same_daemon_takes_over,
    events_go_to_the_newer_connection_after_a_take_over,
}

const QUOTA_OF_TWO: &[(&str, &str)] = &[("WS_MAX_CONNECTIONS_PER_VP", "2")];

fn connections_beyond_the_quota_are_refused_until_one_leaves(mode: Mode) {
    let world = mode.start_with(QUOTA_OF_TWO);
    let identity = Identity::new();
    let first = Daemon::connect(&world.hub, &identity);
    let mut second = Daemon::connect(&world.hub, &identity.sibling());

    let mut third = Daemon::open(&world.hub);
    third.auth(&identity.sibling());
    third.expect_refusal("MAX_CONNECTIONS", 4004);
    second.roundtrip();

    first.leave();
    let admitted = || {
        let mut late = Daemon::open(&world.hub);
        late.auth(&identity.sibling());
        late.next_frame()["type"] == "auth_success"
    };
    crate::support::eventually::eventually(admitted, "the place of the one that left is free");
}

fn the_quota_of_one_orchestrator_is_not_the_quota_of_another(mode: Mode) {
    let world = mode.start_with(QUOTA_OF_TWO);
    let identity = Identity::new();
    let mut connections: Vec<_> = [identity.clone(), identity.sibling(), Identity::new(), Identity::new()]
        .iter()
        .map(|identity| Daemon::connect(&world.hub, identity))
        .collect();
    for connection in &mut connections {
        connection.roundtrip();
    }
}

fn a_newer_connection_of_the_same_daemon_takes_over(mode: Mode) {
    let world = mode.start_with(QUOTA_OF_TWO);
    let identity = Identity::new();
    let _sibling = Daemon::connect(&world.hub, &identity.sibling());
    let mut older = Daemon::connect(&world.hub, &identity);
    let mut newer = Daemon::connect(&world.hub, &identity);
    assert_eq!(older.expect_close().code, 4006);
    newer.roundtrip();
}

fn events_go_to_the_newer_connection_after_a_take_over(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut older = world.subscriber(&identity);
    let mut newer = world.subscriber(&identity);
    assert_eq!(older.expect_close().code, 4006);

    let event = Event::to(&identity);
    world.publish(&event);
    assert_eq!(newer.take_event()["eventId"], event.id());
}

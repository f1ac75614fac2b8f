//! The hub is asked to stop (SIGTERM).

use std::time::Duration;

use crate::support::{event::Event, identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    a_stopping_hub_sends_every_daemon_away_politely_and_loses_nothing,
    a_hub_without_daemons_stops_at_once,
    an_impatient_operator_is_obeyed,
}

/// More than the hub's default drain timeout.
const ENOUGH: Duration = Duration::from_secs(20);

fn a_stopping_hub_sends_every_daemon_away_politely_and_loses_nothing(mode: Mode) {
    let mut world = mode.start();
    let identities = [Identity::new(), Identity::new(), Identity::new()];
    let mut daemons = identities.each_ref().map(|identity| world.subscriber(identity));
    let events = identities.each_ref().map(Event::to);
    world.publish_all(&events);
    for daemon in &mut daemons {
        daemon.next_event();
    }
    let mut silent = Daemon::open(&world.hub);

    world.hub.ask_to_stop();
    for daemon in &mut daemons {
        let frame = daemon.next_frame();
        assert_eq!(frame["type"], "reconnect", "{frame}");
        assert!(frame["payload"]["reason"].as_str().is_some_and(|text| !text.is_empty()), "{frame}");
        assert!(frame["payload"]["delay"].as_u64().unwrap() < 10_000, "{frame}");
        assert_eq!(daemon.expect_close().code, 1001);
    }
    assert_eq!(silent.expect_close().code, 1001, "one that has not authenticated goes too");
    assert_eq!(world.hub.exit_code(ENOUGH).0, Some(0));

    world.hub.restart();
    for (identity, event) in identities.iter().zip(&events) {
        let again = world.come_online(identity).take_event();
        assert_eq!(again["eventId"], event.id());
        assert_eq!(again["redelivered"], true);
    }
}

fn a_hub_without_daemons_stops_at_once(mode: Mode) {
    let mut world = mode.start();
    world.hub.ask_to_stop();
    let (code, after) = world.hub.exit_code(ENOUGH);
    assert_eq!(code, Some(0));
    assert!(after < Duration::from_secs(5), "it took {after:?}");
}

fn an_impatient_operator_is_obeyed(mode: Mode) {
    let mut world = mode.start();
    let _daemon = world.subscriber(&Identity::new());
    world.hub.ask_to_stop();
    world.hub.ask_to_stop();
    let (code, after) = world.hub.exit_code(ENOUGH);
    assert_eq!(code, Some(0));
    assert!(after < Duration::from_secs(5), "the second signal means now; it took {after:?}");
}

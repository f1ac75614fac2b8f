//! Signs of life, and their absence.

use chrono::{DateTime, TimeDelta};

use crate::support::{identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    a_heartbeat_is_answered_with_the_time_of_the_next_one,
    a_heartbeat_that_comes_too_early_is_told_when_to_come,
    a_daemon_that_misses_three_heartbeats_is_closed,
}

fn a_heartbeat_is_answered_with_the_time_of_the_next_one(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    let request = daemon.heartbeat();
    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "heartbeat_ack", "{frame}");
    assert_eq!(frame["replyTo"], request);

    let time = |name: &str| DateTime::parse_from_rfc3339(frame["payload"][name].as_str().unwrap()).unwrap();
    let interval = TimeDelta::milliseconds(daemon.session()["heartbeatIntervalMs"].as_i64().unwrap());
    let announced = time("nextHeartbeat") - time("serverTime");
    assert!((announced - interval).abs() <= TimeDelta::milliseconds(1), "{announced} is not {interval}");
}

fn a_heartbeat_that_comes_too_early_is_told_when_to_come(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.heartbeat();
    daemon.roundtrip();
    let early = daemon.heartbeat();
    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "rate_limit", "{frame}");
    assert_eq!(frame["replyTo"], early);
    assert_eq!(frame["payload"]["action"], "heartbeat");
    let seconds = frame["payload"]["retryAfter"].as_u64().unwrap();
    assert!((1..=10).contains(&seconds), "beats are at least 10 s apart: {frame}");
}

fn a_daemon_that_misses_three_heartbeats_is_closed(mode: Mode) {
    let world = mode.start_with(&[("WS_HEARTBEAT_INTERVAL", "300")]);
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    assert_eq!(daemon.expect_close().code, 4009);
}

//! A daemon that stops reading.

use std::time::{Duration, Instant};

use crate::support::{
    event::{self, Event, MESSAGE},
    eventually::eventually_within,
    identity::Identity,
    in_both_modes, metrics, settings,
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    a_daemon_that_stops_reading_costs_nobody_anything_and_loses_nothing,
}

/// Fewer than a queue holds, 20 MB together.
const FLOOD: usize = 900;
const EVENT_BYTES: usize = 22_000;
const MEGABYTE: u64 = 1_000_000;

fn a_daemon_that_stops_reading_costs_nobody_anything_and_loses_nothing(mode: Mode) {
    let world = mode.start_with(&[(settings::SLOW_CONSUMER_TIMEOUT_MS, "1000")]);
    let identity = Identity::new();
    let mut stalled = Daemon::open_with_small_buffer(&world.hub);
    stalled.authenticate(&identity);
    stalled.subscribe(&[MESSAGE]);
    let neighbour_identity = Identity::new();
    let mut neighbour = world.subscriber(&neighbour_identity);
    let flood: Vec<_> =
        Event::burst(&identity, FLOOD).into_iter().map(|event| event.sized(EVENT_BYTES)).collect();

    let before = world.hub.resident_bytes();
    for some in flood.chunks(30) {
        world.publish_all(some);
        let event = Event::to(&neighbour_identity);
        let since = Instant::now();
        world.publish(&event);
        assert_eq!(neighbour.take_event()["eventId"], event.id());
        assert!(since.elapsed() < Duration::from_secs(2), "the neighbour waited {:?}", since.elapsed());
        let growth = world.hub.resident_bytes().saturating_sub(before);
        assert!(growth < 60 * MEGABYTE, "the hub grew by {} MB", growth / MEGABYTE);
    }

    let only_the_neighbour_is_left =
        || metrics::total(&world.hub, "ws_connections_total", &["state=\"authenticated\""]) < 1.5;
    eventually_within(Duration::from_secs(20), only_the_neighbour_is_left, "the stalled one is cut off");
    // What had been sent before is still in its buffers; then comes the end.
    stalled.expect_close();
    neighbour.roundtrip();

    let mut back = Daemon::connect(&world.hub, &identity);
    let mut arrived = back.take_ids(FLOOD);
    let mut published = event::ids(&flood);
    arrived.sort_unstable();
    published.sort_unstable();
    assert_eq!(arrived, published, "each event once on the new connection");
}

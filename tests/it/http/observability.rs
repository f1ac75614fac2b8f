//! What probes and Prometheus see.

use crate::support::{
    event::Event, eventually::eventually, identity::Identity, in_both_modes, metrics, socket::Daemon,
    world::Mode,
};

in_both_modes! {
    the_probes_answer_without_credentials,
    connections_are_counted_while_they_live,
    events_and_their_latency_are_counted,
}

const AUTHENTICATED: &str = "state=\"authenticated\"";

fn the_probes_answer_without_credentials(mode: Mode) {
    let world = mode.start();
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(world.hub.get(path).status, 200, "{path}");
    }
    let metrics = world.hub.get("/metrics");
    assert!(metrics.headers["content-type"].starts_with("text/plain"), "{:?}", metrics.headers);
}

fn connections_are_counted_while_they_live(mode: Mode) {
    let world = mode.start();
    let count = || metrics::total(&world.hub, "ws_connections_total", &[AUTHENTICATED]);
    assert!(count() < 0.5);
    let daemons = [Identity::new(), Identity::new()].map(|who| Daemon::connect(&world.hub, &who));
    eventually(|| (count() - 2.0).abs() < 0.5, "both are counted");
    for daemon in daemons {
        daemon.leave();
    }
    eventually(|| count() < 0.5, "they are gone");
}

fn events_and_their_latency_are_counted(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    world.publish(&Event::to(&identity));
    daemon.take_event();

    let counted = || {
        metrics::total(&world.hub, "ws_events_total", &["type=", "status="]) >= 1.0
            && metrics::total(&world.hub, "ws_event_latency_seconds_count", &[]) >= 1.0
    };
    eventually(counted, "the event and its latency are counted");
    let samples = metrics::scrape(&world.hub);
    let mut bounds: Vec<_> = samples
        .iter()
        .filter(|sample| sample.name == "ws_event_latency_seconds_bucket")
        .filter_map(|sample| sample.labels.split("le=\"").nth(1)?.split('"').next())
        .collect();
    bounds.dedup();
    bounds.truncate(8);
    assert_eq!(bounds, ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "+Inf"]);
}

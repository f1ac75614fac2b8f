//! Events that were lost are announced to each daemon, once (delivery rule 9).

use serde_json::{Value, json};

use crate::support::{
    event::{Event, ids},
    eventually::eventually,
    identity::Identity,
    in_both_modes,
    metrics::total,
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    what_did_not_fit_into_the_queue_is_announced_once,
    what_nobody_lost_is_not_announced,
}

fn gap(daemon: &Daemon) -> &Value {
    &daemon.session()["gap"]
}

fn what_did_not_fit_into_the_queue_is_announced_once(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    assert_eq!(*gap(&daemon), Value::Null);
    daemon.roundtrip();
    daemon.leave();
    let events = Event::burst(&identity, 1007);
    world.publish_all(&events);
    eventually(
        || total(&world.hub, "hub_events_dropped_total", &["queue_full"]) >= 7.0,
        "the oldest made room",
    );

    let mut back = Daemon::connect(&world.hub, &identity);
    assert_eq!(*gap(&back), json!({ "count": 7, "reason": "dropped" }), "delivered and announced are all");
    assert_eq!(back.take_ids(1000), ids(&events[7..]));
    world.wait_until_stored(&mut back);
    back.leave();
    let again = Daemon::connect(&world.hub, &identity);
    assert_eq!(*gap(&again), Value::Null, "once is enough");
}

fn what_nobody_lost_is_not_announced(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    world.publish_all(&Event::burst(&identity, 1000));
    world.wait_until_queued(1000);
    let daemon = Daemon::connect(&world.hub, &identity);
    assert_eq!(*gap(&daemon), Value::Null);
}

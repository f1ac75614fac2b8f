//! How much a daemon may say.

use serde_json::json;

use crate::support::{event::Event, identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    messages_beyond_a_hundred_a_minute_are_dropped_and_say_so,
    acknowledging_delivered_events_is_not_limited,
}

fn messages_beyond_a_hundred_a_minute_are_dropped_and_say_so(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    for number in 0..110 {
        daemon.send_text(&json!({ "type": "ping", "id": number.to_string() }).to_string());
    }
    let answers: Vec<_> = (0..110).map(|_| daemon.next_frame()).collect();
    let answered = answers.iter().take_while(|frame| frame["type"] == "pong").count();
    assert!((99..=100).contains(&answered), "`auth` may count, nothing else does: {answered}");
    for frame in &answers[answered..] {
        assert_eq!(frame["type"], "rate_limit", "the frame was dropped: {frame}");
        let payload = &frame["payload"];
        assert_eq!(payload["action"], "message.send");
        assert_eq!(payload["maxRate"], 100);
        assert!(payload["currentRate"].as_u64().unwrap() >= 100, "{payload}");
        assert!((1..=60).contains(&payload["retryAfter"].as_u64().unwrap()), "{payload}");
    }
}

fn acknowledging_delivered_events_is_not_limited(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let events = Event::burst(&identity, 150);
    world.publish_all(&events);
    daemon.take_ids(events.len());
    assert!(daemon.roundtrip().is_empty(), "no frame was refused");
}

//! Frames that are none. Each is answered with the field that is wrong.

use serde_json::json;

use crate::support::{identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    a_malformed_frame_is_answered_with_the_field_that_is_wrong,
    three_undecodable_frames_in_a_row_end_the_connection,
    a_good_frame_between_undecodable_ones_forgives_them,
    a_fifty_first_subscription_is_refused_and_changes_nothing,
    a_subscription_without_the_scope_for_it_is_refused,
}

/// What is sent, and the field that the answer names.
const MALFORMED: &[(&str, &str)] = &[
    ("[]", "frame"),
    ("17", "frame"),
    (r#"{"type":"ping","type":"ping"}"#, "frame"),
    ("{}", "type"),
    (r#"{"type":5}"#, "type"),
    (r#"{"type":"nonsense"}"#, "type"),
    (r#"{"type":"req","method":"auth.connect"}"#, "type"),
    (r#"{"type":"ping","id":7}"#, "id"),
    (r#"{"type":"ping","id":""}"#, "id"),
    (r#"{"type":"ack","payload":[]}"#, "payload"),
    (r#"{"type":"ack"}"#, "payload"),
    (r#"{"type":"ack","payload":{}}"#, "eventIds"),
    (r#"{"type":"ack","payload":{"eventIds":[]}}"#, "eventIds"),
    (r#"{"type":"ack","payload":{"eventIds":"event_1"}}"#, "eventIds"),
    (r#"{"type":"ack","payload":{"eventIds":["a",3]}}"#, "eventIds[1]"),
    (r#"{"type":"subscribe","payload":{}}"#, "eventTypes"),
    (r#"{"type":"subscribe","payload":{"eventTypes":[]}}"#, "eventTypes"),
    (r#"{"type":"subscribe","payload":{"eventTypes":"*"}}"#, "eventTypes"),
    (r#"{"type":"subscribe","payload":{"eventTypes":["no-dot"]}}"#, "eventTypes[0]"),
    (r#"{"type":"subscribe","payload":{"eventTypes":["*"],"channelIds":7}}"#, "channelIds"),
    (r#"{"type":"unsubscribe","payload":{"eventTypes":[]}}"#, "eventTypes"),
    (r#"{"type":"heartbeat","payload":{"status":"asleep"}}"#, "status"),
    (r#"{"type":"heartbeat","payload":{"metrics":{"deep":{}}}}"#, "metrics.deep"),
    (r#"{"type":"auth","payload":{"daemonId":"d","orchestratorId":"v"}}"#, "accessToken"),
    (r#"{"type":"auth","payload":{"accessToken":"t","orchestratorId":"v"}}"#, "daemonId"),
    (r#"{"type":"auth","payload":{"accessToken":"t","daemonId":"d"}}"#, "orchestratorId"),
];

fn a_malformed_frame_is_answered_with_the_field_that_is_wrong(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    for (text, field) in MALFORMED {
        daemon.send_text(text);
        let frame = daemon.next_frame();
        assert_eq!(frame["type"], "error", "{text}: {frame}");
        assert_eq!(frame["payload"]["code"], "INVALID_MESSAGE", "{text}: {frame}");
        assert_eq!(frame["payload"]["details"]["field"], *field, "{text}: {frame}");
        assert!(frame["payload"]["details"]["error"].is_string(), "{text}: {frame}");
    }
    daemon.roundtrip();
}

fn three_undecodable_frames_in_a_row_end_the_connection(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    for text in ["{", "", "not json"] {
        daemon.send_text(text);
    }
    assert_eq!(daemon.expect_close().code, 1002);
}

fn a_good_frame_between_undecodable_ones_forgives_them(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    for _ in 0..3 {
        daemon.send_text("{");
        daemon.send_text("{");
        let answers = daemon.roundtrip();
        let codes: Vec<_> = answers.iter().map(|frame| &frame["payload"]["code"]).collect();
        assert_eq!(codes, ["INVALID_MESSAGE", "INVALID_MESSAGE"], "{answers:?}");
    }
}

fn a_fifty_first_subscription_is_refused_and_changes_nothing(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let more: Vec<_> = (0..50).map(|number| format!("type.number_{number}")).collect();
    daemon.send("subscribe", json!({ "eventTypes": more }));
    let frame = daemon.next_frame();
    assert_eq!(frame["payload"]["code"], "INVALID_MESSAGE", "{frame}");
    assert_eq!(frame["payload"]["details"]["field"], "eventTypes", "{frame}");

    let event = crate::support::event::Event::to(&identity);
    world.publish(&event.clone().set("id", format!("{}_x", event.id())).set("type", "type.number_1"));
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id(), "the old subscription holds, no new one does");
}

fn a_subscription_without_the_scope_for_it_is_refused(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new().with_claim("scopes", json!(["channels:read"]));
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "error", "{frame}");
    assert_eq!(frame["payload"]["code"], "INSUFFICIENT_SCOPE", "{frame}");
    daemon.subscribe(&["channel.joined"]);
}

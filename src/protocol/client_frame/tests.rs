use super::*;

fn field_of(text: &str) -> String {
    match decode(text) {
        Err(DecodeError::Invalid { field, .. }) => field,
        other => panic!("{text} gave {other:?}"),
    }
}

#[test]
fn the_frames_of_the_integration_example_are_understood() {
    let auth = r#"{"type":"auth","id":"1","timestamp":"t","payload":{"accessToken":"x","daemonId":"daemon_123","orchestratorId":"vp_456"}}"#;
    let frame = decode(auth).expect("a frame");
    assert_eq!(frame.id.as_deref(), Some("1"));
    assert!(
        matches!(frame.message, ClientMessage::Auth(Auth { ref access_token, .. }) if access_token == "x")
    );

    let beat = r#"{"type":"heartbeat","id":"2","timestamp":"t","payload":{"status":"active"}}"#;
    let idle = Heartbeat { status: ActivityStatus::Active, metrics: None };
    assert_eq!(decode(beat).expect("a frame").message, ClientMessage::Heartbeat(idle));

    let subscribe =
        r#"{"type":"subscribe","id":"3","timestamp":"t","payload":{"eventTypes":["message.received"]}}"#;
    assert!(matches!(
        decode(subscribe).expect("a frame").message,
        ClientMessage::Subscribe { ref patterns, ref channels } if patterns.len() == 1 && channels.is_empty()
    ));

    let ack = r#"{"type":"ack","id":"4","timestamp":"t","payload":{"eventIds":["event_1"]}}"#;
    assert!(matches!(
        decode(ack).expect("a frame").message,
        ClientMessage::Ack { ref event_ids, .. } if event_ids[0].as_str() == "event_1"
    ));
}

#[test]
fn id_and_timestamp_may_be_missing() {
    let frame = decode(r#"{"type":"ping"}"#).expect("a frame");
    assert_eq!(frame, ClientFrame { id: None, message: ClientMessage::Ping });
}

#[test]
fn the_short_auth_form_and_the_old_name_are_accepted() {
    let short = decode(r#"{"type":"auth","token":"x"}"#).expect("a frame");
    assert!(matches!(short.message, ClientMessage::Auth(Auth { daemon_id: None, .. })));
    let old = decode(r#"{"type":"auth","payload":{"accessToken":"x","daemonId":"d","vpId":"vp_1"}}"#);
    assert!(matches!(
        old.expect("a frame").message,
        ClientMessage::Auth(Auth { orchestrator_id: Some(ref id), .. }) if id.as_str() == "vp_1"
    ));
}

#[test]
fn what_is_no_json_is_told_from_what_is_no_frame() {
    assert!(matches!(decode("{"), Err(DecodeError::Undecodable(_))));
    assert!(matches!(decode(""), Err(DecodeError::Undecodable(_))));
    assert_eq!(field_of("[]"), "frame");
    assert_eq!(field_of("17"), "frame");
    assert_eq!(field_of("{}"), "type");
    assert_eq!(field_of(r#"{"type":5}"#), "type");
    assert_eq!(field_of(r#"{"type":"auth.connect"}"#), "type");
}

#[test]
fn the_field_that_is_wrong_is_named() {
    assert_eq!(field_of(r#"{"type":"ack","payload":[]}"#), "payload");
    assert_eq!(field_of(r#"{"type":"ack"}"#), "payload");
    assert_eq!(field_of(r#"{"type":"ack","payload":{}}"#), "eventIds");
    assert_eq!(field_of(r#"{"type":"ack","payload":{"eventIds":[]}}"#), "eventIds");
    assert_eq!(field_of(r#"{"type":"ack","payload":{"eventIds":["a",3]}}"#), "eventIds[1]");
    assert_eq!(field_of(r#"{"type":"ack","payload":{"eventIds":["a","b c"]}}"#), "eventIds[1]");
    assert_eq!(field_of(r#"{"type":"subscribe","payload":{"eventTypes":["nope"]}}"#), "eventTypes[0]");
    assert_eq!(field_of(r#"{"type":"subscribe","payload":{"eventTypes":"*"}}"#), "eventTypes");
    assert_eq!(
        field_of(r#"{"type":"subscribe","payload":{"eventTypes":["*"],"channelIds":7}}"#),
        "channelIds"
    );
    assert_eq!(field_of(r#"{"type":"heartbeat","payload":{"status":"asleep"}}"#), "status");
    assert_eq!(field_of(r#"{"type":"heartbeat","payload":{"metrics":{"a":{}}}}"#), "metrics.a");
    assert_eq!(field_of(r#"{"type":"auth","payload":{"accessToken":"x","daemonId":"d"}}"#), "orchestratorId");
    assert_eq!(field_of(r#"{"type":"auth","payload":{"daemonId":"d","vpId":"v"}}"#), "accessToken");
    assert_eq!(
        field_of(
            r#"{"type":"auth","payload":{"accessToken":"x","daemonId":"d","vpId":"a","orchestratorId":"b"}}"#
        ),
        "vpId"
    );
    assert_eq!(field_of(r#"{"type":"ping","id":""}"#), "id");
    assert_eq!(field_of(r#"{"type":"ping","id":7}"#), "id");
}

#[test]
fn an_invalid_frame_still_tells_its_id() {
    let error = decode(r#"{"type":"nonsense","id":"r1"}"#);
    assert!(matches!(error, Err(DecodeError::Invalid { request_id: Some(ref id), .. }) if id == "r1"));
}

#[test]
fn a_token_never_shows_in_debug_output() {
    let frame = decode(r#"{"type":"auth","token":"s3cret"}"#).expect("a frame");
    assert!(!format!("{frame:?}").contains("s3cret"));
}

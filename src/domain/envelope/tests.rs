use super::*;

fn parse_in(json: &str, context: &Context) -> Result<Published, EnvelopeError> {
    Published::parse(&Bytes::copy_from_slice(json.as_bytes()), context, Timestamp(1_000))
}

fn parse(json: &str) -> Result<Published, EnvelopeError> {
    parse_in(json, &Context::default())
}

#[test]
fn the_event_of_the_integration_example_is_understood() {
    let json = r#"{"id":"event_1_x","type":"message.received","daemonId":"","orchestratorId":"vp_1",
        "payload":{"content":"hi"},"timestamp":"2024-01-01T00:00:00.000Z","workspaceId":"ch_1",
        "channelId":"ch_1","requiresAck":true,"priority":1}"#;
    let event = parse(json).expect("an event").event;
    assert_eq!((event.id.as_str(), event.kind.as_str()), ("event_1_x", "message.received"));
    assert_eq!(event.orchestrator.as_str(), "vp_1");
    assert_eq!(event.daemon, None, "an empty daemonId means every daemon");
    assert_eq!(event.workspace, None, "a workspace that repeats the channel is ignored");
    assert_eq!(event.timestamp, Timestamp(1_704_067_200_000));
    assert_eq!((event.requires_ack, event.priority), (true, 1));
    assert_eq!(event.payload, r#"{"content":"hi"}"#);
    assert_eq!(event.body, json, "kept as received");
}

#[test]
fn every_generation_of_names_is_accepted() {
    let event = parse(r#"{"eventId":"e","eventType":"mention","vpId":"vp_1","data":{"a":1},"createdAt":17}"#)
        .expect("an event")
        .event;
    assert_eq!((event.id.as_str(), event.kind.as_str()), ("e", "mention"));
    assert_eq!((event.orchestrator.as_str(), event.timestamp), ("vp_1", Timestamp(17)));
    assert_eq!(event.payload, r#"{"a":1}"#);
}

#[test]
fn absent_fields_take_their_defaults() {
    let event = parse(r#"{"id":"e","type":"a.b","orchestratorId":"vp_1"}"#).expect("an event").event;
    assert_eq!((event.timestamp, event.requires_ack, event.priority), (Timestamp(1_000), false, 0));
    assert_eq!(event.payload, "{}");
}

#[test]
fn contradicting_spellings_are_refused() {
    let both = parse(r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","vpId":"vp_2"}"#);
    assert_eq!(both.err(), Some(EnvelopeError::Contradiction("orchestratorId", "vpId")));
}

#[test]
fn what_is_wrong_is_named() {
    let problem = |json: &str| parse(json).expect_err("refused").to_string();
    assert_eq!(problem(r#"{"type":"a.b","orchestratorId":"vp_1"}"#), "id is missing");
    assert_eq!(problem(r#"{"id":"e","orchestratorId":"vp_1"}"#), "type is missing");
    assert_eq!(problem(r#"{"id":"e","type":"a.b"}"#), "orchestratorId is missing");
    assert!(problem(r#"{"id":"e","type":"a b","orchestratorId":"v"}"#).starts_with("type must"));
    assert!(
        problem(r#"{"id":"e","type":"a.b","orchestratorId":"v","payload":[]}"#).starts_with("payload must")
    );
    assert!(
        problem(r#"{"id":"e","type":"a.b","orchestratorId":"v","timestamp":"soon"}"#)
            .starts_with("timestamp")
    );
    assert!(problem("[1]").starts_with("not an event"));
    assert!(problem("{").starts_with("not an event"));
}

#[test]
fn the_channel_that_it_came_by_names_the_organization() {
    let context = Context { organization: OrganizationId::parse("org_1").ok(), ..Context::default() };
    let json = r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","payload":{"k":1}}"#;
    let event = parse_in(json, &context).expect("an event").event;
    assert_eq!(event.organization, context.organization);
    let kept: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
    assert_eq!(kept["organizationId"], "org_1", "the kept event says so too");
    let other = r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","organizationId":"org_2"}"#;
    assert!(matches!(parse_in(other, &context), Err(EnvelopeError::Contradiction(..))));
}

#[test]
fn a_publisher_says_for_how_long_and_for_whom() {
    let json = r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","delivery":"any","ttlMs":500,
        "traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#;
    let event = parse(json).expect("an event").event;
    assert_eq!((event.audience, event.expires_at), (Audience::Any, Some(Timestamp(1_500))));
    assert!(event.traceparent.as_deref().is_some_and(|trace| trace.starts_with("00-4bf9")));
    let later = Event::from_body(&event.body, &event.orchestrator, Timestamp(9_000)).expect("an event");
    assert_eq!((later.expires_at, later.audience), (event.expires_at, Audience::Any), "whenever it is read");
    assert_eq!(later.traceparent, event.traceparent);
    let named = parse(r#"{"id":"e","type":"a.b","orchestratorId":"v","expiresAt":17}"#).expect("an event");
    assert_eq!(named.event.expires_at, Some(Timestamp(17)));
}

#[test]
fn what_is_wrong_with_expiry_and_audience_is_named() {
    let problem = |members: &str| {
        parse(&format!(r#"{{"id":"e","type":"a.b","orchestratorId":"v",{members}}}"#))
            .expect_err("refused")
            .to_string()
    };
    assert!(problem(r#""ttlMs":-1"#).starts_with("ttlMs"));
    assert!(problem(r#""expiresAt":"soon""#).starts_with("expiresAt"));
    assert!(problem(r#""expiresAt":1,"ttlMs":1"#).contains("contradict"));
    assert!(problem(r#""delivery":"most""#).starts_with("delivery"));
}

#[test]
fn the_original_routers_mistake_is_recognised() {
    let json = r#"{"id":"e","type":"message.received","daemonId":"d1","orchestratorId":"ch_1","payload":{"channelId":"ch_1"}}"#;
    assert!(parse(json).expect("an event").names_only_daemon);
    let nobody = r#"{"id":"e","type":"message.received","daemonId":"d1"}"#;
    assert!(parse(nobody).expect("an event").names_only_daemon);
    let plain = r#"{"id":"e","type":"message.received","daemonId":"d1","orchestratorId":"vp_1"}"#;
    assert!(!parse(plain).expect("an event").names_only_daemon);
}

#[test]
fn readdressing_changes_the_kept_event() {
    let mut event = parse(r#"{"id":"e","type":"a.b","orchestratorId":"user_1","payload":{"k":1}}"#)
        .expect("an event")
        .event;
    event.readdress(OrchestratorId::parse("vp_1").expect("an id")).expect("written");
    let again = Event::from_body(&event.body, &event.orchestrator, Timestamp(0)).expect("an event");
    assert_eq!(again.orchestrator.as_str(), "vp_1");
    assert_eq!(again.payload, r#"{"k":1}"#);
}

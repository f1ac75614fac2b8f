mod reading;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jsonschema::{Draft, Validator};

use super::*;
use crate::{
    domain::{
        clock::Timestamp,
        envelope::{Context, Published},
        gap::Gap,
        ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, SessionId},
        scope::{Scope, ScopeSet},
        subscription::{MAX_CHANNELS, MAX_SUBSCRIPTIONS, Subscriptions},
    },
    protocol::{
        client_frame::{ClientMessage, MAX_ACK_IDS, MAX_POSTPONEMENT, Wishes, decode},
        codes::{CloseReason, ErrorCode},
        event_frame::{Delivery, Sending, batch},
        server_frame::{AuthSuccess, Blocked, ServerMessage},
    },
};

fn schemas() -> Schemas {
    Schemas::load().expect("schemas")
}

fn ready(schema: &Value, draft: Draft) -> Validator {
    let options = jsonschema::options().with_draft(draft).should_validate_formats(true);
    options.build(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// A schema as it is served, and as AsyncAPI tools read it: they must mean the same.
fn dialects(name: &str) -> [Validator; 2] {
    let alone = schemas().complete(name).unwrap_or_else(|| panic!("{name}"));
    let component = json!({
        "allOf": [{ "$ref": format!("#/components/schemas/{name}") }],
        "components": { "schemas": schemas().components() },
    });
    [ready(&alone, Draft::Draft202012), ready(&component, Draft::Draft7)]
}

#[test]
fn every_schema_is_one_and_its_examples_are_good() {
    let schemas = schemas();
    for name in schemas.names() {
        let schema = schemas.complete(name).expect("a schema");
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        let examples = schema["examples"].as_array().expect("examples");
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            for validator in dialects(name) {
                let problem = validator.validate(example).err().map(|error| error.to_string());
                assert_eq!(problem, None, "{name}: {example}");
            }
            if name.starts_with("client.") {
                decode(&example.to_string()).expect("a frame");
            }
        }
    }
}

#[test]
fn everything_shared_is_used_and_everything_used_is_there() {
    let schemas = schemas();
    let mut used = BTreeSet::new();
    for name in schemas.named.keys() {
        let complete = schemas.complete(name).expect("a schema");
        let definitions = complete.get("$defs").and_then(Value::as_object);
        used.extend(definitions.into_iter().flat_map(Map::keys).cloned());
    }
    assert!(schemas.common.keys().all(|name| used.contains(name)), "{used:?}");
}

/// One of each, so that a new kind of frame cannot be forgotten here.
fn client_name(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Auth(_) => "client.auth",
        ClientMessage::Heartbeat(_) => "client.heartbeat",
        ClientMessage::Subscribe { .. } => "client.subscribe",
        ClientMessage::Unsubscribe { .. } => "client.unsubscribe",
        ClientMessage::Ack { .. } => "client.ack",
        ClientMessage::Nack { .. } => "client.nack",
        ClientMessage::Progress { .. } => "client.progress",
        ClientMessage::Flow { .. } => "client.flow",
        ClientMessage::Ping => "client.ping",
    }
}

fn server_name(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::AuthSuccess(_) => "server.auth_success",
        ServerMessage::AuthError { .. } => "server.auth_error",
        ServerMessage::HeartbeatAck { .. } => "server.heartbeat_ack",
        ServerMessage::AckOk { .. } => "server.ack_ok",
        ServerMessage::Error { .. } => "server.error",
        ServerMessage::RateLimit { .. } => "server.rate_limit",
        ServerMessage::Reconnect { .. } => "server.reconnect",
        ServerMessage::Pong => "server.pong",
    }
}

/// Refuses members that the schema does not name, at every level that names any.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && members.contains_key("required") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(strict);
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

#[track_caller]
fn assert_described(name: &str, text: &str) {
    let frame: Value = serde_json::from_str(text).expect("JSON");
    let mut schema = schemas().complete(name).expect("a schema");
    strict(&mut schema);
    let problem = ready(&schema, Draft::Draft202012).validate(&frame).err().map(|error| error.to_string());
    assert_eq!(problem, None, "{name}: {frame}");
}

#[test]
fn what_the_hub_says_is_described_to_the_last_member() {
    let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
    let mut messages = vec![
        ServerMessage::AuthSuccess(Box::new(AuthSuccess {
            session_id: SessionId::parse("daemon_session_vp_1_x").expect("an id"),
            scopes: Scope::ALL.iter().copied().collect::<ScopeSet>(),
            heartbeat_interval: Duration::from_secs(30),
            connection_id: ConnectionId::random(),
            daemon_id: DaemonId::parse("d").expect("an id"),
            orchestrator_id: orchestrator,
            expires_at: Timestamp(3_600_000),
            node_id: NodeId::parse("node_1").expect("an id"),
            wishes: Wishes { extended: true, batch: true, confirm: true, ..Wishes::default() },
            resumed: true,
            backlog: 1,
            gap: Some(Gap { dropped: 1, expired: 0 }),
            subscriptions: Subscriptions::default(),
            max_in_flight: 256,
            heartbeat_timeout: Duration::from_secs(90),
        })),
        ServerMessage::AckOk {
            ids: vec![EventId::parse("e1").expect("an id")],
            unknown: vec![EventId::parse("e2").expect("an id")],
        },
        ServerMessage::Reconnect { reason: "server_shutdown", delay: Duration::from_millis(250) },
        ServerMessage::Pong,
    ];
    for blocked in Blocked::ALL.into_iter().map(Some).chain([None]) {
        let next_heartbeat = Timestamp(30_000);
        messages.push(ServerMessage::HeartbeatAck { next_heartbeat, in_flight: 1, queued: 2, blocked });
    }
    for action in ["message.send", "heartbeat"] {
        let retry_after = Duration::from_millis(1);
        messages.push(ServerMessage::RateLimit { action, retry_after, current_rate: 2, max_rate: 1 });
    }
    for code in ErrorCode::ALL {
        let message = "eventIds: is required".to_owned();
        let goes_to = [(ServerMessage::AuthError { code, message: message.clone() }, "server.auth_error")]
            .into_iter()
            .chain([None, Some("eventIds".to_owned())].map(|field| {
                (ServerMessage::Error { code, message: message.clone(), field }, "server.error")
            }));
        let mut described = 0;
        for (message, name) in goes_to {
            let schema = schemas().complete(name).expect("a schema");
            let codes = schema.pointer("/properties/payload/properties/code/enum").expect("codes").clone();
            if codes.as_array().expect("codes").contains(&json!(code.as_str())) {
                described += 1;
                messages.push(message);
            }
        }
        assert!(described > 0, "{code:?} stands in no schema");
    }
    for message in &messages {
        let answers = !matches!(message, ServerMessage::Reconnect { .. });
        for reply_to in [None, answers.then_some("r1")] {
            assert_described(server_name(message), &message.encode(reply_to, Timestamp(0)));
        }
    }
}

#[test]
fn events_are_described_to_the_last_member() {
    let known = r#","channelId":"c","workspaceId":"w","priority":-9e99,"payload":{"a":[1]},"data":3"#;
    let added = r#","requiresAck":true,"ttlMs":5,"delivery":"any","traceparent":"00-4bf9-00f0-01""#;
    for more in ["", known, added] {
        let json = format!(r#"{{"id":"e","type":"a.b","orchestratorId":"v"{more}}}"#);
        let event =
            Published::parse(&Bytes::from(json), &Context::default(), Timestamp(0)).expect("an event");
        let delivery = Arc::new(Delivery::new(Arc::new(event.event)));
        for attempt in [1, 2] {
            let ack_deadline = Duration::from_secs(30);
            let sending = Sending { delivery: delivery.clone(), attempt, ack_deadline };
            assert_described("server.event", &sending.frame(Timestamp(0)));
            assert_described("server.batch", &batch(&[sending.clone(), sending], Timestamp(0)));
        }
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let limit = |name: &str, pointer: &str| schemas().get(name).and_then(|s| s.pointer(pointer).cloned());
    let payload = |member: &str| format!("/properties/payload/properties/{member}/maxItems");
    for name in ["client.ack", "client.nack", "client.progress"] {
        assert_eq!(limit(name, &payload("eventIds")), Some(json!(MAX_ACK_IDS)));
    }
    let longest = json!(MAX_POSTPONEMENT.as_millis());
    let most = |member: &str| format!("/properties/payload/properties/{member}/maximum");
    assert_eq!(limit("client.nack", &most("delayMs")), Some(longest.clone()));
    assert_eq!(limit("client.progress", &most("extendMs")), Some(longest));
    assert_eq!(limit("client.subscribe", &payload("eventTypes")), Some(json!(MAX_SUBSCRIPTIONS)));
    assert_eq!(limit("client.unsubscribe", &payload("eventTypes")), Some(json!(MAX_SUBSCRIPTIONS)));
    assert_eq!(limit("client.subscribe", &payload("channelIds")), Some(json!(MAX_CHANNELS)));
}

#[test]
fn no_code_is_forgotten() {
    for code in ErrorCode::ALL {
        // A new code fails to compile here: add it to the list of all as well.
        match code {
            ErrorCode::AuthFailed | ErrorCode::TokenExpired | ErrorCode::InsufficientScope => {}
            ErrorCode::MaxConnections | ErrorCode::InvalidMessage | ErrorCode::NotAuthenticated => {}
            ErrorCode::InternalError => {}
        }
    }
    let codes: Vec<u16> = CloseReason::ALL.into_iter().map(CloseReason::code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    let documented = include_str!("../../../docs/websocket.md");
    for (reason, code) in CloseReason::ALL.into_iter().zip(codes) {
        assert!(documented.contains(&format!("| {code} |")), "{reason}");
        match reason {
            CloseReason::Normal | CloseReason::GoingAway | CloseReason::ProtocolError => {}
            CloseReason::UnsupportedData | CloseReason::TooBig | CloseReason::Internal => {}
            CloseReason::AuthFailed | CloseReason::AuthTimeout | CloseReason::TokenExpired => {}
            CloseReason::RateLimited | CloseReason::MaxConnections => {}
            CloseReason::InsufficientScope | CloseReason::SessionTerminated => {}
            CloseReason::SlowConsumer | CloseReason::HeartbeatTimeout | CloseReason::Abnormal => {}
        }
    }
}

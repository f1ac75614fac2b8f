//! Presence, operational status and configuration (contract 1.13, 1.14, 1.19), and which scopes they
//! ask for (C33).

use serde_json::{Value, json};

use crate::support::{
    eventually::eventually,
    identity::Identity,
    platform::{Platform, Stand, on_both_stands},
    socket::Daemon,
};

fn put(platform: &Platform, what: &str, token: &str, body: &str) -> crate::support::http::Response {
    platform.hub.call("PUT", &format!("/api/daemon/{what}")).bearer(token).text(body).send()
}

fn a_wrong_word_is_answered_with_the_right_ones(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    for (what, words, text) in [
        ("presence", "online, away, busy, offline", "statusText"),
        ("status", "active, paused, error", "message"),
    ] {
        let sentence = format!("Invalid status. Must be one of: {words}");
        let first = words.split(',').next().unwrap();
        for body in [
            json!({}),
            json!([]),
            json!({ "status": "asleep" }),
            json!({ "status": first.to_uppercase() }),
            json!({ "status": first, text: 17 }),
            json!({ "status": first, text: null }),
            json!({ "status": first, text: "x".repeat(1001) }),
        ] {
            let response = put(&platform, what, &token, &body.to_string());
            response.assert_json_error(400);
            let refused = response.json();
            assert_eq!(refused["code"], "VALIDATION_ERROR", "{refused}");
            assert_eq!(refused["error"], json!(sentence), "flat: {refused}");
        }
        assert_eq!(put(&platform, what, &token, "{").json()["error"], "Invalid JSON body");
        let unknown = platform.hub.call("PUT", &format!("/api/daemon/{what}")).json(&json!({}));
        unknown.refused(401, "UNAUTHORIZED");
    }
}

fn listeners_are_told_what_a_daemon_says_of_itself(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let identity = Identity::new().claiming(orchestrator.id.clone()).with_token(token.clone());
    let mut socket = Daemon::connect(&platform.hub, &identity);
    socket.subscribe(&["presence.updated"]);
    let body = json!({ "status": "away", "statusText": "out" });
    assert_eq!(put(&platform, "presence", &token, &body.to_string()).json(), json!({ "success": true }));
    let event = socket.next_event();
    assert_eq!(event["eventType"], "presence.updated");
    assert_eq!(event["data"]["status"], "away", "{event}");
    assert_eq!(event["data"]["statusText"], "out", "{event}");
}

/// What other programs read (contract 6.1).
#[test]
fn presence_and_status_are_written_down_in_the_documented_layout() {
    let platform = Stand::Servers.start();
    let redis = platform.redis.as_ref().unwrap();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let (id, token) = (&orchestrator.id, login["accessToken"].as_str().unwrap());
    let read = |key: &str, most: i64| -> Value {
        let ttl: i64 = redis.command(&format!("TTL {key}"));
        assert!((most - 10..=most).contains(&ttl), "{key}: {ttl}");
        serde_json::from_str(&redis.command::<String>(&format!("GET {key}"))).unwrap()
    };
    // An old revision wrote a string where later ones keep a hash (contract C32).
    let _: String = redis.command(&format!("SET presence:vp:{id} old"));
    put(&platform, "presence", token, r#"{"status":"busy"}"#);
    let presence = read(&format!("presence:orchestrator:{id}"), 300);
    assert_eq!((&presence["status"], &presence["statusText"]), (&json!("busy"), &Value::Null));
    assert_eq!(presence["daemonId"], login["sessionId"]);
    assert_eq!(redis.command::<String>(&format!("HGET presence:vp:{id} status")), "BUSY");
    put(&platform, "status", token, r#"{"status":"paused","message":"lunch"}"#);
    let status = read(&format!("daemon:status:{id}"), 600);
    assert_eq!((&status["status"], &status["message"]), (&json!("paused"), &json!("lunch")));
    assert_eq!(status["daemonId"], login["sessionId"]);
    put(&platform, "status", token, r#"{"status":"active"}"#);
    assert_eq!(read(&format!("daemon:status:{id}"), 600).get("message"), Some(&Value::Null));
}

/// B22: what an orchestrator can do is not where its status is kept.
fn a_status_leaves_the_capabilities_alone(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    for capabilities in [json!(["calls", "files"]), json!({ "charter": { "goal": "tests" } })] {
        let orchestrator = organization.orchestrator_with(capabilities.clone());
        let token = orchestrator.token();
        put(&platform, "status", &token, r#"{"status":"error","message":"disk full"}"#);
        let account = || platform.database.orchestrator(&orchestrator.id, None).unwrap().unwrap();
        eventually(|| account().status == "OFFLINE", "the status is written");
        assert_eq!(account().capabilities, capabilities);
        let config = platform.hub.call("GET", "/api/daemon/config").bearer(&token).expect(200);
        assert_eq!(config["capabilities"], capabilities);
    }
}

/// Two generations of answers in one (contract C25).
fn the_configuration_serves_both_generations(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator_with(json!(["calls"]));
    let token = orchestrator.token_for(&["vp:config", "calls:join"]);
    let config = platform.hub.call("GET", "/api/daemon/config").bearer(&token).expect(200);
    assert_eq!(
        (&config["orchestratorId"], &config["vpId"]),
        (&json!(orchestrator.id), &json!(orchestrator.id))
    );
    assert_eq!(config["workspaceId"], json!(organization.workspace));
    assert_eq!(config["scopes"], json!(["calls:join", "vp:config"]));
    let features = json!({ "messaging": true, "presence": true, "calls": true, "fileAccess": false });
    assert_eq!(config["features"], features);
    let settings = json!({
        "maxConcurrentConnections": 5, "heartbeatIntervalMs": 30000, "messageRateLimitPerMinute": 60,
        "autoReconnect": true, "logLevel": "info",
    });
    assert_eq!(config["settings"], settings);
    let operational = json!({
        "heartbeatIntervalMs": 30000, "reconnectDelayMs": 5000, "maxReconnectAttempts": 10,
        "messageRateLimitPerMinute": 60, "idleTimeoutMs": 300_000,
    });
    assert_eq!(config["operationalConfig"], operational);
    for (name, endpoint) in config["endpoints"].as_object().unwrap() {
        assert_eq!(*endpoint, json!(format!("/api/daemon/{name}")));
    }
    for name in ["createdAt", "updatedAt"] {
        assert!(config["orchestrator"][name].is_string(), "{name}");
    }
    assert_eq!((&config["user"]["id"], &config["charter"]), (&json!(orchestrator.user), &Value::Null));
    let unknown = platform.hub.call("GET", "/api/daemon/config").refused(401, "UNAUTHORIZED");
    assert!(unknown["error"].is_string());
    let stranger = Identity::new();
    platform
        .hub
        .call("GET", "/api/daemon/config")
        .bearer(&stranger.token)
        .refused(404, "ORCHESTRATOR_NOT_FOUND");
}

/// Clients of the first document ask for two scopes and then call everything (contract C33).
fn only_a_strict_hub_asks_for_each_scope(stand: Stand) {
    let calls = [
        ("PUT", "presence", json!({ "status": "online" }), "presence:write"),
        ("PUT", "status", json!({ "status": "active" }), "vp:status"),
        ("GET", "config", json!({}), "vp:config"),
        ("GET", "channels", json!({}), "channels:read"),
    ];
    for strict in [false, true] {
        let platform = stand.start_with(&[("HUB_AUTH_STRICT_SCOPES", if strict { "true" } else { "false" })]);
        let organization = platform.organization();
        let orchestrator = organization.orchestrator();
        let token = orchestrator.token_for(&["messages:read", "messages:write"]);
        for (method, what, body, scope) in &calls {
            let call = |token: &str| {
                let call = platform.hub.call(method, &format!("/api/daemon/{what}")).bearer(token);
                if *method == "PUT" { call.json(body) } else { call }
            };
            if strict {
                call(&token).refused(403, "INSUFFICIENT_SCOPE");
                call(&orchestrator.token_for(&[scope])).expect(200);
            } else {
                call(&token).expect(200);
            }
        }
    }
}

on_both_stands!(
    a_wrong_word_is_answered_with_the_right_ones,
    listeners_are_told_what_a_daemon_says_of_itself,
    a_status_leaves_the_capabilities_alone,
    the_configuration_serves_both_generations,
    only_a_strict_hub_asks_for_each_scope,
);

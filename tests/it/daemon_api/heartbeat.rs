//! A daemon's sign of life over HTTP (contract 1.2, 1.10), and what it says of itself beside it
//! (1.13, 1.14).

use neolith_hub::domain::clock::now;
use serde_json::{Value, json};

use crate::support::{
    call::Call,
    eventually::eventually,
    platform::{Orchestrator, Platform, Stand, on_both_stands},
    redis::RedisServer,
};

fn beat<'a>(platform: &'a Platform, token: &str, body: &Value) -> Call<'a> {
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(token).json(body)
}

fn own(platform: &Platform, token: &str) -> Value {
    platform.hub.call("GET", "/api/daemon").bearer(token).expect(200)["data"].clone()
}

fn status_of(platform: &Platform, orchestrator: &Orchestrator<'_>) -> String {
    platform.database.orchestrator(&orchestrator.id, None).unwrap().unwrap().status
}

fn json_at(redis: &RedisServer, key: &str) -> Value {
    serde_json::from_str(&redis.command::<String>(&format!("GET {key}"))).unwrap()
}

fn a_heartbeat_is_answered_for_every_generation_of_clients(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    assert_eq!(own(&platform, &token)["status"], "offline", "before the first");
    // A key in the body is ignored beside a good token (contract C6).
    let body = json!({
        "orchestratorId": orchestrator.id, "apiKey": "gns_whatever",
        "metrics": { "cpuUsage": 1, "memoryUsage": 2, "activeConnections": 3, "messageQueueSize": 4 },
    });
    let answer = beat(&platform, &token, &body).expect(200);
    let (at, next) = (&answer["serverTime"], &answer["nextHeartbeat"]);
    let expected = json!({
        "success": true, "serverTime": at, "nextHeartbeat": next, "heartbeatIntervalMs": 30000,
        "data": {
            "orchestratorId": orchestrator.id, "vpId": orchestrator.id, "timestamp": at, "received": true,
            "nextExpectedAt": next,
        },
    });
    assert_eq!(answer, expected);
    let own = own(&platform, &token);
    assert_eq!((&own["status"], &own["lastHeartbeat"]), (&json!("online"), at));
    assert_eq!(own["session"]["id"], own["daemonId"]);
}

/// What is sent stays, and the documented name is there beside it (contract C21).
fn metrics_of_every_generation_are_kept_under_the_documented_names(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let sent = json!({
        "memoryUsageBytes": 268_435_456, "cpuUsage": 15.5, "errors": 2, "messageQueueSize": 3, "uptime": 60,
        "totalMessagesProcessed": 9, "lastTaskCompletedAt": "yesterday", "mine": "too",
        "custom": { "depth": 1 },
    });
    beat(&platform, &token, &json!({ "metrics": sent })).expect(200);
    let metrics = own(&platform, &token)["metrics"].clone();
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(metrics[name], *value, "{name} stays");
    }
    let derived = [
        ("memoryUsageMB", json!(256.0)),
        ("cpuUsagePercent", json!(15.5)),
        ("errorsCount", json!(2)),
        ("queueDepth", json!(3)),
        ("uptimeSeconds", json!(60)),
        ("messagesProcessed", json!(9)),
    ];
    for (name, value) in derived {
        assert_eq!(metrics[name], value, "{name}");
    }
}

fn what_is_no_heartbeat_is_refused_and_what_is_no_json_counts(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, other) = (organization.orchestrator(), organization.orchestrator());
    let token = orchestrator.token();
    let many: serde_json::Map<String, Value> = (0..65).map(|n| (format!("m{n}"), json!(n))).collect();
    for body in [
        json!({ "status": "asleep" }),
        json!({ "status": null }),
        json!({ "metrics": [] }),
        json!({ "metrics": { "nested": { "deeper": 1 } } }),
        json!({ "metrics": { "list": [1] } }),
        json!({ "metrics": many }),
        json!({ "metrics": { "long": "x".repeat(4096) } }),
        json!({ "sessionId": 17 }),
    ] {
        let refused = beat(&platform, &token, &body).refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["error"], "Invalid heartbeat data", "flat: {refused}");
    }
    for name in ["orchestratorId", "vpId"] {
        beat(&platform, &token, &json!({ name: other.id })).refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(own(&platform, &token)["status"], "offline", "none of them counted");
    for text in ["", "{", "[]", "null", "\"text\"", &"[".repeat(100_000)] {
        let call = platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token);
        call.text(text).expect(200);
    }
    assert_eq!(own(&platform, &token)["status"], "online");
    let without = platform.hub.call("POST", "/api/daemon/heartbeat").text("{}").refused(401, "UNAUTHORIZED");
    assert_eq!(without["error"], "Unauthorized");
}

/// B14: whoever names somebody else's session changes nothing of it, nor its end.
fn a_heartbeat_is_noted_in_the_own_session_only(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, other) = (organization.orchestrator(), organization.orchestrator());
    let token = orchestrator.token();
    let theirs = other.login();
    let list = |token: &str| platform.hub.call("GET", "/api/daemon/sessions").bearer(token).expect(200);
    let their_token = theirs["accessToken"].as_str().unwrap();
    let before = list(their_token);
    beat(&platform, &token, &json!({ "sessionId": theirs["sessionId"], "status": "busy" })).expect(200);
    assert_eq!(list(their_token), before);

    let open = json!({
        "orchestratorId": orchestrator.id, "type": "daemon", "timeoutSeconds": 120,
        "metadata": { "exact": 1_234_567_890_123_456_789_i64, "empty": [], "object": {}, "none": null },
    });
    let opened = platform.hub.call("POST", "/api/daemon/sessions").bearer(&token).json(&open).expect(201);
    let opened = &opened["session"];
    for (activity, status) in [("idle", "idle"), ("busy", "active")] {
        let answer =
            beat(&platform, &token, &json!({ "sessionId": opened["id"], "status": activity })).expect(200);
        let sessions = list(&token)["sessions"].clone();
        let noted = sessions.as_array().unwrap().iter().find(|one| one["id"] == opened["id"]).unwrap();
        assert_eq!((&noted["lastStatus"], &noted["status"]), (&json!(activity), &json!(status)));
        assert_eq!(noted["lastHeartbeat"], answer["serverTime"]);
        assert_eq!(noted["expiresAt"], opened["expiresAt"], "it lives no longer");
        assert_eq!(noted["metadata"], opened["metadata"], "nothing else changes");
    }
    if let Some(redis) = &platform.redis {
        let ttl: i64 = redis.command(&format!("TTL daemon:session:{}", opened["id"].as_str().unwrap()));
        assert!(ttl <= 120, "{ttl}");
    }
}

/// What other programs read (contract 6.1).
#[test]
fn a_heartbeat_is_written_down_in_the_documented_layout() {
    let platform = Stand::Servers.start();
    let redis = platform.redis.as_ref().unwrap();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let (id, token) = (&orchestrator.id, login["accessToken"].as_str().unwrap());
    let answer =
        beat(&platform, token, &json!({ "status": "idle", "metrics": { "queueDepth": 0 } })).expect(200);
    let record = json_at(redis, &format!("daemon:heartbeat:{id}"));
    let expected = json!({
        "orchestratorId": id, "vpId": id, "daemonId": login["sessionId"], "sessionId": login["sessionId"],
        "status": "idle", "metrics": { "queueDepth": 0 }, "receivedAt": answer["serverTime"],
        "organizationId": organization.id,
    });
    assert_eq!(record, expected);
    let lives = |key: &str, most: i64| {
        let ttl: i64 = redis.command(&format!("TTL {key}"));
        assert!((most - 10..=most).contains(&ttl), "{key}: {ttl}");
    };
    lives(&format!("daemon:heartbeat:{id}"), 90);
    lives(&format!("daemon:metrics:{id}"), 86_400);
    lives(&format!("presence:heartbeat:vp:{id}"), 60);
    lives(&format!("routing:session:{id}"), 3600);
    let routing = json_at(redis, &format!("routing:session:{id}"));
    assert_eq!((&routing["sessionId"], &routing["status"]), (&login["sessionId"], &json!("active")));
    let sample: Vec<String> = redis.command(&format!("LRANGE daemon:metrics:{id} 0 -1"));
    let sample: Value = serde_json::from_str(&sample[0]).unwrap();
    assert_eq!(sample, json!({ "queueDepth": 0, "timestamp": answer["serverTime"] }));
    beat(&platform, token, &json!({})).expect(200);
    assert_eq!(json_at(redis, &format!("daemon:heartbeat:{id}"))["metrics"], json!({}), "always an object");
    for _ in 0..105 {
        beat(&platform, token, &json!({ "metrics": { "queueDepth": 1 } })).expect(200);
    }
    assert_eq!(redis.command::<i64>(&format!("LLEN daemon:metrics:{id}")), 100);
}

/// B15: the accounts are written when the status changes, and only then.
fn the_accounts_are_written_only_when_the_status_changes(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, marker) = (organization.orchestrator(), organization.orchestrator());
    let (token, marking) = (orchestrator.token(), marker.token());
    let account = || platform.database.orchestrator(&orchestrator.id, None).unwrap().unwrap();
    for (activity, status) in [("idle", "AWAY"), ("busy", "BUSY"), ("active", "ONLINE")] {
        beat(&platform, &token, &json!({ "status": activity })).expect(200);
        eventually(|| account().status == status, activity);
    }
    let before = account().updated_at;
    for _ in 0..20 {
        beat(&platform, &token, &json!({ "status": "active" })).expect(200);
    }
    // What was noted before this is written before it.
    beat(&platform, &marking, &json!({ "status": "busy" })).expect(200);
    eventually(|| status_of(&platform, &marker) == "BUSY", "the marker is written");
    assert_eq!(account().updated_at, before);
}

/// B15, C20: what a daemon says on purpose holds against its heartbeats.
fn a_heartbeat_does_not_overwrite_what_was_said_on_purpose(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let say = |token: &str, what: &str, body: &Value| {
        let call = platform.hub.call("PUT", &format!("/api/daemon/{what}")).bearer(token).json(body);
        assert_eq!(call.expect(200), json!({ "success": true }));
    };
    let said = [
        ("status", json!({ "status": "paused", "message": "lunch" }), "AWAY"),
        ("status", json!({ "status": "error" }), "OFFLINE"),
        ("presence", json!({ "status": "away", "statusText": "out" }), "AWAY"),
        ("presence", json!({ "status": "busy" }), "BUSY"),
        ("presence", json!({ "status": "offline" }), "OFFLINE"),
    ];
    let marker = organization.orchestrator();
    let marking = marker.token();
    let mut orchestrators = Vec::new();
    for (what, body, becomes) in &said {
        let orchestrator = organization.orchestrator();
        let token = orchestrator.token();
        say(&token, what, body);
        eventually(|| status_of(&platform, &orchestrator) == *becomes, &format!("{body}"));
        beat(&platform, &token, &json!({ "status": "active" })).expect(200);
        orchestrators.push((orchestrator, token));
    }
    beat(&platform, &marking, &json!({ "status": "idle" })).expect(200);
    eventually(|| status_of(&platform, &marker) == "AWAY", "the marker is written");
    for ((orchestrator, token), (_, body, becomes)) in orchestrators.iter().zip(&said) {
        assert_eq!(status_of(&platform, orchestrator), *becomes, "{body}");
        // B21, B22: nobody else's account is touched, and nobody is locked out.
        let user = platform.database.user(&orchestrator.user, None).unwrap().unwrap();
        assert_eq!(user.status, "ACTIVE", "{body}");
        orchestrator.login();
        assert_eq!(own(&platform, token)["status"], "online", "the heartbeat counts all the same");
    }
    let (orchestrator, token) = &orchestrators[0];
    say(token, "status", &json!({ "status": "active" }));
    eventually(|| status_of(&platform, orchestrator) == "ONLINE", "what is said later counts");
}

/// The token outlives the orchestrator; its heartbeats do not.
fn a_heartbeat_for_nobody_is_refused(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (disabled, deleted) = (organization.orchestrator(), organization.orchestrator());
    let tokens = [disabled.token(), deleted.token()];
    let at = now().wall;
    platform.database.set_orchestrator_disabled(&disabled.id, true, None, at).unwrap();
    platform.database.delete_orchestrator(&deleted.id, None, at).unwrap();
    for token in &tokens {
        beat(&platform, token, &json!({})).refused(401, "UNAUTHORIZED");
        assert_eq!(own(&platform, token)["status"], "offline");
    }
}

on_both_stands!(
    a_heartbeat_is_answered_for_every_generation_of_clients,
    metrics_of_every_generation_are_kept_under_the_documented_names,
    what_is_no_heartbeat_is_refused_and_what_is_no_json_counts,
    a_heartbeat_is_noted_in_the_own_session_only,
    the_accounts_are_written_only_when_the_status_changes,
    a_heartbeat_does_not_overwrite_what_was_said_on_purpose,
    a_heartbeat_for_nobody_is_refused,
);

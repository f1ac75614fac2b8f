//! How much, how deep and how often (contract 1.0).

use serde_json::{Value, json};

use crate::support::{
    call::Call,
    platform::{Platform, Stand, on_both_stands},
};

const MEBIBYTE: usize = 1024 * 1024;

/// Every route that reads a body, and whether its callers read a nested error.
const BODIES: [(&str, &str, bool); 9] = [
    ("POST", "/api/daemon", true),
    ("POST", "/api/daemon/sessions", true),
    ("PATCH", "/api/daemon/sessions", true),
    ("POST", "/api/daemon/register", true),
    ("POST", "/api/daemon/unregister", true),
    ("POST", "/api/daemon/auth", false),
    ("POST", "/api/daemon/auth/refresh", false),
    ("PUT", "/api/daemon/presence", false),
    ("PUT", "/api/daemon/status", false),
];

fn a_body_of_one_byte_too_many_is_refused(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let long = " ".repeat(MEBIBYTE + 1);
    for (method, path, nested) in BODIES {
        let refused =
            platform.hub.call(method, path).bearer(&token).text(&long).refused(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(refused["error"].is_object(), nested, "{path}");
    }
    let heartbeat = |text: &str| platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).text(text);
    heartbeat(&format!("{{}}{}", " ".repeat(MEBIBYTE - 2))).expect(200);
    heartbeat(&long).refused(413, "PAYLOAD_TOO_LARGE");
}

/// Whatever a body is, the answer is about the body.
fn bodies_that_nobody_meant_are_refused(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let deep = format!("{}1{}", "{\"a\":[".repeat(50_000), "]}".repeat(50_000));
    let list = format!("[{}1]", "1,".repeat(500_000));
    let nul = r#"{"status":"online","statusText":"a\u0000b","sessionId":"\u0000","type":"user"}"#;
    for (method, path, nested) in BODIES {
        for text in ["", "{", "{'a':1}", "\u{feff}{}", "NaN", r#"{"a":"\ud800"}"#, &deep, &list, nul] {
            let call = platform.hub.call(method, path).text(text);
            // Those that need no token would take it for a refresh token.
            let response = if path.contains("auth") { call } else { call.bearer(&token) }.send();
            response.assert_json_error(400);
            assert_eq!(response.json()["error"].is_object(), nested, "{path}: {response:?}");
        }
        let bearer = format!("authorization: Bearer {token}");
        let answer =
            platform.hub.raw(&[&format!("{method} {path} HTTP/1.1"), &bearer], b"{\"a\":\"\xff\xfe\"}");
        assert_eq!(answer.status, 400, "invalid UTF-8: {answer:?}");
    }
}

/// An answer that names every problem must not be many times longer than the question.
fn a_body_full_of_problems_gets_a_short_answer(stand: Stand) {
    let platform = stand.start();
    let problems = format!("[{}1]", "1,".repeat(400_000));
    let body = format!(r#"{{"apiKey":"k","apiSecret":"s","scopes":{problems}}}"#);
    let response = platform.hub.call("POST", "/api/daemon/auth").text(&body).send();
    response.assert_json_error(400);
    assert!(response.body.len() < 8192, "{} bytes", response.body.len());
    let names: Vec<String> = (0..50_000).map(|n| format!("\"n{n}\":1")).collect();
    let body = format!("{{{}}}", names.join(","));
    let response = platform.hub.call("POST", "/api/daemon").text(&body).send();
    response.assert_json_error(400);
    assert!(response.body.len() < 8192, "{} bytes", response.body.len());
}

/// JSON has no rule for a name that comes twice; the last one counts, as in every client's library.
fn of_a_name_that_comes_twice_the_last_counts(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let open = |body: String| platform.hub.call("POST", "/api/daemon/sessions").bearer(&token).text(&body);
    let (own, other) = (&orchestrator.id, "another");
    open(format!(r#"{{"type":"user","vpId":"{other}","vpId":"{own}"}}"#)).expect(201);
    open(format!(r#"{{"type":"user","vpId":"{own}","vpId":"{other}"}}"#)).refused(403, "FORBIDDEN");
    let body = format!(r#"{{"type":"user","vpId":"{own}","orchestratorId":"{other}"}}"#);
    open(body).refused(400, "VALIDATION_ERROR");
}

/// PostgreSQL takes no NUL in a text; whoever sends one hears of it from the hub.
fn nul_is_refused_wherever_it_comes(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let call = |method: &str, path: &str| platform.hub.call(method, &format!("/api/daemon{path}"));
    let mut registration = orchestrator.registration("one");
    registration["daemonInfo"]["host"] = json!("a\u{0}b");
    let mut named = orchestrator.registration("one");
    named["daemonInfo"]["metadata"] = json!({ "a\u{0}b": [{ "deep": 1 }] });
    let refused: Vec<Call<'_>> = vec![
        call("POST", "").json(&registration),
        call("POST", "").json(&named),
        call("POST", "/auth").json(&json!({ "apiKey": "a\u{0}", "apiSecret": "s" })),
        call("POST", "/unregister").json(&json!({ "vpId": "a\u{0}", "apiKey": "k" })),
        call("PUT", "/presence").bearer(&token).json(&json!({ "status": "online", "statusText": "\u{0}" })),
        call("PUT", "/status").bearer(&token).json(&json!({ "status": "paused", "message": "\u{0}" })),
        call("GET", "/health/vp%00_1").operator(),
        call("DELETE", "/sessions?sessionId=a%00b").bearer(&token),
        call("GET", "/messages?channelId=a%00b").bearer(&token),
        call("POST", "/channels/a%00b/join").bearer(&token),
    ];
    for call in refused {
        call.send().assert_json_error(400);
    }
    // An escaped escape is a text like any other.
    call("GET", "/health/vp%2500_1").operator().refused(404, "ORCHESTRATOR_NOT_FOUND");
}

#[track_caller]
fn assert_limited(call: Call<'_>, nested: bool) {
    let response = call.send();
    response.assert_json_error(429);
    let body = response.json();
    assert_eq!(body["code"], "RATE_LIMITED", "{body}");
    assert_eq!(body["error"].is_object(), nested, "{body}");
    let wait: u64 = response.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&wait), "in seconds: {wait}");
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
}

fn an_address_that_asks_too_often_is_told_when_to_come_back(stand: Stand) {
    let platform = stand.start_with(&[("HUB_LIMITS_REQUESTS_PER_ADDRESS", "3")]);
    for _ in 0..3 {
        platform.hub.call("GET", "/api/daemon").refused(401, "UNAUTHORIZED");
    }
    assert_limited(platform.hub.call("GET", "/api/daemon"), true);
    assert_limited(platform.hub.call("GET", "/api/daemon/config"), false);
    assert_limited(platform.hub.call("GET", "/api/nowhere"), false);
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(platform.hub.get(path).status, 200, "machines that watch are never refused: {path}");
    }
}

fn a_session_that_asks_too_often_stops_no_other(stand: Stand) {
    let platform = stand.start_with(&[("HUB_LIMITS_REQUESTS_PER_CREDENTIAL", "3")]);
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let own = |token: &str| platform.hub.call("GET", "/api/daemon").bearer(token);
    own(token).expect(200);
    // Another token of the same session counts with it.
    let refresh = json!({ "refreshToken": login["refreshToken"] });
    let refreshed: Value = platform.hub.call("POST", "/api/daemon/auth/refresh").json(&refresh).expect(200);
    let renewed = refreshed["accessToken"].as_str().unwrap();
    own(renewed).expect(200);
    own(token).expect(200);
    assert_limited(own(renewed), true);
    own(&orchestrator.token()).expect(200);
}

fn logins_have_a_limit_of_their_own(stand: Stand) {
    let platform = stand.start_with(&[("HUB_LIMITS_LOGINS_PER_ADDRESS", "2")]);
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    platform.hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")).expect(201);
    let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    assert_limited(platform.hub.call("POST", "/api/daemon/auth").json(&body), false);
    assert_limited(platform.hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")), true);
    platform.hub.call("GET", "/api/daemon").bearer(&token).expect(200);
}

fn fleet_routes_have_a_limit_of_their_own(stand: Stand) {
    let platform: Platform = stand.start_with(&[("HUB_LIMITS_FLEET_REQUESTS_PER_ADDRESS", "2")]);
    let health = || platform.hub.call("GET", "/api/daemon/health").operator();
    health().expect(200);
    let beat = json!({ "daemonId": "one", "status": "healthy", "tasksProcessed": 1, "lastHeartbeat": "2026-01-25T12:05:00Z" });
    let beat = || platform.hub.call("POST", "/api/daemon/heartbeat").operator().json(&beat);
    beat().refused(404, "DAEMON_NOT_REGISTERED");
    assert_limited(health(), false);
    assert_limited(beat(), false);
    let register = json!({ "daemonId": "one" });
    assert_limited(platform.hub.call("POST", "/api/daemon/register").operator().json(&register), false);
}

on_both_stands!(
    a_body_of_one_byte_too_many_is_refused,
    bodies_that_nobody_meant_are_refused,
    a_body_full_of_problems_gets_a_short_answer,
    of_a_name_that_comes_twice_the_last_counts,
    nul_is_refused_wherever_it_comes,
    an_address_that_asks_too_often_is_told_when_to_come_back,
    a_session_that_asks_too_often_stops_no_other,
    logins_have_a_limit_of_their_own,
    fleet_routes_have_a_limit_of_their_own,
);

//! Every path answers every method, in JSON and with the security headers (contract 1.0).

use serde_json::json;

use crate::support::{http::Response, hub::Hub, platform::Stand};

/// The paths, and the methods that each takes.
const PATHS: &[(&str, &str)] = &[
    ("/api/daemon", "GET, HEAD, POST, DELETE"),
    ("/api/daemon/sessions", "GET, HEAD, POST, PATCH, DELETE"),
    ("/api/daemon/register", "POST"),
    ("/api/daemon/unregister", "POST"),
    ("/api/daemon/health", "GET, HEAD"),
    ("/api/daemon/health/vp_1", "GET, HEAD"),
    ("/api/daemon/auth", "POST"),
    ("/api/daemon/auth/token", "POST"),
    ("/api/daemon/auth/refresh", "POST"),
    ("/api/daemon/heartbeat", "POST"),
    ("/api/daemon/presence", "PUT"),
    ("/api/daemon/status", "PUT"),
    ("/api/daemon/config", "GET, HEAD"),
    ("/api/daemon/channels", "GET, HEAD"),
    ("/api/daemon/channels/channel_1/join", "POST, DELETE"),
    ("/api/daemon/messages", "GET, HEAD, POST"),
    ("/api/daemon/events", "GET, HEAD, DELETE"),
    ("/api/daemon/events/ack", "POST"),
    ("/api/daemon/ws", "GET, HEAD"),
    ("/daemon/ws", "GET, HEAD"),
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"];

#[track_caller]
fn assert_safe(response: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-dns-prefetch-control", "on"),
        ("referrer-policy", "origin-when-cross-origin"),
    ] {
        assert_eq!(response.headers.get(name).map(String::as_str), Some(value), "{name}: {response:?}");
    }
    assert!(!response.headers.contains_key("location"), "never a redirect (B41): {response:?}");
    assert!(!(300..400).contains(&response.status), "{response:?}");
    assert_ne!(response.status, 500, "{response:?}");
}

#[test]
fn a_method_that_a_path_does_not_take_is_answered_with_those_it_takes() {
    let hub = Hub::setup().start();
    for (path, allowed) in PATHS {
        for method in METHODS.iter().filter(|method| !allowed.split(", ").any(|one| one == **method)) {
            let response = hub.call(method, path).send();
            assert_eq!(response.status, 405, "{method} {path}: {response:?}");
            assert_safe(&response);
            if !path.ends_with("/ws") {
                assert_eq!(response.headers["allow"], *allowed, "{method} {path}");
            }
            if *method != "HEAD" {
                assert_eq!(response.json()["code"], "METHOD_NOT_ALLOWED", "{method} {path}");
            }
        }
        let options = hub.call("OPTIONS", path).send();
        assert_eq!((options.status, options.headers["allow"].as_str()), (204, *allowed), "{path}");
        assert_safe(&options);
    }
}

/// The shape of `error` is the path's, whatever went wrong there (contract C4).
#[test]
fn a_wrong_method_is_answered_in_the_shape_of_its_path() {
    let hub = Hub::setup().start();
    for (path, nested) in [
        ("/api/daemon", true),
        ("/api/daemon/sessions", true),
        ("/api/daemon/register", true),
        ("/api/daemon/unregister", true),
        ("/api/daemon/health/vp_1", true),
        ("/api/daemon/health", false),
        ("/api/daemon/auth", false),
        ("/api/daemon/heartbeat", false),
    ] {
        let refused = hub.call("PUT", path).refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(refused["error"].is_object(), nested, "{path}: {refused}");
        let nul = hub.call("GET", &format!("{path}?a=%00")).refused(400, "VALIDATION_ERROR");
        assert_eq!(nul["error"].is_object(), nested, "{path}: {nul}");
    }
}

#[test]
fn head_says_what_get_says_without_its_body() {
    let platform = Stand::Alone.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    for (path, allowed) in PATHS.iter().filter(|(_, allowed)| allowed.starts_with("GET, HEAD")) {
        let ask = |method: &str| {
            let call = platform.hub.call(method, path);
            if *path == "/api/daemon/health" { call.operator() } else { call.bearer(&token) }.send()
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path} {allowed}");
        assert_eq!(head.headers.get("content-type"), get.headers.get("content-type"), "{path}");
        assert_safe(&head);
        assert_safe(&get);
    }
}

#[test]
fn what_is_no_path_is_not_found_and_never_redirected() {
    let hub = Hub::setup().start();
    for path in [
        "/api/daemon/",
        "//api/daemon",
        "/api//daemon",
        "/api/daemon/sessions/",
        "/api/daemon/nowhere",
        "/api/daemon/auth/nowhere",
        "/api/daemon/health/vp_1/more",
        "/api/daemon/channels//join",
        "/API/daemon",
        "/login",
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let response = hub.call(method, path).send();
            response.assert_json_error(404);
            assert_eq!(response.json()["code"], "NOT_FOUND", "{method} {path}");
            assert_safe(&response);
        }
    }
}

#[test]
fn every_kind_of_answer_carries_the_security_headers() {
    let platform = Stand::Alone.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let call = |method: &str, path: &str| platform.hub.call(method, &format!("/api/daemon{path}"));
    let answers = [
        (200, call("GET", "").bearer(&token)),
        (201, call("POST", "").json(&orchestrator.registration("one"))),
        (400, call("POST", "").text("{")),
        (401, call("GET", "")),
        (403, call("POST", "/sessions").bearer(&token).json(&json!({ "vpId": "other", "type": "user" }))),
        (404, call("DELETE", "/sessions?sessionId=unknown").bearer(&token)),
        (413, call("POST", "/auth").text(&"x".repeat(1024 * 1024 + 1))),
    ];
    for (status, answer) in answers {
        let response = answer.send();
        assert_eq!(response.status, status, "{response:?}");
        assert_safe(&response);
    }
}

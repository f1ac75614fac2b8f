//! Whatever goes wrong is said in JSON.

use crate::support::{http, hub::Hub};

#[test]
fn an_unknown_path_is_answered_in_json() {
    let hub = Hub::setup().start();
    for path in ["/", "/nowhere", "/api/nowhere", "/api/daemon/nowhere"] {
        let response = hub.get(path);
        if path != "/" || response.status != 200 {
            response.assert_json_error(404);
        }
    }
}

#[test]
fn a_wrong_method_is_answered_in_json_with_the_right_ones() {
    let hub = Hub::setup().start();
    let response = hub.get("/api/events");
    response.assert_json_error(405);
    assert!(response.headers.get("allow").is_some_and(|allow| allow.contains("POST")), "{response:?}");
    http::post(&hub.url("/health"), &[], "{}").assert_json_error(405);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let hub = Hub::setup().start();
    let long = format!("[\"{}\"]", "x".repeat(2 * 1024 * 1024));
    crate::support::publisher::post_text(&hub, &long).assert_json_error(413);
}

#[test]
fn every_answer_carries_the_security_headers() {
    let hub = Hub::setup().start();
    for path in ["/health", "/nowhere"] {
        let headers = hub.get(path).headers;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-dns-prefetch-control", "on"),
            ("referrer-policy", "origin-when-cross-origin"),
        ] {
            assert_eq!(headers.get(name).map(String::as_str), Some(value), "{path}: {name}");
        }
    }
}

//! Where the endpoint is, and what it says to those who do not upgrade.

use crate::support::{http, hub::Hub, identity::Identity, socket::Daemon};

#[test]
fn the_endpoint_is_served_on_both_documented_paths_and_on_the_configured_one() {
    let hub = Hub::setup().env("WS_PATH", "/custom/socket").start();
    for path in ["/daemon/ws", "/api/daemon/ws", "/custom/socket"] {
        let mut daemon = Daemon::open_at(&hub, path).unwrap_or_else(|status| panic!("{path}: {status}"));
        daemon.authenticate(&Identity::new());
    }
    assert_eq!(Daemon::open_at(&hub, "/no/such/path").err(), Some(404));
}

#[test]
fn a_get_without_upgrade_explains_how_to_connect() {
    let hub = Hub::setup().start();
    let response = hub.get("/api/daemon/ws");
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert_eq!(body["protocol"], "WebSocket");
    assert_eq!(body["version"], "1.0.0");
    assert!(body["message"].is_string() && body["documentation"].is_string(), "{body}");
    for name in ["upgrade", "url", "authentication"] {
        assert!(!body["connection"][name].is_null(), "connection.{name}: {body}");
    }
    for name in ["auth", "refresh", "heartbeat", "events"] {
        assert!(!body["endpoints"]["http"][name].is_null(), "endpoints.http.{name}: {body}");
    }
    assert_eq!(body["endpoints"]["websocket"]["path"], "/api/daemon/ws");
}

#[test]
fn a_post_is_told_to_use_a_websocket() {
    let hub = Hub::setup().start();
    let response = http::post(&hub.url("/api/daemon/ws"), &[], "{}");
    response.assert_json_error(405);
    assert_eq!(response.json()["error"], "Method not allowed. Use WebSocket connection instead.");
}

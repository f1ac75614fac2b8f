//! API keys: shown once, and good for as long as they should be.

use serde_json::{Value, json};

use super::{daemon_of, id, tenant};
use crate::support::{
    eventually::eventually,
    http::Response,
    hub::Hub,
    platform::{Stand, on_both_stands},
    socket::Daemon,
};

on_both_stands! {
    a_key_is_shown_once_and_never_again,
    a_key_works_until_it_is_rotated_disabled_or_revoked,
}

fn login(hub: &Hub, issued: &Value) -> Response {
    let body = json!({ "apiKey": issued["apiKey"], "apiSecret": issued["apiSecret"] });
    hub.call("POST", "/api/daemon/auth").json(&body).send()
}

fn a_key_is_shown_once_and_never_again(stand: Stand) {
    let platform = stand.start_with(&[("RUST_LOG", "debug")]);
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let hub = &platform.hub;
    let all = format!("/api/admin/orchestrators/{}/credentials", orchestrator.id);
    let created = hub.call("POST", &all).operator().json(&json!({ "name": "laptop" })).send();
    assert_eq!((created.status, created.headers["cache-control"].as_str()), (201, "no-store"));
    let created = created.json();
    let one = format!("/api/admin/credentials/{}", id(&created));
    let rotated = hub.call("POST", &format!("{one}/rotate")).operator().send();
    assert_eq!((rotated.status, rotated.headers["cache-control"].as_str()), (200, "no-store"));
    let rotated = rotated.json();
    assert_eq!(id(&rotated), id(&created));

    let disable = format!("{one}/disable");
    let answers = [
        ("GET", all.as_str()),
        ("GET", one.as_str()),
        ("POST", disable.as_str()),
        ("DELETE", one.as_str()),
        ("GET", one.as_str()),
        ("GET", "/api/admin/audit"),
    ];
    let mut seen: String =
        answers.iter().map(|(method, path)| hub.call(method, path).operator().send().body).collect();
    seen.push_str(&hub.log());
    for issued in [&created, &rotated] {
        for name in ["apiKey", "apiSecret"] {
            let secret = issued[name].as_str().unwrap();
            assert!(secret.len() > 32 && !seen.contains(secret), "{name} is seen again");
        }
    }
    assert!(seen.contains("\"keyHint\""), "what is shown tells keys apart");
}

fn a_key_works_until_it_is_rotated_disabled_or_revoked(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let hub = &platform.hub;
    let all = format!("/api/admin/orchestrators/{}/credentials", orchestrator.id);
    let first = hub.call("POST", &all).operator().json(&json!({ "name": "laptop" })).expect(201);
    let one = format!("/api/admin/credentials/{}", id(&first));
    assert_eq!(login(hub, &first).status, 200);

    let second = hub.call("POST", &format!("{one}/rotate")).operator().expect(200);
    assert_eq!((login(hub, &first).status, login(hub, &second).status), (401, 200));

    hub.call("POST", &format!("{one}/disable")).operator().expect(200);
    assert_eq!(login(hub, &second).status, 403);
    hub.call("POST", &format!("{one}/enable")).operator().expect(200);
    let mut daemon = Daemon::connect(hub, &daemon_of(&orchestrator));

    hub.call("DELETE", &one).operator().expect(200);
    assert_eq!(login(hub, &second).status, 403);
    assert_eq!(daemon.expect_close().code, 4006, "a token does not say for which key it was issued");
    let kept = hub.call("GET", &one).operator().expect(200);
    assert!(kept["revokedAt"].is_string(), "it stays on record: {kept}");
    hub.call("POST", &format!("{one}/rotate")).operator().refused(404, "NOT_FOUND");
    hub.call("POST", &format!("{one}/enable")).operator().expect(200);
    assert_eq!(login(hub, &second).status, 403, "what is revoked stays revoked");
}

#[test]
fn tokens_survive_where_that_is_asked_for_and_die_where_that_is() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let issue = || {
        let all = format!("/api/admin/orchestrators/{}/credentials", orchestrator.id);
        let new = platform.hub.call("POST", &all).operator().json(&json!({ "name": "n" })).expect(201);
        format!("/api/admin/credentials/{}", id(&new))
    };
    let (one, other) = (issue(), issue());
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    platform.hub.call("DELETE", &format!("{one}?revokeTokens=false")).operator().expect(200);
    platform.hub.call("POST", &format!("{other}/disable")).operator().expect(200);
    assert!(daemon.roundtrip().is_empty());
    platform.hub.call("POST", &format!("{other}/disable?revokeTokens=true")).operator().expect(200);
    assert_eq!(daemon.expect_close().code, 4006);
    eventually(
        || {
            let mut again = Daemon::open(&platform.hub);
            again.auth(&daemon_of(&orchestrator));
            again.next_frame()["type"] == "auth_success"
        },
        "whoever logs in afterwards is let in",
    );
    platform
        .hub
        .call("DELETE", &format!("{other}?revokeTokens=perhaps"))
        .operator()
        .refused(400, "VALIDATION_ERROR");
}

#[test]
fn only_the_operator_gives_the_right_to_administrate() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let (hub, tenant) = (&platform.hub, tenant(&home.id));
    let all = format!("/api/admin/orchestrators/{}/credentials", orchestrator.id);
    for scope in ["admin:read", "admin:write"] {
        let body = json!({ "name": "n", "scopes": ["messages:read", scope] });
        hub.call("POST", &all).bearer(&tenant).json(&body).refused(403, "FORBIDDEN");
        let issued = hub.call("POST", &all).operator().json(&body).expect(201);
        let one = format!("/api/admin/credentials/{}", id(&issued));
        hub.call("POST", &format!("{one}/rotate")).bearer(&tenant).refused(403, "FORBIDDEN");
        hub.call("POST", &format!("{one}/disable")).bearer(&tenant).expect(200);
        hub.call("POST", &format!("{one}/enable")).bearer(&tenant).refused(403, "FORBIDDEN");
    }
    let everything = json!({ "name": "n", "scopes": ["*"] });
    let issued = hub.call("POST", &all).bearer(&tenant).json(&everything).expect(201);
    let body = json!({ "apiKey": issued["apiKey"], "apiSecret": issued["apiSecret"], "scopes": ["admin:read", "*"] });
    let granted = hub.call("POST", "/api/daemon/auth").json(&body).expect(200);
    assert!(!granted["scopes"].to_string().contains("admin"), "{granted}");

    for wrong in [
        json!({ "name": "n", "scopes": ["no:such"] }),
        json!({ "name": "n", "expiresAt": "2020-01-01T00:00:00Z" }),
        json!({ "name": "n", "expiresAt": "tomorrow" }),
        json!({ "name": "" }),
        json!({}),
    ] {
        hub.call("POST", &all).operator().json(&wrong).refused(400, "VALIDATION_ERROR");
    }
}

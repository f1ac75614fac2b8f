//! Tokens for keys, and new access tokens for refresh tokens (contract 1.4, 1.5, 4.7).

use std::time::Duration;

use neolith_hub::domain::clock::now;
use serde_json::{Value, json};

use crate::support::platform::{Orchestrator, Platform, Stand, on_both_stands};

const STANDARD: [&str; 10] = [
    "messages:read",
    "messages:write",
    "channels:read",
    "channels:join",
    "users:read",
    "presence:read",
    "presence:write",
    "files:read",
    "vp:status",
    "vp:config",
];

fn refresh<'a>(platform: &'a Platform, token: &Value) -> crate::support::call::Call<'a> {
    platform.hub.call("POST", "/api/daemon/auth/refresh").json(&json!({ "refreshToken": token }))
}

/// Every generation of clients finds what it reads (contract 1.4, C51).
fn a_login_is_answered_for_every_generation_of_clients(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    let response = platform.hub.call("POST", "/api/daemon/auth").json(&body).send();
    assert_eq!(response.headers["cache-control"], "no-store");
    let answer = response.json();
    assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(answer["scopes"], json!(STANDARD));
    for name in ["orchestratorId", "vpId", "clientId"] {
        assert_eq!(answer[name], json!(orchestrator.id), "{name}");
    }
    assert_eq!(answer["daemonId"], answer["sessionId"]);
    let session = answer["sessionId"].as_str().unwrap();
    assert!(session.starts_with(&format!("daemon_session_{}_", orchestrator.id)), "{session}");
    assert_eq!(answer["orchestrator"], answer["vp"]);
    let shown = &answer["orchestrator"];
    assert_eq!(shown["id"], json!(orchestrator.id));
    assert_eq!(shown["status"], "OFFLINE", "as it was before the login");
    assert_eq!((&shown["discipline"], &shown["role"]), (&json!("engineering"), &json!("builder")));
    assert_eq!(shown["user"]["id"], json!(orchestrator.user));
    assert_eq!(shown["organization"]["id"], json!(organization.id));
    // The same session for every login would let one log the other out (B43).
    assert_ne!(orchestrator.login()["sessionId"], answer["sessionId"]);
}

fn scopes_are_granted_as_far_as_key_and_capabilities_allow(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let plain = organization.orchestrator();
    let granted = |orchestrator: &Orchestrator<'_>, scopes: Value| {
        let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret, "scopes": scopes });
        platform.hub.call("POST", "/api/daemon/auth").json(&body).expect(200)["scopes"].clone()
    };
    assert_eq!(granted(&plain, json!([])), json!(STANDARD), "who asks for nothing");
    assert_eq!(granted(&plain, json!(["messages:read"])), json!(["messages:read"]));
    let aliases = json!(["orchestrator:status", "orchestrator:config", "no:such:scope"]);
    assert_eq!(granted(&plain, aliases), json!(["vp:status", "vp:config"]));
    assert_eq!(granted(&plain, json!(["admin:write"])), json!([]), "B8: never because it was asked for");
    let everything = granted(&plain, json!(["*"]));
    assert_eq!(everything.as_array().unwrap().len(), 13, "{everything}");
    let capable = organization.orchestrator_with(json!(["files"]));
    assert_eq!(
        granted(&capable, json!(["*"])),
        json!(["files:read", "files:write", "vp:status", "vp:config"])
    );
    // What a refresh gives is what was granted, not more.
    let login = platform
        .hub
        .call("POST", "/api/daemon/auth")
        .json(&json!({ "apiKey": plain.key, "apiSecret": plain.secret, "scopes": ["messages:read"] }))
        .expect(200);
    assert_eq!(refresh(&platform, &login["refreshToken"]).expect(200)["scopes"], json!(["messages:read"]));
}

fn what_is_no_login_is_refused_before_any_key_is_looked_at(stand: Stand) {
    let platform = stand.start();
    let login = |body: &str| platform.hub.call("POST", "/api/daemon/auth").text(body);
    let bad = login("not json").refused(400, "VALIDATION_ERROR");
    assert_eq!((&bad["error"], &bad["message"]), (&json!("Invalid JSON body"), &json!("Invalid JSON body")));
    for body in [
        json!({}),
        json!([]),
        json!({ "apiKey": "vp_x" }),
        json!({ "apiKey": "vp_x", "apiSecret": "" }),
        json!({ "apiKey": "", "apiSecret": "s" }),
        json!({ "apiKey": "vp_x", "apiSecret": null }),
        json!({ "apiKey": "vp_x", "apiSecret": "s", "scopes": "messages:read" }),
        json!({ "apiKey": "vp_x", "apiSecret": "s", "scopes": [1] }),
        json!({ "apiKey": "vp_x", "apiSecret": "s", "scopes": null }),
    ] {
        let refused = login(&body.to_string()).refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["error"], "API key and secret required", "flat: {refused}");
    }
    for body in ["{}", "[]", r#"{"refreshToken":""}"#, r#"{"refreshToken":17}"#] {
        let refused = platform.hub.call("POST", "/api/daemon/auth/refresh").text(body);
        assert_eq!(refused.refused(400, "VALIDATION_ERROR")["error"], "Refresh token required");
    }
}

/// The same answer for a key that does not exist and one whose secret is wrong (B1, B8).
fn a_wrong_key_and_a_wrong_secret_look_the_same(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = |key: &str, secret: &str| {
        let body = json!({ "apiKey": key, "apiSecret": secret });
        platform.hub.call("POST", "/api/daemon/auth").json(&body).refused(401, "INVALID_CREDENTIALS")
    };
    let unknown = login(&format!("vp_{}", "0".repeat(64)), "any");
    let wrong = login(&orchestrator.key, "any");
    assert_eq!(unknown, wrong);
    // B3: without a stored hash no key opens anything, whatever name it carries.
    assert_eq!(login(&format!("vp_{}_x", orchestrator.id), "any"), unknown);
}

fn a_key_that_was_taken_away_says_why_to_its_holder(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let database = &platform.database;
    let at = now().wall;
    let login = |orchestrator: &Orchestrator<'_>| {
        let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
        platform.hub.call("POST", "/api/daemon/auth").json(&body)
    };
    let disabled = organization.orchestrator();
    database.set_credential_disabled(&disabled.credential, true, None, at).unwrap();
    login(&disabled).refused(403, "DAEMON_DISABLED");
    // A wrong secret is not told that the key exists.
    let guessed = json!({ "apiKey": disabled.key, "apiSecret": "guessed" });
    platform.hub.call("POST", "/api/daemon/auth").json(&guessed).refused(401, "INVALID_CREDENTIALS");
    database.set_credential_disabled(&disabled.credential, false, None, at).unwrap();
    login(&disabled).expect(200);

    let revoked = organization.orchestrator();
    database.revoke_credential(&revoked.credential, None, at).unwrap();
    login(&revoked).refused(403, "DAEMON_DISABLED");
    let registration = platform.hub.call("POST", "/api/daemon").json(&revoked.registration("one"));
    assert!(registration.refused(403, "DAEMON_DISABLED")["error"].is_object(), "nested there");

    let owner = organization.orchestrator();
    database.set_orchestrator_disabled(&owner.id, true, None, at).unwrap();
    login(&owner).refused(403, "DAEMON_DISABLED");
}

/// Clients of the platform throw a returned refresh token away, so the first stays good (contract C53).
fn a_refresh_token_may_be_used_again_and_again(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let login = organization.orchestrator().login();
    for _ in 0..3 {
        let answer = refresh(&platform, &login["refreshToken"]).expect(200);
        assert_eq!(answer["refreshToken"], login["refreshToken"]);
        assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(3600)));
        assert!(answer["expiresAt"].is_string(), "{answer}");
        let token = answer["accessToken"].as_str().unwrap();
        let own = platform.hub.call("GET", "/api/daemon").bearer(token).expect(200);
        assert_eq!(own["data"]["session"]["id"], login["sessionId"], "the same session");
    }
    let bearer = login["refreshToken"].as_str().unwrap();
    for body in ["", "{}"] {
        let call = platform.hub.call("POST", "/api/daemon/auth/refresh").bearer(bearer);
        let answer = call.text(body).expect(200);
        assert_eq!(answer["refreshToken"], bearer, "in the header, with a body of {body:?}");
    }
}

/// Fail closed (B9): without a live session there is no new token.
fn a_refresh_token_is_worth_nothing_without_its_session(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let ended = orchestrator.login();
    let token = ended["accessToken"].as_str().unwrap();
    let path = format!("/api/daemon/sessions?sessionId={}", ended["sessionId"].as_str().unwrap());
    platform.hub.call("DELETE", &path).bearer(token).expect(200);
    refresh(&platform, &ended["refreshToken"]).refused(401, "TOKEN_REVOKED");

    let over = orchestrator.login();
    let token = over["accessToken"].as_str().unwrap();
    let change = json!({ "sessionId": over["sessionId"], "status": "terminated" });
    platform.hub.call("PATCH", "/api/daemon/sessions").bearer(token).json(&change).expect(200);
    refresh(&platform, &over["refreshToken"]).refused(401, "TOKEN_REVOKED");

    let disabled = orchestrator.login();
    platform.database.set_orchestrator_disabled(&orchestrator.id, true, None, now().wall).unwrap();
    refresh(&platform, &disabled["refreshToken"]).refused(401, "TOKEN_REVOKED");
}

/// For clients of the first generation, whose keys had no secret (contract 4.7).
fn a_key_in_the_header_is_enough_only_without_a_secret(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let with = |key: &str| platform.hub.call("POST", "/api/daemon/auth/token").header("x-api-key", key);
    with(&orchestrator.key).refused(401, "INVALID_CREDENTIALS");
    platform.hub.call("POST", "/api/daemon/auth/token").refused(401, "INVALID_CREDENTIALS");
}

/// Nobody who was sent away has to wait a second time for a login in the same second.
fn a_login_right_after_leaving_is_not_part_of_what_was_revoked(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    orchestrator.login();
    let body = json!({ "orchestratorId": orchestrator.id, "apiKey": orchestrator.key });
    platform.hub.call("POST", "/api/daemon/unregister").json(&body).expect(200);
    let token = orchestrator.token();
    platform.hub.call("GET", "/api/daemon").bearer(&token).expect(200);
}

/// Who guesses waits longer each time, whatever the guess.
fn guessing_is_slow(stand: Stand) {
    let platform = stand.start();
    let body = json!({ "apiKey": "vp_guess", "apiSecret": "guess" });
    let guess = || {
        let since = std::time::Instant::now();
        platform.hub.call("POST", "/api/daemon/auth").json(&body).refused(401, "INVALID_CREDENTIALS");
        since.elapsed()
    };
    assert!(guess() >= Duration::from_millis(250));
    assert!(guess() >= Duration::from_millis(500), "longer each time");
}

on_both_stands!(
    a_login_is_answered_for_every_generation_of_clients,
    scopes_are_granted_as_far_as_key_and_capabilities_allow,
    what_is_no_login_is_refused_before_any_key_is_looked_at,
    a_wrong_key_and_a_wrong_secret_look_the_same,
    a_key_that_was_taken_away_says_why_to_its_holder,
    a_refresh_token_may_be_used_again_and_again,
    a_refresh_token_is_worth_nothing_without_its_session,
    a_key_in_the_header_is_enough_only_without_a_secret,
    a_login_right_after_leaving_is_not_part_of_what_was_revoked,
    guessing_is_slow,
);

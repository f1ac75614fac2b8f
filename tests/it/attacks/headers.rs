//! Headers that are almost right, come twice, or lie.

use serde_json::json;

use crate::support::{
    hub::ADMIN_KEY,
    identity::Identity,
    platform::{Stand, on_both_stands},
};

/// Exactly `Bearer `, once (contract 1.0).
fn a_good_token_in_a_header_that_is_almost_right_opens_nothing(stand: Stand) {
    let platform = stand.start();
    let token = Identity::new().token;
    let ask = |lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        platform.hub.raw(&[&["GET /api/daemon HTTP/1.1"], lines.as_slice()].concat(), b"").status
    };
    let with = |value: String| vec![format!("authorization: {value}")];
    assert_eq!(ask(&with(format!("Bearer {token}"))), 200);
    assert_eq!(ask(&[format!("AUTHORIZATION: Bearer {token}")]), 200, "names of headers have no case");
    for wrong in [
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer{token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Token {token}"),
        format!("Basic {token}"),
        token.clone(),
        "Bearer".to_owned(),
        format!("Bearer {token}\u{fc}"),
    ] {
        assert_eq!(ask(&with(wrong.clone())), 401, "{wrong}");
    }
    // Whoever is in between might have looked at the other one.
    let good = format!("authorization: Bearer {token}");
    let bad = "authorization: Bearer bad".to_owned();
    for lines in [[good.clone(), bad.clone()], [bad, good.clone()], [good.clone(), good]] {
        assert_eq!(ask(&lines), 401, "{lines:?}");
    }
}

/// A token elsewhere than in its header is none (B42).
fn a_token_in_the_address_a_cookie_or_the_body_opens_nothing(stand: Stand) {
    let platform = stand.start();
    let token = Identity::new().token;
    let call = |path: &str| platform.hub.call("GET", path);
    for name in ["token", "access_token", "accessToken", "authorization"] {
        call(&format!("/api/daemon?{name}={token}")).refused(401, "UNAUTHORIZED");
    }
    call("/api/daemon").header("cookie", &format!("token={token}")).refused(401, "UNAUTHORIZED");
    call("/api/daemon").header("x-access-token", &token).refused(401, "UNAUTHORIZED");
    let body = json!({ "accessToken": token, "token": token });
    platform.hub.call("POST", "/api/daemon/heartbeat").json(&body).refused(401, "UNAUTHORIZED");
}

fn the_operators_key_must_be_whole_and_come_once(stand: Stand) {
    let platform = stand.start();
    let key = format!("x-api-key: {ADMIN_KEY}");
    let ask = |lines: &[&str]| {
        platform.hub.raw(&[&["GET /api/daemon/health HTTP/1.1"], lines].concat(), b"").status
    };
    assert_eq!(ask(&[&key]), 200);
    assert_eq!(ask(&[&key, "x-api-key: bad"]), 401);
    assert_eq!(ask(&[&format!("authorization: Bearer {ADMIN_KEY}")]), 401);
}

const LIMIT: (&str, &str) = ("HUB_LIMITS_REQUESTS_PER_ADDRESS", "3");

/// Nobody gets more by saying to be somebody else, or by spelling a path differently.
fn a_limit_cannot_be_talked_away(stand: Stand) {
    let platform = stand.start_with(&[LIMIT]);
    let ask = |path: &str, hop: u8| {
        let hop = format!("203.0.113.{hop}");
        let call = platform.hub.call("GET", path).header("x-forwarded-for", &hop).header("x-real-ip", &hop);
        call.header("forwarded", &format!("for={hop}")).send().status
    };
    assert_eq!([1, 2, 3].map(|hop| ask("/api/daemon", hop)), [401; 3]);
    for path in ["/api/daemon", "/%61pi/daemon", "/api%2fdaemon", "/api/./daemon", "/%61%70%69/daemon/auth"] {
        let status = ask(path, 4);
        assert!(status == 429 || status == 404, "{path}: {status}");
    }
    assert_eq!(ask("/%61pi/daemon", 5), 429);
}

/// Behind a proxy that is trusted, the last address that the proxies did not add themselves counts.
fn a_trusted_proxy_is_believed_about_its_own_client_only(stand: Stand) {
    let platform = stand.start_with(&[LIMIT, ("HUB_SERVER_TRUSTED_PROXIES", "127.0.0.1,10.0.0.1")]);
    let ask =
        |hops: &str| platform.hub.call("GET", "/api/daemon").header("x-forwarded-for", hops).send().status;
    assert_eq!(ask("203.0.113.7"), 401);
    assert_eq!(ask("198.51.100.1, 203.0.113.7"), 401, "what the client said itself is nobody's word");
    assert_eq!(ask("198.51.100.2, 203.0.113.7, 10.0.0.1"), 401, "through two proxies");
    assert_eq!(ask("198.51.100.3, 203.0.113.7"), 429);
    assert_eq!(ask("203.0.113.8"), 401, "another client is not stopped");
}

/// The method is the one that was sent.
fn no_header_changes_what_is_asked(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let own = || platform.hub.call("GET", "/api/daemon").bearer(&token);
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        own().header(name, "DELETE").expect(200);
    }
    for (name, value) in
        [("x-original-url", "/health"), ("x-rewrite-url", "/health"), ("host", "evil.example")]
    {
        let answer = own().header(name, value).expect(200);
        assert_eq!(answer["success"], true, "{name}");
    }
    own().expect(200);
}

on_both_stands!(
    a_good_token_in_a_header_that_is_almost_right_opens_nothing,
    a_token_in_the_address_a_cookie_or_the_body_opens_nothing,
    the_operators_key_must_be_whole_and_come_once,
    a_limit_cannot_be_talked_away,
    a_trusted_proxy_is_believed_about_its_own_client_only,
    no_header_changes_what_is_asked,
);

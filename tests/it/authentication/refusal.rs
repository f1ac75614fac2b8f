//! Tokens that open nothing, and what may be said without one.

use serde_json::json;

use crate::support::{
    identity::{Identity, unique},
    in_both_modes,
    redis::RedisServer,
    socket::Daemon,
    token::seconds_from_now,
    world::Mode,
};

in_both_modes! {
    a_good_token_is_answered_with_everything_the_daemon_needs,
    the_old_name_and_the_short_form_authenticate_too,
    a_token_that_is_not_valid_is_refused_with_its_reason,
    a_token_that_opens_nothing_on_the_socket_is_refused,
    nothing_but_auth_is_accepted_first_and_the_connection_stays,
    whoever_does_not_authenticate_in_time_is_closed,
}

fn a_good_token_is_answered_with_everything_the_daemon_needs(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::open(&world.hub);
    let request = daemon.auth(&identity);

    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "auth_success", "{frame}");
    assert_eq!(frame["replyTo"], request);
    assert_ne!(frame["id"], request, "every frame has an id of its own");
    let payload = &frame["payload"];
    assert_eq!(payload["orchestratorId"], identity.orchestrator);
    assert_eq!(payload["vpId"], identity.orchestrator);
    assert_eq!(payload["daemonId"], identity.daemon);
    for name in ["sessionId", "connectionId", "serverTime", "expiresAt"] {
        assert!(payload[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {payload}");
    }
    assert!(payload["scopes"].as_array().unwrap().contains(&json!("messages:read")), "{payload}");
    let interval = payload["heartbeatIntervalMs"].as_u64().unwrap();
    assert!((27_000..=33_000).contains(&interval), "30 s, give or take a tenth: {interval}");
}

fn the_old_name_and_the_short_form_authenticate_too(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut old = Daemon::open(&world.hub);
    old.send(
        "auth",
        json!({
            "accessToken": identity.token, "daemonId": identity.daemon, "vpId": identity.orchestrator,
        }),
    );
    assert_eq!(old.next_frame()["type"], "auth_success");

    let mut short = Daemon::open(&world.hub);
    short.send_text(&json!({ "type": "auth", "token": Identity::new().token }).to_string());
    assert_eq!(short.next_frame()["type"], "auth_success");
}

fn a_token_that_is_not_valid_is_refused_with_its_reason(mode: Mode) {
    let world = mode.start();
    let broken = |break_it: fn(&Identity) -> String| {
        let identity = Identity::new();
        let token = break_it(&identity);
        identity.with_token(token)
    };
    let cases = [
        (
            "a wrong signature",
            broken(|who| who.token_source().signed_with("not the hub's").mint()),
            "AUTH_FAILED",
        ),
        ("no signature", broken(|who| who.token_source().unsigned()), "AUTH_FAILED"),
        ("a refresh token", Identity::new().with_claim("type", "refresh"), "AUTH_FAILED"),
        ("another issuer", Identity::new().with_claim("iss", "somebody"), "AUTH_FAILED"),
        ("another audience", Identity::new().with_claim("aud", "somebody"), "AUTH_FAILED"),
        ("no expiry", Identity::new().with_claim("exp", json!(null)), "AUTH_FAILED"),
        ("no token at all", broken(|_| "not.a.token".to_owned()), "AUTH_FAILED"),
        ("another orchestrator's token", Identity::new().claiming(unique("vp")), "AUTH_FAILED"),
        ("an old token", Identity::new().with_claim("exp", seconds_from_now(-60)), "TOKEN_EXPIRED"),
    ];
    for (what, identity, code) in cases {
        let mut daemon = Daemon::open(&world.hub);
        daemon.auth(&identity);
        let frame = daemon.next_frame();
        assert_eq!(frame["type"], "auth_error", "{what}: {frame}");
        assert_eq!(frame["payload"]["code"], code, "{what}: {frame}");
        let close = if code == "TOKEN_EXPIRED" { 4003 } else { 4001 };
        assert_eq!(daemon.expect_close().code, close, "{what}");
    }
}

fn a_token_that_opens_nothing_on_the_socket_is_refused(mode: Mode) {
    let world = mode.start();
    for scopes in [json!([]), json!(["files:read", "calls:join"]), json!(["no:such"])] {
        let mut daemon = Daemon::open(&world.hub);
        daemon.auth(&Identity::new().with_claim("scopes", scopes));
        daemon.expect_refusal("INSUFFICIENT_SCOPE", 4005);
    }
}

fn nothing_but_auth_is_accepted_first_and_the_connection_stays(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::open(&world.hub);
    let frames = [
        ("heartbeat", json!({ "status": "active" })),
        ("subscribe", json!({ "eventTypes": ["*"] })),
        ("unsubscribe", json!({ "eventTypes": ["*"] })),
        ("ack", json!({ "eventIds": ["event_1"] })),
    ];
    for (kind, payload) in frames {
        let request = daemon.send(kind, payload);
        let frame = daemon.next_frame();
        assert_eq!(frame["type"], "error", "{kind}: {frame}");
        assert_eq!(frame["payload"]["code"], "NOT_AUTHENTICATED", "{kind}: {frame}");
        assert_eq!(frame["replyTo"], request, "{kind}: {frame}");
    }
    daemon.authenticate(&Identity::new());
}

fn whoever_does_not_authenticate_in_time_is_closed(mode: Mode) {
    let world = mode.start_with(&[("WS_AUTH_TIMEOUT", "300")]);
    let mut silent = Daemon::open(&world.hub);
    let mut talker = Daemon::open(&world.hub);
    talker.heartbeat();
    assert_eq!(talker.expect_close().code, 4002, "talking is not authenticating");
    assert_eq!(silent.expect_close().code, 4002);
}

#[test]
fn a_revoked_token_is_refused_whoever_revoked_it() {
    let world = Mode::Redis.start();
    let redis: &RedisServer = world.redis();
    let (ours, legacy) = (unique("jti"), unique("jti"));
    redis.run::<()>(&["SET", &format!("daemon:tokens:revoked:{ours}"), "1", "EX", "3600"]);
    redis.run::<usize>(&["SADD", "daemon:tokens:revoked", &legacy]);
    for jti in [ours, legacy] {
        let mut daemon = Daemon::open(&world.hub);
        daemon.auth(&Identity::new().with_claim("jti", jti));
        daemon.expect_refusal("AUTH_FAILED", 4001);
    }
}

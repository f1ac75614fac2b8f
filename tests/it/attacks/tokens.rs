//! Tokens that were forged, have expired, or were revoked (B10, B28).

use neolith_hub::domain::clock::now;
use serde_json::{Value, json};

use crate::support::{
    call::Call,
    identity::unique,
    platform::{Platform, Stand, on_both_stands},
    token::{Token, seconds_from_now},
};

fn own<'a>(platform: &'a Platform, token: &str) -> Call<'a> {
    platform.hub.call("GET", "/api/daemon").bearer(token)
}

fn refresh<'a>(platform: &'a Platform, token: &str) -> Call<'a> {
    platform.hub.call("POST", "/api/daemon/auth/refresh").json(&json!({ "refreshToken": token }))
}

/// Another payload under the signature of a good token.
fn with_payload(token: &str, change: impl FnOnce(&mut Value)) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
    change(&mut claims);
    format!("{}.{}.{}", parts[0], BASE64.encode(claims.to_string()), parts[2])
}

/// All of them look the same: which rule a token breaks is nobody's business.
fn a_forged_token_opens_nothing(stand: Stand) {
    let platform = stand.start();
    let orchestrator = unique("vp");
    let token = || Token::access(&orchestrator, "one");
    own(&platform, &token().mint()).expect(200);
    let good = token().mint();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = [
        ("without an algorithm", token().unsigned()),
        ("with another algorithm", token().algorithm("HS384").mint()),
        ("with yet another algorithm", token().algorithm("HS512").mint()),
        ("with an algorithm in lower case", token().algorithm("hs256").mint()),
        ("with an algorithm of another family", token().algorithm("RS256").mint()),
        ("with an extension that must be understood", token().header("crit", json!(["exp"])).mint()),
        ("with another secret", token().signed_with("another secret of the same kind").mint()),
        ("with the empty secret", token().signed_with("").mint()),
        ("with the secret that originals had by default", token().signed_with("daemon-secret-key").mint()),
        ("without its signature", format!("{head}.")),
        ("with two parts", head.to_owned()),
        ("with four parts", format!("{good}.{signature}")),
        ("with half its signature", format!("{head}.{}", &signature[..20])),
        ("with another payload", with_payload(&good, |claims| claims["orchestratorId"] = json!("vp_other"))),
        ("from yesterday", token().claim("exp", seconds_from_now(-86_400)).mint()),
        ("from this very second", token().claim("exp", seconds_from_now(0)).mint()),
        ("that never expires", token().claim("exp", Value::Null).mint()),
        ("that expires at no time", token().claim("exp", "tomorrow").mint()),
        ("by somebody else", token().claim("iss", "somebody").mint()),
        ("for somebody else", token().claim("aud", "somebody").mint()),
        ("for several others", token().claim("aud", json!(["one", "two"])).mint()),
        ("of the other kind", token().claim("type", "refresh").mint()),
        ("of no kind", token().claim("type", Value::Null).mint()),
        ("of an orchestrator that is no id", token().claim("orchestratorId", "vp_1:data").mint()),
        ("of a session that is no id", token().claim("sid", "{x}").mint()),
        (
            "of nobody",
            ["orchestratorId", "vpId", "sub"].iter().fold(token(), |t, c| t.claim(c, Value::Null)).mint(),
        ),
        ("that is none", "token".to_owned()),
        ("that is empty", String::new()),
        ("that is very long", "x".repeat(60_000)),
    ];
    let expected = platform.hub.call("GET", "/api/daemon").refused(401, "UNAUTHORIZED");
    for (what, token) in forged {
        let response = own(&platform, &token).send();
        assert_eq!(response.status, 401, "a token {what}: {response:?}");
        assert_eq!(response.json(), expected, "a token {what}");
    }
    for (what, good) in [
        (
            "issued before the platform was renamed",
            token().claim("iss", "genesis-platform").claim("aud", "genesis-api"),
        ),
        (
            "that does not say by whom and for whom",
            token().claim("iss", Value::Null).claim("aud", Value::Null),
        ),
    ] {
        assert_eq!(own(&platform, &good.mint()).send().status, 200, "a token {what}");
    }
}

/// Each kind of token is good for its own purpose only.
fn an_access_token_refreshes_nothing_and_the_other_way_round(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let login = organization.orchestrator().login();
    let text = |name: &str| login[name].as_str().unwrap();
    refresh(&platform, text("accessToken")).refused(401, "INVALID_TOKEN");
    let call = |method: &str, path: &str| platform.hub.call(method, path).bearer(text("refreshToken"));
    for (method, path) in [
        ("GET", "/api/daemon"),
        ("DELETE", "/api/daemon"),
        ("GET", "/api/daemon/sessions"),
        ("POST", "/api/daemon/heartbeat"),
        ("PUT", "/api/daemon/presence"),
        ("PUT", "/api/daemon/status"),
        ("GET", "/api/daemon/config"),
        ("GET", "/api/daemon/channels"),
        ("GET", "/api/daemon/messages?channelId=c"),
        ("GET", "/api/daemon/events"),
        ("GET", "/api/daemon/health/vp_1"),
    ] {
        call(method, path).refused(401, "UNAUTHORIZED");
    }
}

/// A refresh token that was never issued by a login has no session to live in.
fn a_forged_refresh_token_refreshes_nothing(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let forged = Token::access(&orchestrator.id, "one").claim("type", "refresh");
    refresh(&platform, &forged.mint()).refused(401, "TOKEN_REVOKED");
    // One that names a live session is still not the one that was given for it.
    let session = login["sessionId"].clone();
    let forged = forged.claim("sid", session.clone()).claim("daemonId", session);
    refresh(&platform, &forged.mint()).refused(401, "TOKEN_REVOKED");
    refresh(&platform, &forged.clone().claim("exp", seconds_from_now(-1)).mint())
        .refused(401, "TOKEN_EXPIRED");
    let broken = with_payload(login["refreshToken"].as_str().unwrap(), |claims| claims["jti"] = json!("x"));
    refresh(&platform, &broken).refused(401, "INVALID_TOKEN");
}

/// Revoked is revoked, however often it is tried.
fn a_revoked_refresh_token_stays_revoked(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let (login, other) = (orchestrator.login(), orchestrator.login());
    platform.hub.call("DELETE", "/api/daemon").bearer(login["accessToken"].as_str().unwrap()).expect(200);
    for _ in 0..3 {
        refresh(&platform, login["refreshToken"].as_str().unwrap()).refused(401, "TOKEN_REVOKED");
    }
    // Only its own session ended.
    refresh(&platform, other["refreshToken"].as_str().unwrap()).expect(200);
    // A new session does not bring the old one back.
    orchestrator.login();
    refresh(&platform, login["refreshToken"].as_str().unwrap()).refused(401, "TOKEN_REVOKED");
}

/// Whoever is no more, or is disabled, does nothing with a token from better times.
fn a_token_of_somebody_who_is_gone_changes_nothing(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let gone = [organization.orchestrator(), organization.orchestrator()];
    let logins = gone.each_ref().map(|orchestrator| orchestrator.login());
    platform.database.set_orchestrator_disabled(&gone[0].id, true, None, now().wall).unwrap();
    platform.database.delete_orchestrator(&gone[1].id, None, now().wall).unwrap();
    for (orchestrator, login) in gone.iter().zip(&logins) {
        let call = |method: &str, path: &str| {
            let path = format!("/api/daemon{path}");
            platform.hub.call(method, &path).bearer(login["accessToken"].as_str().unwrap())
        };
        call("POST", "/heartbeat").refused(401, "UNAUTHORIZED");
        let open = json!({ "orchestratorId": orchestrator.id, "type": "daemon" });
        call("POST", "/sessions").json(&open).refused(404, "ORCHESTRATOR_NOT_FOUND");
        let message = json!({ "channelId": organization.channel, "content": "still here" });
        let refused = call("POST", "/messages").json(&message).send();
        assert!([401, 403].contains(&refused.status), "{refused:?}");
        let joined = call("POST", &format!("/channels/{}/join", organization.channel)).send();
        assert!([401, 404].contains(&joined.status), "{joined:?}");
        refresh(&platform, login["refreshToken"].as_str().unwrap()).refused(401, "TOKEN_REVOKED");
    }
}

on_both_stands!(
    a_forged_token_opens_nothing,
    an_access_token_refreshes_nothing_and_the_other_way_round,
    a_forged_refresh_token_refreshes_nothing,
    a_revoked_refresh_token_stays_revoked,
    a_token_of_somebody_who_is_gone_changes_nothing,
);

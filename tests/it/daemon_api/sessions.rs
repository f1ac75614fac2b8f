//! Sessions that daemons open, change and end (contract 1.6 to 1.9).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{
    call::Call,
    identity::{Identity, unique},
    platform::{Platform, Stand, on_both_stands},
    socket::Daemon,
};

const PATH: &str = "/api/daemon/sessions";

fn request<'a>(platform: &'a Platform, method: &str, token: &str, body: &Value) -> Call<'a> {
    platform.hub.call(method, PATH).bearer(token).json(body)
}

fn list(platform: &Platform, token: &str) -> Value {
    platform.hub.call("GET", PATH).bearer(token).expect(200)
}

#[track_caller]
fn seconds(from: &Value, to: &Value) -> i64 {
    let time = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    (time(to) - time(from)).num_seconds()
}

fn a_session_is_opened_and_listed_as_documented(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let metadata = json!({ "userAgent": "Daemon/1.0.0", "ipAddress": "192.168.1.100", "of": ["mine", []] });
    let body =
        json!({ "vpId": orchestrator.id, "type": "user", "metadata": metadata, "timeoutSeconds": 120 });
    let answer = request(&platform, "POST", token, &body).expect(201);
    assert_eq!(
        (&answer["success"], &answer["message"]),
        (&json!(true), &json!("Session created successfully"))
    );
    let session = &answer["session"];
    let id = session["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("session_user_{}_", orchestrator.id)), "{id}");
    assert_eq!((&session["type"], &session["status"]), (&json!("user"), &json!("active")));
    assert_eq!(
        (&session["orchestratorId"], &session["vpId"]),
        (&json!(orchestrator.id), &json!(orchestrator.id))
    );
    assert_eq!(session["metadata"], metadata, "other members are kept");
    assert_eq!(session["createdAt"], session["lastActivityAt"]);
    assert_eq!(seconds(&session["createdAt"], &session["expiresAt"]), 120);
    if let Some(redis) = &platform.redis {
        let ttl: i64 = redis.command(&format!("TTL daemon:session:{id}"));
        assert!((110..=120).contains(&ttl), "{ttl}");
    }
    let listed = list(&platform, token);
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["sessions"][0], *session, "newest first");
    assert_eq!(listed["sessions"][1]["id"], login["sessionId"], "that of the login too");
    assert_eq!(listed["sessions"][1]["type"], "daemon");
}

fn a_session_that_shall_live_too_long_lives_a_month(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let lifetime = |timeout: Value| {
        let body = json!({ "orchestratorId": orchestrator.id, "type": "daemon", "timeoutSeconds": timeout });
        let session = request(&platform, "POST", &token, &body).expect(201)["session"].clone();
        seconds(&session["createdAt"], &session["expiresAt"])
    };
    assert_eq!(lifetime(json!(2_592_001)), 2_592_000);
    assert_eq!(lifetime(json!(u64::MAX)), 2_592_000);
    let body = json!({ "orchestratorId": orchestrator.id, "type": "system" });
    let session = request(&platform, "POST", &token, &body).expect(201)["session"].clone();
    assert_eq!(seconds(&session["createdAt"], &session["expiresAt"]), 604_800, "a week by itself");
}

fn what_is_wrong_with_a_session_is_named(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, other) = (organization.orchestrator(), organization.orchestrator());
    let token = orchestrator.token();
    let errors = |method: &str, body: &Value| {
        let refused = request(&platform, method, &token, body).refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["message"], "Validation failed", "nested: {refused}");
        refused["error"]["details"]["errors"].clone()
    };
    assert_eq!(errors("POST", &json!({})), json!({ "orchestratorId": ["Required"], "type": ["Required"] }));
    let wrong = json!({
        "orchestratorId": "", "type": "robot", "timeoutSeconds": 0, "metadata": { "userAgent": 1 },
    });
    assert_eq!(
        errors("POST", &wrong),
        json!({
            "orchestratorId": ["Orchestrator ID is required"],
            "type": ["Invalid enum value. Expected 'daemon' | 'user' | 'system'"],
            "timeoutSeconds": ["Number must be greater than or equal to 1"],
            "metadata": ["Expected string, received number"],
        })
    );
    assert_eq!(errors("PATCH", &json!({})), json!({ "sessionId": ["Required"] }));
    assert_eq!(
        errors("PATCH", &json!({ "sessionId": "" })),
        json!({ "sessionId": ["Session ID is required"] })
    );
    let wrong = json!({ "sessionId": "s", "status": "revoked", "extendTTL": "yes", "lastActivityAt": "now" });
    let named = errors("PATCH", &wrong);
    for field in ["status", "extendTTL", "lastActivityAt"] {
        assert_eq!(named[field].as_array().unwrap().len(), 1, "{field}: {named}");
    }
    for path in [PATH.to_owned(), format!("{PATH}?sessionId=")] {
        let refused = platform.hub.call("DELETE", &path).bearer(&token).refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["message"], "Session ID is required");
    }
    let twice = format!("{PATH}?sessionId=a&sessionId=b");
    let refused = platform.hub.call("DELETE", &twice).bearer(&token).refused(400, "VALIDATION_ERROR");
    assert_eq!(refused["error"]["code"], "VALIDATION_ERROR", "also nested: {refused}");

    let foreign = json!({ "orchestratorId": other.id, "type": "daemon" });
    request(&platform, "POST", &token, &foreign).refused(403, "FORBIDDEN");
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        let refused = platform.hub.call(method, PATH).json(&json!({})).refused(401, "UNAUTHORIZED");
        assert_eq!(refused["error"]["code"], "UNAUTHORIZED", "before anything else: {refused}");
    }
}

/// Another's session is refused, an unknown one is not found; nothing of it changes (B12, B14).
fn nobody_touches_the_session_of_another(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, other) = (organization.orchestrator(), organization.orchestrator());
    let (token, login) = (orchestrator.token(), other.login());
    let theirs = login["accessToken"].as_str().unwrap();
    let before = list(&platform, theirs);
    let session = login["sessionId"].as_str().unwrap();
    let change = |id: &str| json!({ "sessionId": id, "extendTTL": true, "status": "terminated" });
    request(&platform, "PATCH", &token, &change(session)).refused(403, "FORBIDDEN");
    let end = |id: &str| platform.hub.call("DELETE", &format!("{PATH}?sessionId={id}")).bearer(&token);
    end(session).refused(403, "FORBIDDEN");
    for unknown in [unique("session"), "x".repeat(5000), "a%20b".to_owned(), "%7B%7D".to_owned()] {
        end(&unknown).refused(404, "SESSION_NOT_FOUND");
        request(&platform, "PATCH", &token, &change(&unknown)).refused(404, "SESSION_NOT_FOUND");
    }
    assert_eq!(list(&platform, theirs), before);
    let mine = list(&platform, &token);
    assert!(mine["sessions"].as_array().unwrap().iter().all(|one| one["orchestratorId"] == orchestrator.id));
}

fn a_session_is_changed_as_documented(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let body = json!({
        "orchestratorId": orchestrator.id, "type": "system", "timeoutSeconds": 120,
        "metadata": { "kept": 1, "replaced": 1 },
    });
    let opened = request(&platform, "POST", &token, &body).expect(201)["session"].clone();
    let change = json!({
        "sessionId": opened["id"], "status": "idle", "metadata": { "replaced": { "by": 2 } },
        "lastActivityAt": "2024-01-01T02:00:00+02:00",
    });
    let answer = request(&platform, "PATCH", &token, &change).expect(200);
    assert_eq!(answer["message"], "Session updated successfully");
    let changed = &answer["session"];
    assert_eq!(changed["status"], "idle");
    assert_eq!(changed["metadata"], json!({ "kept": 1, "replaced": { "by": 2 } }));
    assert_eq!(changed["lastActivityAt"], "2024-01-01T00:00:00.000Z", "numeric offsets are understood");
    assert_eq!(changed["expiresAt"], opened["expiresAt"], "not longer unless it is asked for");
    let extend = json!({ "sessionId": opened["id"], "extendTTL": true });
    let extended = request(&platform, "PATCH", &token, &extend).expect(200)["session"].clone();
    let life = seconds(&opened["createdAt"], &extended["expiresAt"]);
    assert!((604_800..=604_860).contains(&life), "{life}");
    let over = json!({ "sessionId": opened["id"], "status": "terminated" });
    assert_eq!(request(&platform, "PATCH", &token, &over).expect(200)["session"]["status"], "terminated");
    assert_eq!(list(&platform, &token)["total"], 2, "the record stays");
}

/// B13: the original lost scopes and refresh token of a login when its session was changed.
fn changing_the_session_of_a_login_keeps_the_login_alive(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let login = organization.orchestrator().login();
    let token = login["accessToken"].as_str().unwrap();
    for change in [
        json!({ "sessionId": login["sessionId"], "status": "idle" }),
        json!({ "sessionId": login["sessionId"], "extendTTL": true, "metadata": { "a": 1 } }),
    ] {
        let session = request(&platform, "PATCH", token, &change).expect(200)["session"].clone();
        assert!(session["expiresAt"].is_string(), "{session}");
        let refresh = json!({ "refreshToken": login["refreshToken"] });
        let refreshed = platform.hub.call("POST", "/api/daemon/auth/refresh").json(&refresh).expect(200);
        assert_eq!(refreshed["scopes"], login["scopes"]);
    }
}

/// The end of a session is the end of its tokens and sockets (B10).
fn an_ended_session_takes_its_tokens_and_sockets_along(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let (login, survivor) = (orchestrator.login(), orchestrator.token());
    let token = login["accessToken"].as_str().unwrap();
    let identity = Identity::new().claiming(orchestrator.id.clone());
    let mut socket = Daemon::connect(&platform.hub, &identity.clone().with_token(token.to_owned()));
    let mut bystander = Daemon::connect(&platform.hub, &identity.named("other").with_token(survivor.clone()));
    let path = format!("{PATH}?sessionId={}", login["sessionId"].as_str().unwrap());
    let answer = platform.hub.call("DELETE", &path).bearer(token).expect(200);
    assert_eq!(answer, json!({ "success": true, "message": "Session terminated successfully" }));
    assert_eq!(socket.expect_close().code, 4006);
    platform.hub.call("GET", "/api/daemon").bearer(token).refused(401, "UNAUTHORIZED");
    platform.hub.call("DELETE", &path).bearer(&survivor).refused(404, "SESSION_NOT_FOUND");
    bystander.roundtrip();
    assert_eq!(list(&platform, &survivor)["total"], 1);
}

/// A record is read whole with every list, so it must not grow without end.
fn what_is_kept_with_a_session_is_bounded(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let large = |name: &str| json!({ name: "x".repeat(15 * 1024) });
    let body = json!({ "orchestratorId": orchestrator.id, "type": "daemon", "metadata": large("a") });
    let session = request(&platform, "POST", &token, &body).expect(201)["session"]["id"].clone();
    let again = json!({ "sessionId": session, "metadata": large("a") });
    request(&platform, "PATCH", &token, &again).expect(200);
    let more = json!({ "sessionId": session, "metadata": large("b") });
    let refused = request(&platform, "PATCH", &token, &more).refused(400, "VALIDATION_ERROR");
    assert!(refused["error"]["details"]["errors"]["metadata"].is_array(), "{refused}");
    let too_large = json!({
        "orchestratorId": orchestrator.id, "type": "daemon", "metadata": { "a": "x".repeat(17 * 1024) },
    });
    request(&platform, "POST", &token, &too_large).refused(400, "VALIDATION_ERROR");
}

/// A daemon that opens session after session keeps the hundred that were used last, its own among them.
fn sessions_are_bounded(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let hub = &platform.hub;
    let open = || {
        let body = json!({ "orchestratorId": orchestrator.id, "type": "daemon" });
        hub.call("POST", "/api/daemon/sessions").bearer(&token).json(&body).expect(201)["session"].take()
    };
    let first = open();
    (0..101).for_each(|_| drop(open()));
    let last = open();
    let listed = hub.call("GET", "/api/daemon/sessions").bearer(&token).expect(200);
    assert_eq!(listed["total"], 100);
    let ids: Vec<&Value> = listed["sessions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(ids.contains(&&last["id"]) && !ids.contains(&&first["id"]));
}

/// What the owner says of a session after a heartbeat stands until the next one.
fn a_status_that_is_set_after_a_heartbeat_stands(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let hub = &platform.hub;
    let body = json!({ "orchestratorId": orchestrator.id, "type": "daemon" });
    let opened = hub.call("POST", "/api/daemon/sessions").bearer(&token).json(&body).expect(201);
    let id = &opened["session"]["id"];
    let beat = json!({ "sessionId": id, "status": "active" });
    hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&beat).expect(200);
    let change = json!({ "sessionId": id, "status": "idle" });
    let changed = hub.call("PATCH", "/api/daemon/sessions").bearer(&token).json(&change).expect(200);
    assert_eq!(changed["session"]["status"], "idle");
    assert!(changed["session"]["lastHeartbeat"].is_string());
}

on_both_stands!(
    a_status_that_is_set_after_a_heartbeat_stands,
    sessions_are_bounded,
    a_session_is_opened_and_listed_as_documented,
    a_session_that_shall_live_too_long_lives_a_month,
    what_is_wrong_with_a_session_is_named,
    nobody_touches_the_session_of_another,
    a_session_is_changed_as_documented,
    changing_the_session_of_a_login_keeps_the_login_alive,
    an_ended_session_takes_its_tokens_and_sockets_along,
    what_is_kept_with_a_session_is_bounded,
);

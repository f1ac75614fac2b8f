//! Registering a daemon, and taking it off the list (contract 1.1, 1.3, 1.22, 1.23).

use serde_json::{Value, json};

use crate::support::{
    eventually::eventually,
    identity::{Identity, unique},
    platform::{Orchestrator, Platform, Stand, on_both_stands},
    socket::Daemon,
};

/// The two paths that register, with their code for a wrong body.
const PATHS: [(&str, &str); 2] =
    [("/api/daemon", "VALIDATION_ERROR"), ("/api/daemon/register", "REGISTER_VALIDATION_ERROR")];

#[track_caller]
fn assert_nested(body: &Value) {
    for name in ["code", "message"] {
        assert_eq!(body["error"][name], body[name], "{body}");
    }
}

fn every_wrong_field_of_a_registration_is_named(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    for (path, code) in PATHS {
        let errors = |body: &Value| {
            let refused = platform.hub.call("POST", path).json(body).refused(400, code);
            assert_nested(&refused);
            assert_eq!(refused["message"], "Validation failed");
            refused["error"]["details"]["errors"].clone()
        };
        let required = json!(["Required"]);
        let missing = json!({
            "orchestratorId": required, "organizationId": required, "apiKey": required,
            "daemonInfo": required,
        });
        assert_eq!(errors(&json!({ "unknown": "members are ignored" })), missing);
        let empty = json!({
            "orchestratorId": "", "organizationId": "", "apiKey": "", "daemonInfo": {
                "instanceId": "", "version": "", "host": "", "port": 0, "protocol": "ftp",
                "startedAt": "2024-01-01",
            },
        });
        let errors_of_empty = errors(&empty);
        assert_eq!(errors_of_empty["orchestratorId"], json!(["Orchestrator ID is required"]));
        assert_eq!(errors_of_empty["organizationId"], json!(["Organization ID is required"]));
        assert_eq!(errors_of_empty["apiKey"], json!(["API key is required"]));
        let mut nested: Vec<_> = errors_of_empty["daemonInfo"].as_array().unwrap().iter().collect();
        nested.sort_by_key(ToString::to_string);
        let expected = [
            "Host is required",
            "Instance ID is required",
            "Invalid datetime",
            "Invalid enum value. Expected 'http' | 'https' | 'ws' | 'wss'",
            "Number must be greater than or equal to 1",
            "Version is required",
        ];
        assert_eq!(nested, expected, "all under the name of the top-level field");
        for no_object in [json!([]), json!("text"), json!(17), json!(null)] {
            assert_eq!(errors(&no_object), json!({}), "{no_object}");
        }
        let mut wrong = orchestrator.registration("one");
        wrong["daemonInfo"]["port"] = json!(65_536);
        let over = json!({ "daemonInfo": ["Number must be less than or equal to 65535"] });
        assert_eq!(errors(&wrong), over);
        wrong["daemonInfo"] = json!(null);
        assert_eq!(errors(&wrong), json!({ "daemonInfo": ["Expected object, received null"] }));
        let bad = platform.hub.call("POST", path).text("{").refused(400, code);
        assert_nested(&bad);
        assert_eq!(bad["message"], "Invalid JSON body");
    }
}

/// Whoever has no good key gets one answer whatever exists (B17), and whoever has one may know what is
/// wrong as far as the own organization goes.
fn what_exists_is_told_to_holders_of_a_key_only(stand: Stand) {
    let platform = stand.start();
    let (organization, elsewhere) = (platform.organization(), platform.organization());
    let (own, colleague) = (organization.orchestrator(), organization.orchestrator());
    let stranger = elsewhere.orchestrator();
    let register = |named: &str, organization: &str, key: &str, name: &str| {
        let mut body = own.registration("one");
        body.as_object_mut().unwrap().remove("orchestratorId");
        body[name] = named.into();
        body["organizationId"] = organization.into();
        body["apiKey"] = key.into();
        platform.hub.call("POST", "/api/daemon").json(&body)
    };
    let guess = unique("vp");
    let of_existing =
        register(&own.id, &organization.id, &guess, "orchestratorId").refused(401, "UNAUTHORIZED");
    let of_nobody = register(&unique("vp"), &organization.id, &guess, "vpId").refused(401, "UNAUTHORIZED");
    assert_eq!(of_existing, of_nobody);
    assert_nested(&of_nobody);

    let with_own_key = |named: &str, name: &str| register(named, &organization.id, &own.key, name);
    let absent = with_own_key(&unique("vp"), "orchestratorId").refused(404, "ORCHESTRATOR_NOT_FOUND");
    let foreign = with_own_key(&stranger.id, "orchestratorId").refused(404, "ORCHESTRATOR_NOT_FOUND");
    assert_eq!(absent, foreign, "another tenant's orchestrator is nobody");
    assert_nested(&absent);
    with_own_key(&unique("vp"), "vpId").refused(404, "VP_NOT_FOUND");
    with_own_key(&colleague.id, "vpId").refused(403, "FORBIDDEN");
    register(&own.id, &elsewhere.id, &own.key, "vpId").refused(403, "FORBIDDEN");
    with_own_key(&own.id, "vpId").expect(201);
}

/// Only another instance, and only while the first one sends heartbeats (B16, contract C35).
fn a_second_instance_waits_until_the_first_is_silent(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let register =
        |instance: &str| platform.hub.call("POST", "/api/daemon").json(&orchestrator.registration(instance));
    register("first").expect(201);
    register("second").expect(201);
    let token = orchestrator.token();
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).expect(200);
    register("second").expect(201);
    let refused = register("third").refused(409, "DAEMON_ALREADY_REGISTERED");
    assert_nested(&refused);
    assert_eq!(refused["error"]["details"], json!({ "existingInstanceId": "second" }));
    platform.hub.call("DELETE", "/api/daemon").bearer(&token).expect(200);
    register("third").expect(201);
}

fn both_names_of_an_orchestrator_are_taken_unless_they_contradict(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let mut body = orchestrator.registration("one");
    body["vpId"] = json!(orchestrator.id);
    platform.hub.call("POST", "/api/daemon").json(&body).expect(201);
    body["vpId"] = json!("another");
    let refused = platform.hub.call("POST", "/api/daemon").json(&body).refused(400, "VALIDATION_ERROR");
    assert!(refused["error"]["details"]["errors"]["orchestratorId"].is_array(), "{refused}");
}

fn a_registration_is_answered_as_documented(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    for (path, _) in PATHS {
        let mut body = orchestrator.registration("one");
        body["daemonInfo"]["metadata"] = json!({ "any": ["thing"] });
        let answer = platform.hub.call("POST", path).json(&body).expect(201);
        let data = &answer["data"];
        let registered_at = data["registeredAt"].as_str().unwrap();
        assert_eq!(registered_at.len(), "2024-01-01T00:00:00.000Z".len(), "{registered_at}");
        assert!(registered_at.ends_with('Z'), "{registered_at}");
        let mut info = body["daemonInfo"].clone();
        info["registeredAt"] = json!(registered_at);
        let expected = json!({
            "success": true, "message": "Daemon registered successfully", "data": {
                "orchestratorId": orchestrator.id, "vpId": orchestrator.id,
                "organizationId": organization.id, "registeredAt": registered_at, "daemonInfo": info,
                "heartbeatInterval": 30000,
                "healthCheckEndpoint": format!("/api/daemon/health/{}", orchestrator.id),
            },
        });
        assert_eq!(answer, expected);
        if let Some(redis) = &platform.redis {
            let key = format!("daemon:registration:{}", orchestrator.id);
            let record: Value =
                serde_json::from_str(&redis.command::<String>(&format!("GET {key}"))).unwrap();
            for member in ["host", "port", "protocol", "instanceId", "version", "startedAt", "capabilities"] {
                assert_eq!(record[member], info[member], "{member}");
            }
            assert_eq!((&record["orchestratorId"], &record["vpId"]), (&data["vpId"], &data["vpId"]));
            let ttl: i64 = redis.command(&format!("TTL {key}"));
            assert!((604_700..=604_800).contains(&ttl), "{ttl}");
        }
    }
    eventually(|| status_of(&platform, &orchestrator) == "ONLINE", "the registered daemon is online");
}

fn status_of(platform: &Platform, orchestrator: &Orchestrator<'_>) -> String {
    platform.database.orchestrator(&orchestrator.id, None).unwrap().unwrap().status
}

/// Either way of leaving does all of it (contract C45).
fn whoever_leaves_leaves_nothing_behind(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let hub = &platform.hub;
    for by_key in [false, true] {
        let orchestrator = organization.orchestrator();
        hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")).expect(201);
        let login = orchestrator.login();
        let token = login["accessToken"].as_str().unwrap();
        let beat = json!({ "metrics": { "queueDepth": 1 } });
        hub.call("POST", "/api/daemon/heartbeat").bearer(token).json(&beat).expect(200);
        let identity = Identity::new().claiming(orchestrator.id.clone()).with_token(token.to_owned());
        let mut socket = Daemon::connect(hub, &identity);
        if let Some(redis) = &platform.redis {
            let seen = || redis.command(&format!("HEXISTS presence:vp:{} daemonInfo", orchestrator.id));
            eventually(seen, "the socket is noted");
        }
        if by_key {
            let body =
                json!({ "vpId": orchestrator.id, "apiKey": orchestrator.key, "reason": "maintenance" });
            let answer = hub.call("POST", "/api/daemon/unregister").json(&body).expect(200);
            assert_eq!(answer["message"], "Daemon unregistered successfully");
            assert_eq!(answer["data"]["reason"], "maintenance");
            assert_eq!(answer["data"]["orchestratorId"], answer["data"]["vpId"]);
            assert!(answer["data"]["unregisteredAt"].is_string(), "{answer}");
        } else {
            hub.call("DELETE", "/api/daemon").bearer(token).expect(200);
        }
        assert_eq!(socket.expect_close().code, 4006);
        hub.call("POST", "/api/daemon/heartbeat").bearer(token).refused(401, "UNAUTHORIZED");
        hub.call("GET", "/api/daemon").bearer(token).refused(401, "UNAUTHORIZED");
        let refresh = json!({ "refreshToken": login["refreshToken"] });
        hub.call("POST", "/api/daemon/auth/refresh").json(&refresh).refused(401, "TOKEN_REVOKED");
        eventually(|| status_of(&platform, &orchestrator) == "OFFLINE", "whoever left is offline");
        if let Some(redis) = &platform.redis {
            for kind in ["registration", "heartbeat", "metrics"] {
                let key = format!("daemon:{kind}:{}", orchestrator.id);
                assert_eq!(redis.command::<i64>(&format!("EXISTS {key}")), 0, "{key}");
            }
            let session = login["sessionId"].as_str().unwrap();
            for key in [format!("routing:session:{}", orchestrator.id), format!("daemon:session:{session}")] {
                assert_eq!(redis.command::<i64>(&format!("EXISTS {key}")), 0, "{key}");
            }
        }
        // Being offline stands in nobody's way (contract C36).
        let again = orchestrator.token();
        hub.call("GET", "/api/daemon").bearer(&again).expect(200);
    }
}

fn an_unregistration_by_key_is_checked_like_a_registration(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let (orchestrator, colleague) = (organization.orchestrator(), organization.orchestrator());
    let unregister = |body: &Value| platform.hub.call("POST", "/api/daemon/unregister").json(body);
    let refused = unregister(&json!({ "reason": "boredom" })).refused(400, "UNREGISTER_VALIDATION_ERROR");
    assert_nested(&refused);
    let errors = &refused["error"]["details"]["errors"];
    assert_eq!(errors["orchestratorId"], json!(["Required"]));
    assert_eq!(errors["apiKey"], json!(["Required"]));
    assert!(errors["reason"][0].as_str().unwrap().starts_with("Invalid enum value"), "{errors}");
    let of = |id: &str, key: &str| json!({ "orchestratorId": id, "apiKey": key });
    assert_nested(&unregister(&of(&orchestrator.id, "vp_guessed")).refused(401, "UNAUTHORIZED"));
    unregister(&of(&colleague.id, &orchestrator.key)).refused(403, "FORBIDDEN");
    unregister(&of(&unique("vp"), &orchestrator.key)).refused(404, "ORCHESTRATOR_NOT_FOUND");
    let answer = unregister(&of(&orchestrator.id, &orchestrator.key)).expect(200);
    assert_eq!(answer["data"]["reason"], "unknown", "unless it is said");
}

on_both_stands!(
    every_wrong_field_of_a_registration_is_named,
    what_exists_is_told_to_holders_of_a_key_only,
    a_second_instance_waits_until_the_first_is_silent,
    both_names_of_an_orchestrator_are_taken_unless_they_contradict,
    a_registration_is_answered_as_documented,
    whoever_leaves_leaves_nothing_behind,
    an_unregistration_by_key_is_checked_like_a_registration,
);

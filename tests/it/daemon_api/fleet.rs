//! Daemons without an orchestrator, watched with the operator's key (contract 1.24), as the second
//! document shows it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    call::Call,
    hub::{ADMIN_KEY, Hub},
    identity::unique,
    platform::{Stand, on_both_stands},
    redis::RedisServer,
};

fn registration(daemon: &str) -> Value {
    json!({
        "daemonId": daemon, "version": "2.2", "capabilities": ["queue", "cron"], "pollInterval": 5000,
        "registeredAt": "2026-01-25T12:00:00Z",
    })
}

fn heartbeat(daemon: &str) -> Value {
    json!({
        "daemonId": daemon, "status": "healthy", "tasksProcessed": 42, "currentTask": "evt_123",
        "lastHeartbeat": "2026-01-25T12:05:00Z",
    })
}

fn post<'a>(hub: &'a Hub, what: &str, body: &Value) -> Call<'a> {
    hub.call("POST", &format!("/api/daemon/{what}")).operator().json(body)
}

fn health(hub: &Hub) -> Value {
    hub.call("GET", "/api/daemon/health").operator().expect(200)
}

/// The four commands of the document, word by word but for the host.
const SCRIPT: &str = r#"
curl -X POST https://workers-hub.example.com/api/daemon/register \
  -H "X-API-Key: $ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "daemonId": "daemon_test_1",
    "version": "2.2",
    "capabilities": ["queue"],
    "pollInterval": 5000,
    "registeredAt": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"
  }'
echo
curl -X POST https://workers-hub.example.com/api/daemon/heartbeat \
  -H "X-API-Key: $ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "daemonId": "daemon_test_1",
    "status": "healthy",
    "tasksProcessed": 10,
    "lastHeartbeat": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"
  }'
echo
curl https://workers-hub.example.com/api/daemon/health \
  -H "X-API-Key: $ADMIN_API_KEY"
echo
"#;

fn the_commands_of_the_document_work_as_printed(stand: Stand) {
    let platform = stand.start();
    let script = SCRIPT.replace("https://workers-hub.example.com", &platform.hub.url(""));
    let output = Command::new("sh").arg("-c").arg(script).env("ADMIN_API_KEY", ADMIN_KEY).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let said: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [registered, beaten, health] = said.as_slice() else { panic!("{printed}") };
    let at = &registered["registeredAt"];
    assert_eq!(*registered, json!({ "success": true, "daemonId": "daemon_test_1", "registeredAt": at }));
    assert_eq!(*beaten, json!({ "success": true }));
    let heard = &health["activeDaemons"][0]["lastHeartbeat"];
    let state = json!({
        "daemonId": "daemon_test_1", "version": "2.2", "capabilities": ["queue"], "pollInterval": 5000,
        "registeredAt": at, "lastHeartbeat": heard, "status": "healthy", "tasksProcessed": 10,
    });
    assert_eq!(*health, json!({ "activeDaemons": [state], "stale": [], "totalActive": 1 }));
}

fn a_fleet_daemon_is_shown_as_it_last_was(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    assert_eq!(health(hub), json!({ "activeDaemons": [], "stale": [], "totalActive": 0 }));
    let mut new = registration("one");
    new["capabilities"] = json!([]);
    let answer = post(hub, "register", &new).expect(201);
    let echo = json!({ "success": true, "daemonId": "one", "registeredAt": "2026-01-25T12:00:00Z" });
    assert_eq!(answer, echo);
    let first = health(hub)["activeDaemons"][0].clone();
    assert_eq!((&first["status"], &first["tasksProcessed"]), (&json!("healthy"), &json!(0)));
    // B44: the hub's own clock counts, not the daemon's.
    assert_ne!(first["lastHeartbeat"], first["registeredAt"]);
    let most = 9_007_199_254_740_991_u64;
    for (status, tasks) in [("degraded", 43), ("unhealthy", most)] {
        let mut beat = heartbeat("one");
        beat["status"] = json!(status);
        beat["tasksProcessed"] = json!(tasks);
        assert_eq!(post(hub, "heartbeat", &beat).expect(200), json!({ "success": true }));
        let shown = health(hub)["activeDaemons"][0].clone();
        assert_eq!((&shown["status"], &shown["tasksProcessed"]), (&json!(status), &json!(tasks)));
        assert_eq!((&shown["currentTask"], &shown["capabilities"]), (&json!("evt_123"), &json!([])));
        assert!(shown["lastHeartbeat"].as_str() >= first["lastHeartbeat"].as_str(), "{shown}");
    }
    post(hub, "register", &registration("one")).expect(201);
    let again = health(hub)["activeDaemons"][0].clone();
    assert_eq!((&again["tasksProcessed"], again.get("currentTask")), (&json!(0), None), "as new");
    assert_eq!(health(hub)["totalActive"], 1);
}

fn a_fleet_daemon_that_nobody_knows_must_register(stand: Stand) {
    let platform = stand.start();
    let refused =
        post(&platform.hub, "heartbeat", &heartbeat("stranger")).refused(404, "DAEMON_NOT_REGISTERED");
    assert_eq!(refused["error"], "Daemon not registered");
    assert_eq!(health(&platform.hub)["totalActive"], 0);
}

fn what_is_wrong_with_a_fleet_daemon_is_said_in_its_shape(stand: Stand) {
    let platform = stand.start();
    for what in ["register", "heartbeat"] {
        let refused =
            post(&platform.hub, what, &json!({ "daemonId": "one" })).refused(400, "VALIDATION_ERROR");
        assert!(refused["error"].is_string(), "{refused}");
        let errors = refused["details"]["errors"].as_object().unwrap();
        assert!(errors.values().all(|messages| *messages == json!(["Required"])), "{refused}");
        assert_eq!(errors.len(), if what == "register" { 4 } else { 3 }, "{refused}");
    }
    for id in ["", "a b", "{a}", &"x".repeat(129)] {
        post(&platform.hub, "register", &registration(id)).refused(400, "VALIDATION_ERROR");
    }
    let mut beat = heartbeat("one");
    beat["status"] = json!("active");
    post(&platform.hub, "heartbeat", &beat).refused(400, "VALIDATION_ERROR");
}

/// Which form a request has depends on header and body, and on nothing else (contract C5, C6).
fn two_kinds_of_daemons_share_two_paths(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let (hub, token) = (&platform.hub, orchestrator.token());
    post(hub, "register", &orchestrator.registration("one")).expect(201);
    post(hub, "register", &registration("member")).bearer(&token).expect(201);
    let answer = post(hub, "heartbeat", &heartbeat("member")).bearer(&token).expect(200);
    assert_eq!(answer, json!({ "success": true }), "the body decides, beside both credentials");
    let answer = post(hub, "heartbeat", &json!({ "status": "busy" })).bearer(&token).expect(200);
    assert_eq!(answer["data"]["orchestratorId"], json!(orchestrator.id));
    for name in ["orchestratorId", "vpId"] {
        let mut body = heartbeat("member");
        body[name] = json!(orchestrator.id);
        body["status"] = json!("busy");
        let answer = post(hub, "heartbeat", &body).bearer(&token).expect(200);
        assert_eq!(answer["data"]["orchestratorId"], json!(orchestrator.id));
    }
    let without = hub.call("POST", "/api/daemon/register").json(&registration("member"));
    without.refused(400, "REGISTER_VALIDATION_ERROR");
}

fn nobody_sees_the_fleet_without_the_key(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let call = |method: &str, what: &str| platform.hub.call(method, &format!("/api/daemon/{what}"));
    let wrong = call("POST", "register").header("x-api-key", "guess").json(&registration("one"));
    let refused = wrong.refused(401, "UNAUTHORIZED");
    assert_eq!(refused["error"], "Unauthorized");
    let wrong = call("POST", "heartbeat").header("x-api-key", "guess").json(&heartbeat("one"));
    assert_eq!(wrong.refused(401, "UNAUTHORIZED"), refused);
    assert_eq!(call("GET", "health").bearer(&token).refused(401, "UNAUTHORIZED"), refused);
    assert_eq!(health(&platform.hub)["totalActive"], 0);
}

#[test]
fn without_a_configured_key_the_fleet_is_closed() {
    let redis = RedisServer::start();
    let hub = Hub::setup().redis(&redis).without_env("ADMIN_API_KEY").start();
    let empty =
        |method: &str, what: &str| hub.call(method, &format!("/api/daemon/{what}")).header("x-api-key", "");
    empty("GET", "health").refused(503, "SERVICE_UNAVAILABLE");
    empty("POST", "register").json(&registration("one")).refused(503, "SERVICE_UNAVAILABLE");
    empty("POST", "heartbeat").json(&heartbeat("one")).refused(503, "SERVICE_UNAVAILABLE");
    hub.call("GET", "/api/daemon/health").refused(503, "SERVICE_UNAVAILABLE");
}

/// Without Redis the fleet's memory cannot be aged from outside: the backplane's own tests show the
/// same with a clock of theirs.
#[test]
fn a_silent_fleet_daemon_is_listed_as_stale_and_must_register_again() {
    let platform = Stand::Servers.start();
    let (hub, redis) = (&platform.hub, platform.redis.as_ref().unwrap());
    let (silent, fresh) = (unique("silent"), unique("z_fresh"));
    for daemon in [&silent, &fresh] {
        post(hub, "register", &registration(daemon)).expect(201);
        post(hub, "heartbeat", &heartbeat(daemon)).expect(200);
    }
    let ttl: i64 = redis.command(&format!("TTL daemon:state:{silent}"));
    assert!((50..=60).contains(&ttl), "{ttl}");
    let known = health(hub)["activeDaemons"][0].clone();
    let aged: i64 = redis.command(&format!("ZADD daemon:fleet:active INCR -61000 {silent}"));
    assert!(aged > 0);
    let _: i64 = redis.command(&format!("DEL daemon:state:{silent}"));
    let seen = health(hub);
    assert_eq!(seen["stale"], json!([known]), "whole, as it last was");
    assert_eq!((&seen["totalActive"], &seen["activeDaemons"][0]["daemonId"]), (&json!(1), &json!(fresh)));
    assert_eq!(health(hub), seen, "B44: looking changes nothing");
    post(hub, "heartbeat", &heartbeat(&silent)).refused(404, "DAEMON_NOT_REGISTERED");
    post(hub, "register", &registration(&silent)).expect(201);
    assert_eq!(health(hub)["totalActive"], 2);
}

/// B44: members that come at the same time do not push each other out.
fn members_that_register_together_are_all_there(stand: Stand) {
    let platform = stand.start();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let hub = &platform.hub;
            scope.spawn(move || {
                for number in 0..5 {
                    post(hub, "register", &registration(&format!("member_{thread}_{number}"))).expect(201);
                }
            });
        }
    });
    assert_eq!(health(&platform.hub)["totalActive"], 20);
}

on_both_stands!(
    the_commands_of_the_document_work_as_printed,
    a_fleet_daemon_is_shown_as_it_last_was,
    a_fleet_daemon_that_nobody_knows_must_register,
    what_is_wrong_with_a_fleet_daemon_is_said_in_its_shape,
    two_kinds_of_daemons_share_two_paths,
    nobody_sees_the_fleet_without_the_key,
    members_that_register_together_are_all_there,
);

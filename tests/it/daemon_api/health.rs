//! How an orchestrator's daemon is (contract 1.25).

use serde_json::{Value, json};

use crate::support::{
    hub::Hub,
    identity::{Identity, unique},
    platform::{Stand, on_both_stands},
    redis::RedisServer,
};

fn path(orchestrator: &str) -> String {
    format!("/api/daemon/health/{orchestrator}")
}

fn a_colleague_and_the_operator_see_how_a_daemon_is(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    let organization = platform.organization();
    let (orchestrator, colleague) = (organization.orchestrator(), organization.orchestrator());
    let colleagues = colleague.token();
    let look = || {
        let seen = hub.call("GET", &path(&orchestrator.id)).bearer(&colleagues).expect(200);
        assert_eq!(hub.call("GET", &path(&orchestrator.id)).operator().expect(200), seen);
        seen["data"].clone()
    };
    let unseen = look();
    assert_eq!((&unseen["status"], &unseen["healthy"]), (&json!("unknown"), &json!(false)));
    for name in ["lastHeartbeat", "metrics", "daemonInfo"] {
        assert_eq!(unseen.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(unseen["missedHeartbeats"], 0);

    hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")).expect(201);
    let token = orchestrator.token();
    let beat = |metrics: Value| {
        let body = json!({ "metrics": metrics });
        hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&body).expect(200)
    };
    let answer = beat(json!({ "cpuUsage": 10 }));
    let seen = look();
    assert_eq!((&seen["status"], &seen["healthy"]), (&json!("healthy"), &json!(true)));
    assert_eq!((&seen["lastHeartbeat"], &seen["missedHeartbeats"]), (&answer["serverTime"], &json!(0)));
    assert_eq!((&seen["orchestratorId"], &seen["vpId"]), (&json!(orchestrator.id), &json!(orchestrator.id)));
    assert!(seen["details"].is_string(), "{seen}");
    assert_eq!(seen["metrics"]["cpuUsagePercent"], 10);
    let info = json!({
        "instanceId": "one", "version": "1.0.0", "host": "localhost", "port": 8080, "protocol": "http",
        "startedAt": "2024-01-01T00:00:00Z",
    });
    assert_eq!(seen["daemonInfo"], info);
    let shown = &seen["orchestrator"];
    assert_eq!((&shown["id"], &shown["discipline"]), (&json!(orchestrator.id), &json!("engineering")));
    assert_eq!(shown["user"]["id"], json!(orchestrator.user));
    assert_eq!(shown["organization"]["id"], json!(organization.id));

    for strained in
        [json!({ "cpuUsage": 91 }), json!({ "memoryUsage": 90.5 }), json!({ "messageQueueSize": 1001 })]
    {
        beat(strained.clone());
        assert_eq!(look()["status"], "degraded", "{strained}");
    }
}

/// Every orchestrator that the caller may not see is nobody.
fn another_tenant_sees_nothing(stand: Stand) {
    let platform = stand.start();
    let (organization, elsewhere) = (platform.organization(), platform.organization());
    let orchestrator = organization.orchestrator();
    let stranger = elsewhere.orchestrator().token();
    let look = |id: &str| {
        let refused =
            platform.hub.call("GET", &path(id)).bearer(&stranger).refused(404, "ORCHESTRATOR_NOT_FOUND");
        assert_eq!(refused["error"]["code"], "ORCHESTRATOR_NOT_FOUND", "nested: {refused}");
        refused
    };
    let foreign = look(&orchestrator.id);
    for nobody in
        [unique("vp"), "x".repeat(3000), "%2e%2e".to_owned(), "a%2fb".to_owned(), "a%0d%0ab".to_owned()]
    {
        assert_eq!(look(&nobody), foreign, "{nobody}");
    }
    platform.hub.call("GET", &path(&unique("vp"))).operator().refused(404, "ORCHESTRATOR_NOT_FOUND");
}

fn nobody_looks_without_a_credential(stand: Stand) {
    let platform = stand.start();
    let path = path("vp_1");
    let refused = platform.hub.call("GET", &path).refused(401, "UNAUTHORIZED");
    assert_eq!(refused["error"]["message"], "Authentication required");
    platform.hub.call("GET", &path).header("x-api-key", "guess").refused(401, "UNAUTHORIZED");
    platform.hub.call("GET", &path).bearer("no.such.token").refused(401, "UNAUTHORIZED");
}

/// A hub without the operator's key still serves daemons, and asks others to authenticate.
#[test]
fn without_a_configured_key_only_tokens_open_it() {
    let redis = RedisServer::start();
    let hub = Hub::setup().redis(&redis).without_env("ADMIN_API_KEY").start();
    hub.call("GET", &path("vp_1")).refused(401, "UNAUTHORIZED");
    hub.call("GET", &path("vp_1")).operator().refused(503, "SERVICE_UNAVAILABLE");
    let identity = Identity::new().with_claim("organizationId", "org_1");
    let own = path(&identity.orchestrator);
    hub.call("GET", &own).bearer(&identity.token).refused(404, "ORCHESTRATOR_NOT_FOUND");
}

/// The steps from healthy to unhealthy: one missed heartbeat more each 30 s.
#[test]
fn silence_makes_a_daemon_degraded_then_unhealthy() {
    let platform = Stand::Servers.start();
    let redis = platform.redis.as_ref().unwrap();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let key = format!("daemon:heartbeat:{}", orchestrator.id);
    for (silent, status, missed, healthy) in [
        (31, "healthy", 0, true),
        (61, "degraded", 1, true),
        (91, "degraded", 2, true),
        (121, "unhealthy", 3, false),
    ] {
        let at = chrono::Utc::now() - chrono::TimeDelta::seconds(silent);
        let record = json!({ "orchestratorId": orchestrator.id, "receivedAt": at.to_rfc3339() }).to_string();
        let _: String = redis.run(&["SET", &key, &record]);
        let seen =
            platform.hub.call("GET", &path(&orchestrator.id)).bearer(&token).expect(200)["data"].clone();
        let shown = (&seen["status"], &seen["missedHeartbeats"], &seen["healthy"]);
        assert_eq!(shown, (&json!(status), &json!(missed), &json!(healthy)), "after {silent} s");
    }
}

on_both_stands!(
    a_colleague_and_the_operator_see_how_a_daemon_is,
    another_tenant_sees_nothing,
    nobody_looks_without_a_credential,
);

//! The documented lifecycle of a daemon, step by step as it is printed.

use serde_json::json;

use crate::support::platform::{Stand, on_both_stands};

/// What the first document shows, with its names.
fn a_daemon_lives_as_documented(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let hub = &platform.hub;

    let mut registration = orchestrator.registration("daemon_001");
    registration["vpId"] = registration["orchestratorId"].take();
    registration.as_object_mut().unwrap().remove("orchestratorId");
    let registered = hub.call("POST", "/api/daemon").json(&registration).expect(201);
    assert_eq!(registered["success"], true);
    assert_eq!(registered["message"], "Daemon registered successfully");
    let data = &registered["data"];
    assert_eq!((&data["vpId"], &data["orchestratorId"]), (&json!(orchestrator.id), &json!(orchestrator.id)));
    assert_eq!(data["heartbeatInterval"], 30000);
    assert_eq!(data["healthCheckEndpoint"], format!("/api/daemon/health/{}", orchestrator.id));
    assert_eq!(data["daemonInfo"]["instanceId"], "daemon_001");
    assert_eq!(data["daemonInfo"]["registeredAt"], data["registeredAt"]);

    let login = json!({
        "apiKey": orchestrator.key, "apiSecret": orchestrator.secret,
        "scopes": ["messages:read", "messages:write"],
    });
    let auth = hub.call("POST", "/api/daemon/auth").json(&login).expect(200);
    let token = auth["accessToken"].as_str().unwrap();

    let create = json!({
        "vpId": orchestrator.id, "type": "daemon", "metadata": { "userAgent": "Orchestrator-Daemon/1.0.0" },
    });
    let created = hub.call("POST", "/api/daemon/sessions").bearer(token).json(&create).expect(201);
    let session = created["session"]["id"].as_str().unwrap();

    let beat = json!({
        "sessionId": session, "status": "active",
        "metrics": { "memoryUsageMB": 256, "cpuUsagePercent": 15.5, "activeConnections": 5 },
    });
    let beaten = hub.call("POST", "/api/daemon/heartbeat").bearer(token).json(&beat).expect(200);
    assert_eq!((&beaten["success"], &beaten["heartbeatIntervalMs"]), (&json!(true), &json!(30000)));

    let status = hub.call("GET", "/api/daemon").bearer(token).expect(200)["data"].take();
    assert_eq!((&status["vpId"], &status["status"]), (&json!(orchestrator.id), &json!("online")));
    assert_eq!(status["metrics"]["memoryUsageMB"], 256);
    assert_eq!(status["session"]["id"], auth["sessionId"]);

    let gone = hub.call("DELETE", "/api/daemon").bearer(token).expect(200);
    assert_eq!(gone, json!({ "success": true, "message": "Daemon unregistered successfully" }));
    hub.call("GET", "/api/daemon").bearer(token).refused(401, "UNAUTHORIZED");
    // Nothing stands in the way of the next life.
    hub.call("POST", "/api/daemon").json(&registration).expect(201);
    orchestrator.token();
}

on_both_stands!(a_daemon_lives_as_documented);

//! What the original did to Redis, and with ids in it.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    identity::unique,
    platform::{Stand, on_both_stands},
};

/// B11, B27, B37: a daemon's whole life, and never a look at every key there is.
#[test]
fn no_request_looks_through_all_keys() {
    let platform = Stand::Servers.start();
    let redis = platform.redis.as_ref().unwrap();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator().in_channel();
    let hub = &platform.hub;
    hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")).expect(201);
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let call = |method: &str, path: &str| hub.call(method, &format!("/api/daemon{path}")).bearer(token);
    call("POST", "/sessions").json(&json!({ "vpId": orchestrator.id, "type": "user" })).expect(201);
    call("POST", "/heartbeat").expect(200);
    call("PUT", "/presence").json(&json!({ "status": "busy" })).expect(200);
    call("PUT", "/status").json(&json!({ "status": "active" })).expect(200);
    for path in ["", "/sessions", "/config", "/channels", "/events"] {
        call("GET", path).expect(200);
    }
    call("GET", &format!("/health/{}", orchestrator.id)).expect(200);
    hub.call("GET", "/api/daemon/health").operator().expect(200);
    call("DELETE", &format!("/sessions?sessionId={}", login["sessionId"].as_str().unwrap())).expect(200);
    let body = json!({ "orchestratorId": orchestrator.id, "apiKey": orchestrator.key });
    hub.call("POST", "/api/daemon/unregister").json(&body).expect(200);
    let used: String = redis.command("INFO commandstats");
    assert!(used.contains("cmdstat_get:"), "it was asked: {used}");
    assert!(!used.contains("cmdstat_keys:"), "{used}");
}

/// B12.
fn an_id_within_another_is_another_id(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let short = unique("vp");
    let ids = [short.clone(), format!("{short}_2"), format!("x_{short}"), format!("{short}*")];
    let orchestrators = ids.map(|id| organization.orchestrator_called(id, json!([])));
    let tokens = orchestrators.each_ref().map(|orchestrator| orchestrator.token());
    for (orchestrator, token) in orchestrators.iter().zip(&tokens) {
        let listed = platform.hub.call("GET", "/api/daemon/sessions").bearer(token).expect(200);
        assert_eq!(listed["total"], 1, "{listed}");
        assert_eq!(listed["sessions"][0]["orchestratorId"], json!(orchestrator.id));
    }
}

/// B16: who comes first is decided in one step, so that both are told the same.
fn of_two_instances_that_register_at_once_one_stays(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).expect(200);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let register = |number: usize| {
            let body = orchestrator.registration(&format!("instance_{number}"));
            let hub = &platform.hub;
            scope.spawn(move || hub.call("POST", "/api/daemon").json(&body).send().status)
        };
        let threads: Vec<_> = (0..6).map(register).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
}

/// B32: the original kept all revocations in one set with the end of the last one.
fn a_revocation_does_not_shorten_another(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let logins: Vec<Value> = (0..3).map(|_| orchestrator.login()).collect();
    for login in &logins {
        let path = format!("/api/daemon/sessions?sessionId={}", login["sessionId"].as_str().unwrap());
        let token = login["accessToken"].as_str().unwrap();
        platform.hub.call("DELETE", &path).bearer(token).expect(200);
    }
    for login in &logins {
        let token = login["accessToken"].as_str().unwrap();
        platform.hub.call("GET", "/api/daemon").bearer(token).refused(401, "UNAUTHORIZED");
        if let Some(redis) = &platform.redis {
            let session = login["sessionId"].as_str().unwrap();
            let ttl: i64 = redis.command(&format!("TTL daemon:tokens:revoked:{session}"));
            assert!(ttl > 604_700, "as long as its last token could live: {ttl}");
        }
    }
}

/// B36: a registration is not a lock.
fn a_daemon_registers_again_after_the_hub_died(stand: Stand) {
    let mut platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let registration = orchestrator.registration("one");
    let token = orchestrator.token();
    let id = orchestrator.id.clone();
    platform.hub.call("POST", "/api/daemon").json(&registration).expect(201);
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).expect(200);
    platform.hub.restart();
    platform.hub.call("POST", "/api/daemon").json(&registration).expect(201);
    // The login survived too.
    let own = platform.hub.call("GET", "/api/daemon").bearer(&token).expect(200);
    assert_eq!(own["data"]["orchestratorId"], json!(id));
    assert!(own["data"]["session"]["id"].is_string(), "{own}");
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).expect(200);
}

on_both_stands!(
    an_id_within_another_is_another_id,
    of_two_instances_that_register_at_once_one_stays,
    a_revocation_does_not_shorten_another,
    a_daemon_registers_again_after_the_hub_died,
);

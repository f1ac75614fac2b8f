//! What the daemon routes say while Redis or PostgreSQL is away: what must not fail open says 503, what
//! may degrade goes on, and nothing is an internal error (contract 1.0).

use std::thread;

use serde_json::json;

use crate::support::{
    call::Call,
    eventually::eventually,
    http,
    identity::Identity,
    platform::{Platform, Stand},
    postgres::PostgresServer,
    socket::Daemon,
};

#[track_caller]
fn assert_unavailable(call: Call<'_>) {
    let response = call.send();
    response.assert_json_error(503);
    assert_eq!(response.json()["code"], "SERVICE_UNAVAILABLE");
    assert!(response.headers.contains_key("retry-after"), "{response:?}");
}

#[test]
fn without_redis_nobody_is_let_in_and_heartbeats_go_on() {
    let mut platform = Stand::Servers.start();
    let mut redis = platform.redis.take().unwrap();
    let hub = &platform.hub;
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let call = |method: &str, path: &str| hub.call(method, &format!("/api/daemon{path}")).bearer(token);
    call("POST", "/heartbeat").expect(200);
    let session = json!({ "sessionId": login["sessionId"], "extendTTL": true });
    let end = format!("/sessions?sessionId={}", login["sessionId"].as_str().unwrap());
    let account = || platform.database.orchestrator(&orchestrator.id, None).unwrap().unwrap();
    eventually(|| account().status == "ONLINE", "the login is noted");

    redis.stop();
    eventually(|| http::try_get(&hub.url("/ready")) == Some(503), "GET /ready answers 503");
    let secrets = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    let refresh = json!({ "refreshToken": login["refreshToken"] });
    let open = json!({ "orchestratorId": orchestrator.id, "type": "user" });
    let leave = json!({ "orchestratorId": orchestrator.id, "apiKey": orchestrator.key });
    for call in [
        hub.call("POST", "/api/daemon/auth").json(&secrets),
        hub.call("POST", "/api/daemon/auth/refresh").json(&refresh),
        hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")),
        hub.call("POST", "/api/daemon/unregister").json(&leave),
        call("GET", "/sessions"),
        call("POST", "/sessions").json(&open),
        call("PATCH", "/sessions").json(&session),
        call("DELETE", &end),
        call("DELETE", ""),
        call("GET", "/config"),
        hub.call("GET", "/api/daemon/health").operator(),
    ] {
        assert_unavailable(call);
    }
    call("POST", "/heartbeat").expect(200);
    call("PUT", "/presence").json(&json!({ "status": "online" })).expect(200);
    call("PUT", "/status").json(&json!({ "status": "active" })).expect(200);
    let own = call("GET", "").expect(200);
    assert_eq!(own["data"]["status"], "offline", "nobody can say otherwise");
    // What the accounts say stands in for heartbeats (contract 1.25).
    let health = hub.call("GET", &format!("/api/daemon/health/{}", orchestrator.id)).operator().expect(200);
    assert_eq!(
        (&health["data"]["status"], &health["data"]["missedHeartbeats"]),
        (&json!("healthy"), &json!(0))
    );

    redis.start_again();
    hub.wait_until_ready();
    orchestrator.login();
}

#[test]
fn without_postgres_routes_that_need_it_say_so_and_sockets_stay() {
    let mut postgres = PostgresServer::start();
    let platform = Platform::on_own(&postgres);
    let hub = &platform.hub;
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let identity = Identity::new().claiming(orchestrator.id.clone()).with_token(token.to_owned());
    let mut socket = Daemon::connect(hub, &identity);

    postgres.stop();
    let call = |method: &str, path: &str| hub.call(method, &format!("/api/daemon{path}")).bearer(token);
    let secrets = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    let refresh = json!({ "refreshToken": login["refreshToken"] });
    let unavailable = [
        hub.call("POST", "/api/daemon/auth").json(&secrets),
        hub.call("POST", "/api/daemon/auth/refresh").json(&refresh),
        hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")),
        call("POST", "/sessions").json(&json!({ "orchestratorId": orchestrator.id, "type": "user" })),
        call("GET", "/config"),
        call("GET", "/channels"),
        call("GET", &format!("/health/{}", orchestrator.id)),
    ];
    let goes_on = [
        call("POST", "/heartbeat"),
        call("PUT", "/presence").json(&json!({ "status": "busy" })),
        call("PUT", "/status").json(&json!({ "status": "active" })),
        call("GET", ""),
        call("GET", "/sessions"),
    ];
    // Each waits a few seconds for a connection before it gives up, so they wait together.
    thread::scope(|scope| {
        for call in unavailable {
            scope.spawn(|| assert_unavailable(call));
        }
        for call in goes_on {
            scope.spawn(|| call.expect(200));
        }
    });
    assert_eq!(call("GET", "").expect(200)["data"]["status"], "online");
    socket.roundtrip();
}

//! How orchestrators are, at a glance and in detail.

use serde_json::{Value, json};

use super::{daemon_of, walk};
use crate::support::{
    event::Event,
    eventually::eventually_some,
    identity::Identity,
    platform::{Platform, Stand, on_both_stands},
    publisher,
    socket::Daemon,
};

on_both_stands! {
    the_fleet_is_seen_at_a_glance,
    one_orchestrator_is_seen_in_detail,
}

fn member(platform: &Platform, filter: &str, orchestrator: &str) -> Option<Value> {
    let list = platform.hub.call("GET", &format!("/api/admin/fleet?{filter}")).operator().expect(200);
    let items = list["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["orchestratorId"] == orchestrator)
}

fn the_fleet_is_seen_at_a_glance(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let (busy, idle) = (home.orchestrator(), home.orchestrator());
    platform.hub.call("POST", "/api/daemon").json(&busy.registration("daemon_1")).expect(201);
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&busy));
    daemon.heartbeat();
    daemon.roundtrip();
    publisher::post(&platform.hub, [&Event::to(&Identity::new().claiming(idle.id.clone()))]);

    let filter = format!("organizationId={}", home.id);
    let healthy = || {
        member(&platform, &format!("{filter}&health=healthy"), &busy.id)
            .filter(|seen| seen["status"] == "ONLINE" && seen["uptimeShare"].is_number())
    };
    let seen = eventually_some(healthy, "the heartbeat was noted");
    assert_eq!((&seen["connections"], &seen["queued"]), (&json!(1), &json!(0)), "{seen}");
    assert_eq!((&seen["version"], &seen["host"]), (&json!("1.0.0"), &json!("localhost")), "{seen}");
    assert_eq!((&seen["instanceId"], &seen["capabilities"]), (&json!("daemon_1"), &json!(["chat", "voice"])));
    assert!(seen["lastHeartbeat"].is_string() && seen["missedHeartbeats"] == 0, "{seen}");

    let seen = member(&platform, &format!("{filter}&health=unknown&status=OFFLINE"), &idle.id).unwrap();
    assert_eq!((&seen["connections"], &seen["queued"]), (&json!(0), &json!(1)), "{seen}");
    assert_eq!(member(&platform, &format!("{filter}&health=unknown"), &busy.id), None);
    assert_eq!(member(&platform, &format!("{filter}&text={}", busy.id), &idle.id), None);
    assert_eq!(member(&platform, "workspaceId=nowhere", &idle.id), None);
    platform.hub.call("GET", "/api/admin/fleet?limit=x").operator().refused(400, "VALIDATION_ERROR");
}

fn one_orchestrator_is_seen_in_detail(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    platform.hub.call("POST", "/api/daemon").json(&orchestrator.registration("daemon_1")).expect(201);
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    daemon.heartbeat();
    daemon.roundtrip();
    let path = format!("/api/admin/orchestrators/{}", orchestrator.id);
    let detail = || {
        let seen = platform.hub.call("GET", &format!("{path}/fleet")).operator().expect(200);
        (seen["health"] == "healthy" && seen["uptime"]["periods"] != json!([])).then_some(seen)
    };
    let seen = eventually_some(detail, "the heartbeat was noted");
    assert_eq!(seen["live"][0]["id"], daemon.session()["connectionId"], "{seen}");
    assert_eq!(seen["daemons"][0]["instanceId"], "daemon_1", "{seen}");
    assert!(seen["metrics"].is_object() && seen["metricsHistory"].is_array(), "{seen}");

    let uptime = platform.hub.call("GET", &format!("{path}/uptime")).operator().expect(200);
    assert_eq!(uptime["periods"][0]["status"], "ONLINE", "{uptime}");
    let long_ago = "from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z";
    let uptime = platform.hub.call("GET", &format!("{path}/uptime?{long_ago}")).operator().expect(200);
    assert_eq!((&uptime["periods"], &uptime["onlineShare"]), (&json!([]), &Value::Null));
    for wrong in ["from=yesterday", "from=2020-01-01T00:00:00Z", "from=2999-01-01T00:00:00Z"] {
        let call = platform.hub.call("GET", &format!("{path}/uptime?{wrong}")).operator();
        call.refused(400, "VALIDATION_ERROR");
    }
}

#[test]
fn a_health_is_found_on_whatever_page_it_is() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    let mut expected: Vec<String> = (0..5).map(|_| home.orchestrator().id).collect();
    expected.sort();
    let filter = format!("/api/admin/fleet?organizationId={}&health=unknown", home.id);
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = platform.hub.call("GET", &format!("{filter}&limit=2{cursor}")).operator().expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        found.extend(items.iter().map(|item| item["orchestratorId"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(walk(&platform.hub, "/api/admin/orchestrators", 2).len(), 5);
}

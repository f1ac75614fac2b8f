//! Who is there: what connections, heartbeats and silence make of an orchestrator's status.

use serde_json::json;

use crate::support::{
    eventually::eventually,
    platform::{Platform, Stand, on_both_stands},
    socket::Daemon,
};

/// Heartbeats every 200 ms, so that silence is noticed after 600 ms.
const QUICK: &[(&str, &str)] = &[("WS_HEARTBEAT_INTERVAL", "200")];

fn becomes(platform: &Platform, orchestrator: &str, status: &str) {
    let is_so = || platform.database.orchestrator(orchestrator, None).unwrap().unwrap().status == status;
    eventually(is_so, &format!("the status is {status}"));
}

/// A daemon that only uses HTTP and falls silent is offline, and its history shows both.
fn silence_makes_offline(stand: Stand) {
    let platform = stand.start_with(QUICK);
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&json!({})).expect(200);
    becomes(&platform, &orchestrator.id, "ONLINE");
    becomes(&platform, &orchestrator.id, "OFFLINE");
    let statuses = || -> Vec<String> {
        let now = neolith_hub::domain::clock::now().wall;
        let long_ago = now.minus(std::time::Duration::from_secs(3600));
        let uptime = platform.database.uptime(&orchestrator.id, long_ago, now).unwrap();
        uptime.periods.into_iter().map(|period| period.status).collect()
    };
    eventually(|| statuses() == ["ONLINE", "OFFLINE"], "both periods are on record");
}

/// On a socket, connecting and the activity in heartbeats count.
fn sockets_make_online_and_busy(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let mut daemon = orchestrator.connect();
    becomes(&platform, &orchestrator.id, "ONLINE");
    for (activity, status) in [("busy", "BUSY"), ("idle", "AWAY"), ("active", "ONLINE")] {
        // Only one heartbeat per ten seconds counts on a socket, so each comes by another connection.
        daemon.send("heartbeat", json!({ "status": activity }));
        becomes(&platform, &orchestrator.id, status);
        daemon = orchestrator.connect();
    }
}

/// What a daemon says explicitly is not overwritten by its heartbeats, nor by coming back.
fn an_explicit_status_stands(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let hub = &platform.hub;
    hub.call("PUT", "/api/daemon/status").bearer(&token).json(&json!({ "status": "paused" })).expect(200);
    becomes(&platform, &orchestrator.id, "AWAY");
    hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&json!({})).expect(200);
    let mut daemon = orchestrator.connect();
    daemon.send("heartbeat", json!({ "status": "busy" }));
    daemon.roundtrip();
    // A change that is heeded comes after everything before it.
    let other = organization.orchestrator();
    hub.call("POST", "/api/daemon/heartbeat").bearer(&other.token()).json(&json!({})).expect(200);
    becomes(&platform, &other.id, "ONLINE");
    becomes(&platform, &orchestrator.id, "AWAY");
    hub.call("PUT", "/api/daemon/status").bearer(&token).json(&json!({ "status": "active" })).expect(200);
    becomes(&platform, &orchestrator.id, "ONLINE");
}

/// An explicit presence and a heartbeat that say the same do not stand in each other's way.
fn who_comes_back_is_online_although_it_once_said_so(stand: Stand) {
    let platform = stand.start_with(QUICK);
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let hub = &platform.hub;
    hub.call("PUT", "/api/daemon/presence").bearer(&token).json(&json!({ "status": "online" })).expect(200);
    becomes(&platform, &orchestrator.id, "ONLINE");
    becomes(&platform, &orchestrator.id, "OFFLINE");
    hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&json!({})).expect(200);
    becomes(&platform, &orchestrator.id, "ONLINE");
}

/// A heartbeat that waits to be written does not swallow what is said right after it.
fn an_explicit_word_right_after_a_heartbeat_counts(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let hub = &platform.hub;
    let say = |status: &str| {
        let body = json!({ "status": status });
        hub.call("PUT", "/api/daemon/presence").bearer(&token).json(&body).expect(200);
    };
    say("away");
    becomes(&platform, &orchestrator.id, "AWAY");
    hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&json!({})).expect(200);
    say("online");
    becomes(&platform, &orchestrator.id, "ONLINE");
}

on_both_stands!(
    who_comes_back_is_online_although_it_once_said_so,
    an_explicit_word_right_after_a_heartbeat_counts,
    silence_makes_offline,
    sockets_make_online_and_busy,
    an_explicit_status_stands
);

/// When a hub dies, another one notices that its daemons are gone.
#[test]
fn another_hub_notices_who_left_with_a_dead_one() {
    let mut platform = Stand::Servers.start_with(QUICK);
    let survivor = platform.another_hub();
    let id = {
        let organization = platform.organization();
        let orchestrator = organization.orchestrator();
        let _daemon: Daemon = orchestrator.connect();
        becomes(&platform, &orchestrator.id, "ONLINE");
        orchestrator.id.clone()
    };
    platform.hub.kill();
    becomes(&platform, &id, "OFFLINE");
    drop(survivor);
}

/// What the hub tells daemons reaches those on other hubs too.
#[test]
fn news_reach_daemons_on_other_hubs() {
    let platform = Stand::Servers.start();
    let elsewhere = platform.another_hub();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let identity = crate::support::identity::Identity::holding(&orchestrator.id, orchestrator.token());
    let mut daemon = Daemon::connect(&elsewhere, &identity);
    daemon.subscribe(&["presence.updated"]);
    let body = json!({ "status": "busy", "statusText": "in a meeting" });
    platform.hub.call("PUT", "/api/daemon/presence").bearer(&identity.token).json(&body).expect(200);
    let event = daemon.next_event();
    assert_eq!((&event["eventType"], &event["data"]), (&json!("presence.updated"), &body));
}

/// What was said to another hub in between does not make a hub believe that nothing changed.
#[test]
fn two_hubs_do_not_mislead_each_other() {
    let platform = Stand::Servers.start();
    let elsewhere = platform.another_hub();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    for (hub, word, status) in
        [(&platform.hub, "away", "AWAY"), (&elsewhere, "online", "ONLINE"), (&platform.hub, "away", "AWAY")]
    {
        let body = json!({ "status": word });
        hub.call("PUT", "/api/daemon/presence").bearer(&token).json(&body).expect(200);
        becomes(&platform, &orchestrator.id, status);
    }
}

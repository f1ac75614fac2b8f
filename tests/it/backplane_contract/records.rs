//! Heartbeats and presence.

use neolith_hub::{
    backplane::{
        records::{HeartbeatRecord, Presence, PresenceChange, Records},
        registry::ConnectionRegistry,
    },
    domain::ids::ConnectionId,
};

use super::{Harness, fixtures::*};

fn presence(instance: &str, online: bool) -> Presence {
    Presence {
        orchestrator: orchestrator("vp_1"),
        organization: None,
        daemon: daemon(instance),
        session: session(&format!("session_of_{instance}")),
        online,
        at: now(),
    }
}

fn changed_to(status: &'static str) -> Vec<PresenceChange> {
    vec![PresenceChange { orchestrator: orchestrator("vp_1"), organization: None, status }]
}

pub(crate) async fn presence_reports_changes_only<H: Harness>(_: &H, backplane: &H::Backplane) {
    let request = attach("d1");
    attached(backplane, &request).await;
    assert_eq!(backplane.presence(&[presence("d1", true)]).await, Ok(changed_to("ONLINE")));
    assert_eq!(backplane.presence(&[presence("d1", true)]).await, Ok(Vec::new()));
    backplane.detach(&[end_of(&request)]).await.expect("detached");
    assert_eq!(backplane.presence(&[presence("d1", false)]).await, Ok(changed_to("OFFLINE")));
    assert_eq!(backplane.presence(&[presence("d1", false)]).await, Ok(Vec::new()));
}

pub(crate) async fn nobody_goes_offline_while_connected<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (first, second) = (attach("d1"), attach("d2"));
    attached(backplane, &first).await;
    attached(backplane, &second).await;
    backplane.presence(&[presence("d1", true), presence("d2", true)]).await.expect("written");
    backplane.detach(&[end_of(&first)]).await.expect("detached");
    assert_eq!(backplane.presence(&[presence("d1", false)]).await, Ok(Vec::new()), "d2 is still there");
    backplane.detach(&[end_of(&second)]).await.expect("detached");
    assert_eq!(backplane.presence(&[presence("d2", false)]).await, Ok(changed_to("OFFLINE")));
}

pub(crate) async fn heartbeats_are_taken<H: Harness>(_: &H, backplane: &H::Backplane) {
    let metrics = serde_json::json!({ "memoryUsageBytes": 1 }).as_object().cloned();
    let beat = HeartbeatRecord {
        node: node("node_1"),
        connected_at: now(),
        orchestrator: orchestrator("vp_1"),
        daemon: daemon("d1"),
        session: session("session_of_d1"),
        connection: ConnectionId::random(),
        organization: None,
        status: "active",
        metrics,
        at: now(),
    };
    let without_metrics = HeartbeatRecord { metrics: None, ..beat.clone() };
    assert_eq!(backplane.heartbeats(&[beat, without_metrics]).await, Ok(()));
    assert_eq!(backplane.heartbeats(&[]).await, Ok(()));
}

//! Heartbeats and presence.

use neolith_hub::{
    backplane::{
        records::{HeartbeatRecord, Presence, PresenceChange, Records},
        registry::ConnectionRegistry,
    },
    domain::clock::Timestamp,
};
use serde_json::json;

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
    let request = attach("d1");
    let beat = HeartbeatRecord { metrics, via: via(&request), ..heartbeat("vp_1", now()) };
    let without_metrics = HeartbeatRecord { metrics: None, ..beat.clone() };
    assert_eq!(backplane.heartbeats(&[beat, without_metrics]).await, Ok(()));
    assert_eq!(backplane.heartbeats(&[]).await, Ok(()));
}

fn reporting(number: u64, at: Timestamp) -> HeartbeatRecord {
    HeartbeatRecord { metrics: json!({ "n": number }).as_object().cloned(), ..heartbeat("vp_1", at) }
}

pub(crate) async fn the_latest_heartbeat_and_what_it_reported_can_be_read<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    backplane.heartbeats(&[reporting(7, at)]).await.expect("taken");
    let asked = [orchestrator("vp_2"), orchestrator("vp_1")];
    let views = backplane.heartbeats_of(&asked).await.expect("readable");
    let [None, Some(view)] = views.as_slice() else { panic!("{views:?}") };
    assert_eq!((view.status.as_str(), view.received_at), ("busy", at));
    assert_eq!((view.daemon.as_deref(), view.session.as_deref()), (Some("d1"), Some("session_of_d1")));
    assert_eq!(view.metrics["n"], 7);
    assert_eq!(backplane.heartbeats_of(&[]).await, Ok(Vec::new()));
}

pub(crate) async fn a_hundred_samples_are_kept_newest_first<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.metrics_history(&orchestrator("vp_1")).await, Ok(Vec::new()));
    let beats: Vec<_> = (0..110).map(|number| reporting(number, now())).collect();
    backplane.heartbeats(&beats).await.expect("taken");
    let history = backplane.metrics_history(&orchestrator("vp_1")).await.expect("readable");
    let numbers: Vec<_> = history.iter().map(|sample| sample["n"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (10..110).rev().collect::<Vec<_>>());
    assert!(history[0]["timestamp"].is_string());
}

//! The fleet of daemons without an orchestrator.

use std::time::Duration;

use neolith_hub::{
    backplane::fleet::{Enrolment, Fleet, FleetBeat, FleetDaemon, FleetStatus, FleetView},
    domain::clock::Timestamp,
};

use super::{Harness, fixtures::*};

fn member(name: &str, at: Timestamp) -> FleetDaemon {
    FleetDaemon {
        id: daemon(name),
        version: "1.0.0".to_owned(),
        capabilities: Vec::new(),
        poll_interval: 5000.into(),
        registered_at: "1999-12-31T23:59:59Z".to_owned(),
        last_heartbeat: at,
        status: FleetStatus::Healthy,
        tasks_processed: 0,
        current_task: None,
    }
}

fn beat(name: &str, at: Timestamp) -> FleetBeat {
    let current_task = Some("sweep [] the floor".to_owned());
    FleetBeat { id: daemon(name), status: FleetStatus::Degraded, tasks_processed: 7, current_task, at }
}

pub(crate) async fn a_member_is_active_until_it_is_silent_for_a_minute<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    assert_eq!(backplane.fleet(at).await, Ok(FleetView::default()));
    for name in ["b", "a"] {
        assert_eq!(backplane.enroll(&member(name, at)).await, Ok(Enrolment::Enrolled));
    }
    let both = vec![member("a", at), member("b", at)];
    let view = FleetView { active: both.clone(), stale: Vec::new() };
    assert_eq!(backplane.fleet(at.plus(Duration::from_secs(59))).await, Ok(view));
    let view = FleetView { active: Vec::new(), stale: both };
    let later = at.plus(Duration::from_secs(61));
    assert_eq!(backplane.fleet(later).await, Ok(view.clone()));
    assert_eq!(backplane.fleet(later).await, Ok(view), "looking changes nothing");
}

pub(crate) async fn a_heartbeat_of_a_stranger_is_refused<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.fleet_heartbeat(&beat("a", now())).await, Ok(false));
    assert_eq!(backplane.fleet(now()).await, Ok(FleetView::default()));
}

pub(crate) async fn a_heartbeat_changes_what_is_known<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now().minus(Duration::from_secs(30));
    backplane.enroll(&member("a", at)).await.expect("enrolled");
    let later = at.plus(Duration::from_secs(30));
    assert_eq!(backplane.fleet_heartbeat(&beat("a", later)).await, Ok(true));
    let expected = FleetDaemon {
        last_heartbeat: later,
        status: FleetStatus::Degraded,
        tasks_processed: 7,
        current_task: Some("sweep [] the floor".to_owned()),
        ..member("a", at)
    };
    let view = FleetView { active: vec![expected], stale: Vec::new() };
    assert_eq!(backplane.fleet(later.plus(Duration::from_secs(59))).await, Ok(view));
    backplane.enroll(&member("a", later)).await.expect("enrolled again");
    let view = FleetView { active: vec![member("a", later)], stale: Vec::new() };
    assert_eq!(backplane.fleet(later).await, Ok(view), "as new");
}

pub(crate) async fn the_long_silent_are_forgotten<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    backplane.enroll(&member("old", at.minus(Duration::from_secs(3601)))).await.expect("enrolled");
    backplane.enroll(&member("new", at)).await.expect("enrolled");
    let view = FleetView { active: vec![member("new", at)], stale: Vec::new() };
    assert_eq!(backplane.fleet(at).await, Ok(view));
}

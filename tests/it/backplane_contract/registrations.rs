//! Who is registered.

use neolith_hub::backplane::{
    records::Records,
    registrations::{Registered, Registration, Registrations, Unregister},
    revocations::{Revocations, TokenIdentity},
    sessions::Sessions,
    status::{ExplicitPresence, PresenceStatus, Statuses},
};
use serde_json::json;

use super::{Harness, fixtures::*};

/// The registration of an instance of `vp_1`.
pub(crate) fn of(instance: &str) -> Registration {
    Registration {
        orchestrator: orchestrator("vp_1"),
        organization: "org_1".to_owned(),
        instance: instance.to_owned(),
        version: "1.0.0".to_owned(),
        host: "10.0.0.1".to_owned(),
        port: 8787,
        protocol: "https".to_owned(),
        started_at: "2024-01-01T00:00:00Z".to_owned(),
        capabilities: Some(vec![]),
        metadata: json!({ "region": "eu" }).as_object().cloned(),
        registered_at: now(),
    }
}

async fn registered<B: Registrations>(backplane: &B) -> Option<Registration> {
    let known = backplane.registrations(&[orchestrator("vp_2"), orchestrator("vp_1")]).await;
    known.expect("readable").pop().expect("one for each")
}

pub(crate) async fn the_same_instance_registers_again_and_again<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(registered(backplane).await, None);
    assert_eq!(backplane.register(&of("d1"), now()).await, Ok(Registered::Registered));
    assert_eq!(
        registered(backplane).await,
        Some(Registration {
            registered_at: registered(backplane).await.expect("known").registered_at,
            ..of("d1")
        })
    );
    backplane.heartbeats(&[heartbeat("vp_1", now())]).await.expect("taken");
    let newer = Registration { version: "2.0.0".to_owned(), capabilities: None, metadata: None, ..of("d1") };
    assert_eq!(backplane.register(&newer, now()).await, Ok(Registered::Registered));
    assert_eq!(registered(backplane).await, Some(newer));
}

pub(crate) async fn another_instance_waits_until_the_first_is_silent<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    backplane.heartbeats(&[heartbeat("vp_1", now())]).await.expect("taken");
    assert_eq!(backplane.register(&of("d1"), now()).await, Ok(Registered::Registered), "nobody was");
    let occupied = Registered::Occupied { instance: "d1".to_owned() };
    assert_eq!(backplane.register(&of("d2"), now()).await, Ok(occupied));
    assert_eq!(registered(backplane).await.map(|known| known.instance).as_deref(), Some("d1"));
    let other = Registration { orchestrator: orchestrator("vp_2"), ..of("d2") };
    assert_eq!(backplane.register(&other, now()).await, Ok(Registered::Registered));
    let silent = Registration { orchestrator: orchestrator("vp_2"), ..of("d3") };
    assert_eq!(backplane.register(&silent, now()).await, Ok(Registered::Registered), "it has no heartbeat");
}

pub(crate) async fn who_leaves_is_forgotten<H: Harness>(_: &H, backplane: &H::Backplane) {
    let owner = orchestrator("vp_1");
    backplane.register(&of("d1"), now()).await.expect("registered");
    backplane.create_session(&super::sessions::record("s1", "vp_1")).await.expect("created");
    let metrics = json!({ "n": 1 }).as_object().cloned();
    let beat = neolith_hub::backplane::records::HeartbeatRecord { metrics, ..heartbeat("vp_1", now()) };
    backplane.heartbeats(&[beat]).await.expect("taken");
    let presence = ExplicitPresence {
        orchestrator: owner.clone(),
        organization: None,
        daemon: daemon("d1"),
        status: PresenceStatus::Busy,
        status_text: None,
        at: now(),
    };
    backplane.set_presence(&presence).await.expect("set");

    let leaving = Unregister {
        orchestrator: owner.clone(),
        organization: None,
        daemon: Some(daemon("d1")),
        session: Some(session("s1")),
        at: now(),
    };
    assert_eq!(backplane.unregister(&leaving).await, Ok(()));
    assert_eq!(registered(backplane).await, None);
    assert_eq!(backplane.heartbeats_of(std::slice::from_ref(&owner)).await, Ok(vec![None]));
    assert_eq!(backplane.metrics_history(&owner).await, Ok(Vec::new()));
    assert_eq!(backplane.session(&session("s1")).await, Ok(None));
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(None));
    let token =
        TokenIdentity { jti: None, session: Some(session("s1")), orchestrator: owner, issued_at: None };
    assert_eq!(backplane.is_revoked(&token).await, Ok(true));
    assert_eq!(backplane.register(&of("d2"), now()).await, Ok(Registered::Registered));
    assert_eq!(backplane.unregister(&leaving).await, Ok(()), "leaving twice does no harm");
}

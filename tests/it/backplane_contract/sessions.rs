//! Sessions: created, changed, used and ended.

use std::time::Duration;

use neolith_hub::{
    backplane::{
        records::{HeartbeatRecord, Records},
        registry::{Attach, ConnectionRegistry},
        revocations::{Revocations, TokenIdentity},
        sessions::{
            SESSION_LIFETIME, SessionChange, SessionEnd, SessionKind, SessionRecord, SessionStatus,
            SessionUpdate, Sessions,
        },
    },
    domain::{ids::OrganizationId, scope::ScopeSet},
};
use serde_json::{Map, json};

use super::{Harness, fixtures::*};

/// A session of an hour with everything in it.
pub(crate) fn record(name: &str, owner: &str) -> SessionRecord {
    let at = now();
    SessionRecord {
        id: session(name),
        orchestrator: orchestrator(owner),
        daemon: Some(daemon("d1")),
        organization: OrganizationId::parse("org_1").ok(),
        workspace: Some("ws_1".to_owned()),
        kind: SessionKind::User,
        status: SessionStatus::Active,
        scopes: ScopeSet::from_names(["messages:read", "vp:status"]),
        refresh_digest: Some("ab".repeat(32)),
        created_at: at,
        last_activity_at: at,
        expires_at: at.plus(Duration::from_secs(3600)),
        last_heartbeat: None,
        last_refresh: None,
        last_status: None,
        metadata: Map::from_iter([("list".to_owned(), json!([])), ("note".to_owned(), json!("a[]b"))]),
    }
}

async fn stored<B: Sessions>(backplane: &B, name: &str) -> Option<SessionRecord> {
    backplane.session(&session(name)).await.expect("readable")
}

async fn updated<B: Sessions>(backplane: &B, name: &str, change: &SessionChange) -> SessionRecord {
    match backplane.update_session(&session(name), &orchestrator("vp_1"), change, now()).await {
        Ok(SessionUpdate::Updated(record)) => *record,
        other => panic!("not updated: {other:?}"),
    }
}

pub(crate) async fn a_session_is_read_as_it_was_created<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(stored(backplane, "s1").await, None);
    let record = record("s1", "vp_1");
    backplane.create_session(&record).await.expect("created");
    assert_eq!(stored(backplane, "s1").await, Some(record));
}

pub(crate) async fn a_session_is_over_when_its_time_is<H: Harness>(_: &H, backplane: &H::Backplane) {
    let end = now().plus(Duration::from_millis(200));
    let short = SessionRecord { expires_at: end, ..record("s1", "vp_1") };
    backplane.create_session(&short).await.expect("created");
    assert!(stored(backplane, "s1").await.is_some());
    while stored(backplane, "s1").await.is_some() {
        assert!(now() < end.plus(Duration::from_secs(10)), "it lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(backplane.sessions_of(&orchestrator("vp_1")).await, Ok(Vec::new()));
    let update = backplane
        .update_session(&session("s1"), &orchestrator("vp_1"), &SessionChange::default(), now())
        .await;
    assert_eq!(update, Ok(SessionUpdate::NotFound));
}

pub(crate) async fn sessions_are_listed_newest_first_for_their_exact_owner<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    for (name, owner, age) in [("old", "vp_1", 2), ("new", "vp_1", 1), ("foreign", "vp_11", 0)] {
        let created_at = now().minus(Duration::from_secs(age));
        let record = SessionRecord { created_at, ..record(name, owner) };
        backplane.create_session(&record).await.expect("created");
    }
    let listed = backplane.sessions_of(&orchestrator("vp_1")).await.expect("readable");
    let names: Vec<_> = listed.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(names, ["new", "old"]);
    assert_eq!(backplane.sessions_of(&orchestrator("vp_2")).await, Ok(Vec::new()));
}

pub(crate) async fn a_change_keeps_the_scopes_and_the_refresh_token<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let before = record("s1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    let at = before.created_at.plus(Duration::from_secs(1));
    let change = SessionChange {
        status: Some(SessionStatus::Idle),
        metadata: json!({ "note": "new", "more": { "deep": [] } }).as_object().cloned(),
        last_activity_at: Some(at),
        last_refresh: Some(at),
        ..SessionChange::default()
    };
    let after = updated(backplane, "s1", &change).await;
    let metadata = json!({ "list": [], "note": "new", "more": { "deep": [] } });
    let expected = SessionRecord {
        status: SessionStatus::Idle,
        metadata: metadata.as_object().cloned().expect("an object"),
        last_activity_at: at,
        last_refresh: Some(at),
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(stored(backplane, "s1").await, Some(expected));
}

pub(crate) async fn only_its_owner_changes_a_session<H: Harness>(_: &H, backplane: &H::Backplane) {
    let before = record("s1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    let change = SessionChange { status: Some(SessionStatus::Terminated), ..SessionChange::default() };
    let update = backplane.update_session(&session("s1"), &orchestrator("vp_2"), &change, now()).await;
    assert_eq!(update, Ok(SessionUpdate::Foreign));
    assert_eq!(stored(backplane, "s1").await, Some(before));
    let update = backplane.update_session(&session("s2"), &orchestrator("vp_1"), &change, now()).await;
    assert_eq!(update, Ok(SessionUpdate::NotFound));
}

pub(crate) async fn an_extension_moves_the_end_and_nothing_else_does<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let before = record("s1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    assert_eq!(updated(backplane, "s1", &SessionChange::default()).await.expires_at, before.expires_at);
    let extended =
        updated(backplane, "s1", &SessionChange { extend: true, ..SessionChange::default() }).await;
    assert!(extended.expires_at >= before.created_at.plus(SESSION_LIFETIME));
}

pub(crate) async fn changes_at_the_same_time_are_all_kept<H: Harness>(_: &H, backplane: &H::Backplane) {
    backplane.create_session(&record("s1", "vp_1")).await.expect("created");
    let changes: Vec<_> = (0..8)
        .map(|number| SessionChange {
            metadata: Some(Map::from_iter([(format!("m{number}"), json!(number))])),
            ..SessionChange::default()
        })
        .collect();
    futures_util::future::join_all(changes.iter().map(|change| updated(backplane, "s1", change))).await;
    let kept = stored(backplane, "s1").await.expect("a session").metadata;
    assert!((0..8).all(|number| kept.get(&format!("m{number}")) == Some(&json!(number))), "{kept:?}");
}

pub(crate) async fn activity_is_noted_for_the_owner_only<H: Harness>(_: &H, backplane: &H::Backplane) {
    let before = record("s1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    let at = before.created_at.plus(Duration::from_secs(5));
    let note = |name, owner| async move {
        backplane.note_activity(&session(name), &orchestrator(owner), "idle", at).await
    };
    assert_eq!(note("s1", "vp_2").await, Ok(false));
    assert_eq!(note("s2", "vp_1").await, Ok(false));
    assert_eq!(stored(backplane, "s1").await, Some(before.clone()));
    assert_eq!(note("s1", "vp_1").await, Ok(true));
    let expected = SessionRecord {
        status: SessionStatus::Idle,
        last_activity_at: at,
        last_heartbeat: Some(at),
        last_status: Some("idle".to_owned()),
        ..before
    };
    assert_eq!(stored(backplane, "s1").await, Some(expected), "and its end has not moved");
}

pub(crate) async fn a_heartbeat_is_noted_in_its_session<H: Harness>(_: &H, backplane: &H::Backplane) {
    backplane.create_session(&record("session_of_d1", "vp_1")).await.expect("created");
    let at = now().plus(Duration::from_secs(1));
    let foreign = HeartbeatRecord { status: "idle", ..heartbeat("vp_2", at) };
    backplane.heartbeats(&[foreign]).await.expect("taken");
    assert_eq!(stored(backplane, "session_of_d1").await.expect("a session").last_heartbeat, None);
    backplane.heartbeats(&[heartbeat("vp_1", at)]).await.expect("taken");
    let noted = stored(backplane, "session_of_d1").await.expect("a session");
    assert_eq!((noted.last_heartbeat, noted.last_status.as_deref()), (Some(at), Some("busy")));
    assert_eq!(noted.metadata, record("s", "vp_1").metadata, "an empty list stays one");
}

fn token_of(name: &str) -> TokenIdentity {
    TokenIdentity {
        jti: Some("t1".to_owned()),
        session: Some(session(name)),
        orchestrator: orchestrator("vp_1"),
        issued_at: Some(now()),
    }
}

pub(crate) async fn an_ended_session_is_gone_and_its_tokens_are_revoked<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    backplane.create_session(&record("s1", "vp_1")).await.expect("created");
    assert_eq!(backplane.is_revoked(&token_of("s1")).await, Ok(false));
    let owner = orchestrator("vp_1");
    assert_eq!(backplane.end_session(&session("s1"), Some(&owner), now()).await, Ok(SessionEnd::Ended));
    assert_eq!(stored(backplane, "s1").await, None);
    assert_eq!(backplane.sessions_of(&owner).await, Ok(Vec::new()));
    assert_eq!(backplane.is_revoked(&token_of("s1")).await, Ok(true));
    assert_eq!(backplane.end_session(&session("s1"), None, now()).await, Ok(SessionEnd::NotFound));
}

pub(crate) async fn only_its_owner_ends_a_session<H: Harness>(_: &H, backplane: &H::Backplane) {
    let before = record("s1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    let stranger = orchestrator("vp_2");
    assert_eq!(backplane.end_session(&session("s1"), Some(&stranger), now()).await, Ok(SessionEnd::Foreign));
    assert_eq!(stored(backplane, "s1").await, Some(before));
    assert_eq!(backplane.is_revoked(&token_of("s1")).await, Ok(false));
    assert_eq!(backplane.end_session(&session("s1"), None, now()).await, Ok(SessionEnd::Ended), "an admin");
}

pub(crate) async fn an_attach_keeps_the_session_that_was_created_for_it<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let before = record("session_of_d1", "vp_1");
    backplane.create_session(&before).await.expect("created");
    attached(backplane, &attach("d1")).await;
    assert_eq!(stored(backplane, "session_of_d1").await, Some(before));
    attached(backplane, &attach("d2")).await;
    let made = stored(backplane, "session_of_d2").await.expect("made by the attach");
    assert_eq!(
        (made.kind, made.daemon, made.scopes),
        (SessionKind::Daemon, Some(daemon("d2")), ScopeSet::standard())
    );
    let listed = backplane.sessions_of(&orchestrator("vp_1")).await.expect("readable");
    assert_eq!(listed.len(), 2);
    let change = SessionChange { status: Some(SessionStatus::Terminated), ..SessionChange::default() };
    updated(backplane, "session_of_d2", &change).await;
    let again = backplane.attach(&Attach { limit: 5, ..attach("d2") }).await;
    assert_eq!(again, Ok(neolith_hub::backplane::registry::AttachOutcome::Revoked), "it is over");
}

pub(crate) async fn a_created_session_leads_to_its_owner<H: Harness>(_: &H, backplane: &H::Backplane) {
    backplane.create_session(&record("s1", "vp_1")).await.expect("created");
    assert_eq!(backplane.owner_of(&daemon("s1")).await, Ok(Some(orchestrator("vp_1"))));
    assert_eq!(backplane.owner_of(&daemon("d1")).await, Ok(Some(orchestrator("vp_1"))));
}

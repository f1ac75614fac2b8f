//! Events, ids and batches, short enough to read a test by.

use std::sync::Arc;

use neolith_hub::{
    backplane::{
        commit::{Ack, CommitBatch, DeadLetter, GroupOutcome, OrchestratorCommit, Sent},
        queue::{EventQueue, Loaded, Waiting},
        records::{ConnectionRef, HeartbeatRecord},
        registry::{Attach, AttachOutcome, Attached, ConnectionRegistry, Detach, Remembered},
    },
    domain::{
        clock::{self, Timestamp},
        event::{Audience, Event, EventType},
        ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, SessionId},
        scope::ScopeSet,
        subscription::Subscriptions,
    },
};

pub(crate) fn orchestrator(name: &str) -> OrchestratorId {
    OrchestratorId::parse(name).expect("an orchestrator id")
}

pub(crate) fn daemon(name: &str) -> DaemonId {
    DaemonId::parse(name).expect("a daemon id")
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::parse(name).expect("a session id")
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::parse(name).expect("a node id")
}

pub(crate) fn id(name: &str) -> EventId {
    EventId::parse(name).expect("an event id")
}

pub(crate) fn ids(names: &[&str]) -> Vec<EventId> {
    names.iter().map(|name| id(name)).collect()
}

/// The present: a backplane may let go of records from long ago.
pub(crate) fn now() -> Timestamp {
    clock::now().wall
}

/// An event of `vp_1`, published at `at`.
pub(crate) fn event(name: &str, at: Timestamp) -> Arc<Event> {
    prioritised(name, at, 0)
}

pub(crate) fn prioritised(name: &str, at: Timestamp, priority: i32) -> Arc<Event> {
    Arc::new(Event {
        id: id(name),
        kind: EventType::parse("message.received").expect("a type"),
        orchestrator: orchestrator("vp_1"),
        daemon: None,
        organization: None,
        channel: None,
        workspace: None,
        timestamp: at,
        requires_ack: true,
        priority,
        audience: Audience::All,
        expires_at: None,
        traceparent: None,
        payload: "{}".into(),
        body: body(name).into(),
    })
}

/// The JSON of the event that [`event`] makes.
pub(crate) fn body(name: &str) -> String {
    format!(r#"{{"id":"{name}","type":"message.received","orchestratorId":"vp_1"}}"#)
}

pub(crate) fn ack(name: &str) -> Ack {
    Ack { id: id(name), daemon: daemon("d1"), attempts: 1 }
}

pub(crate) fn dead(name: &str) -> DeadLetter {
    DeadLetter {
        id: id(name),
        reason: "max_attempts",
        attempts: 10,
        daemon: daemon("d1"),
        history: Vec::new(),
    }
}

pub(crate) fn sent(name: &str, to: &str, attempts: u32) -> Sent {
    Sent {
        id: id(name),
        daemon: daemon(to),
        connection: ConnectionId::random(),
        attempts,
        at: now(),
        crashes: 0,
        history: Vec::new(),
        shared: false,
    }
}

/// What is read of the event that [`event`] makes, after the deliveries of which `latest` was the last.
pub(crate) fn loaded(name: &str, latest: Option<&Sent>) -> Loaded {
    Loaded {
        id: id(name),
        body: body(name).into(),
        attempts: latest.map_or(0, |sent| sent.attempts),
        crashes: latest.map_or(0, |sent| sent.crashes),
        history: latest.map(|sent| sent.clone().told()).unwrap_or_default(),
    }
}

/// Commits changes to one orchestrator's queue, at `at`.
pub(crate) async fn commit_at<B: EventQueue>(
    backplane: &B,
    owner: &str,
    at: Timestamp,
    change: impl FnOnce(&mut OrchestratorCommit),
) -> GroupOutcome {
    let mut group = OrchestratorCommit::new(orchestrator(owner));
    change(&mut group);
    let batch = CommitBatch { now: at, groups: vec![group], ..CommitBatch::default() };
    let outcome = backplane.commit(&batch).await.expect("committed");
    assert_eq!(outcome.groups.len(), 1, "one outcome per group");
    outcome.groups.into_iter().next().expect("an outcome")
}

/// Commits changes to the queue of `vp_1`, now.
pub(crate) async fn commit<B: EventQueue>(
    backplane: &B,
    change: impl FnOnce(&mut OrchestratorCommit),
) -> GroupOutcome {
    commit_at(backplane, "vp_1", now(), change).await
}

/// The names of what waits for `owner`, in the order of sending.
pub(crate) async fn waiting<B: EventQueue>(backplane: &B, owner: &str) -> Vec<String> {
    let waiting = backplane.waiting(&orchestrator(owner)).await.expect("readable");
    waiting.into_iter().map(|Waiting { id, .. }| id.as_str().to_owned()).collect()
}

/// A connection of `instance`, of `vp_1`, that asks to be counted among at most five.
pub(crate) fn attach(instance: &str) -> Attach {
    Attach {
        connection: ConnectionId::random(),
        node: node("node_1"),
        orchestrator: orchestrator("vp_1"),
        daemon: daemon(instance),
        session: session(&format!("session_of_{instance}")),
        organization: None,
        jti: Some(format!("token_of_{instance}")),
        issued_at: Some(now()),
        scopes: ScopeSet::standard(),
        limit: 5,
        now: now(),
    }
}

/// The end of the connection that `request` asked to be counted.
pub(crate) fn end_of(request: &Attach) -> Detach {
    Detach {
        connection: request.connection,
        orchestrator: request.orchestrator.clone(),
        daemon: request.daemon.clone(),
    }
}

/// Attaches, and expects room.
pub(crate) async fn attached<B: ConnectionRegistry>(backplane: &B, request: &Attach) -> Attached {
    match backplane.attach(request).await.expect("an answer") {
        AttachOutcome::Attached(attached) => attached,
        refused => panic!("{:?} was refused: {refused:?}", request.daemon),
    }
}

pub(crate) fn remembered(owner: &str, instance: &str, subscriptions: &Subscriptions) -> Remembered {
    let subscriptions = Arc::new(subscriptions.clone());
    Remembered { orchestrator: orchestrator(owner), daemon: daemon(instance), subscriptions }
}

/// A heartbeat of `d1` of `owner`, over HTTP.
pub(crate) fn heartbeat(owner: &str, at: Timestamp) -> HeartbeatRecord {
    HeartbeatRecord {
        orchestrator: orchestrator(owner),
        daemon: daemon("d1"),
        session: session("session_of_d1"),
        via: None,
        organization: None,
        status: "busy",
        metrics: None,
        at,
    }
}

/// The connection that `request` asked to be counted.
pub(crate) fn via(request: &Attach) -> Option<ConnectionRef> {
    Some(ConnectionRef { id: request.connection, node: request.node.clone(), connected_at: request.now })
}

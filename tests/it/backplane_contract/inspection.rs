//! What admins look at.

use std::time::Duration;

use neolith_hub::{
    backplane::{
        inspection::{ConnectionView, Inspection, Ledger, QueueCursor, QueuedEvent},
        queue::EventQueue,
        records::{HeartbeatRecord, Records},
        registry::{Attach, AttachOutcome, ConnectionRegistry},
    },
    domain::ids::{ConnectionId, OrganizationId},
};

use super::{Harness, fixtures::*};

pub(crate) async fn connections_are_paged_by_id<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.connections(None, None, 10).await, Ok(Vec::new()));
    let mut all: Vec<Attach> = ["d1", "d2", "d3"].map(attach).into();
    all.push(Attach { orchestrator: orchestrator("vp_2"), ..attach("d4") });
    for request in &all {
        attached(backplane, request).await;
    }
    let of_vp_2 = all[3].connection;
    all.sort_by_key(|request| request.connection);
    let expected: Vec<ConnectionId> = all.iter().map(|request| request.connection).collect();

    let (mut seen, mut after): (Vec<ConnectionId>, _) = (Vec::new(), None);
    loop {
        let page = backplane.connections(None, after, 3).await.expect("readable");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        after = Some(last.id);
        seen.extend(page.iter().map(|view| view.id));
    }
    assert_eq!(seen, expected);
    let own = backplane.connections(Some(&orchestrator("vp_2")), None, 10).await.expect("readable");
    assert_eq!(own.iter().map(|view| view.id).collect::<Vec<_>>(), [of_vp_2]);
    assert_eq!(backplane.connections(Some(&orchestrator("vp_2")), Some(of_vp_2), 10).await, Ok(Vec::new()));

    backplane.detach(&all.iter().map(end_of).collect::<Vec<_>>()).await.expect("detached");
    assert_eq!(backplane.connections(None, None, 10).await, Ok(Vec::new()));
}

pub(crate) async fn a_connection_is_shown_as_it_is<H: Harness>(_: &H, backplane: &H::Backplane) {
    let organization = OrganizationId::parse("org_1").ok();
    let request = Attach { organization: organization.clone(), ..attach("d1") };
    attached(backplane, &request).await;
    let expected = ConnectionView {
        id: request.connection,
        node: node("node_1"),
        orchestrator: orchestrator("vp_1"),
        daemon: daemon("d1"),
        session: session("session_of_d1"),
        organization: organization.clone(),
        connected_at: request.now,
        last_heartbeat: request.now,
    };
    assert_eq!(backplane.connection(request.connection).await, Ok(Some(expected.clone())));
    let at = request.now.plus(Duration::from_secs(5));
    let beat = HeartbeatRecord { via: via(&request), organization, ..heartbeat("vp_1", at) };
    backplane.heartbeats(&[beat]).await.expect("taken");
    let expected = ConnectionView { last_heartbeat: at, ..expected };
    assert_eq!(backplane.connection(request.connection).await, Ok(Some(expected)));
    assert_eq!(backplane.connection(ConnectionId::random()).await, Ok(None));
}

pub(crate) async fn a_refused_connection_is_not_shown<H: Harness>(_: &H, backplane: &H::Backplane) {
    let refused = backplane.attach(&Attach { limit: 0, ..attach("d1") }).await;
    assert_eq!(refused, Ok(AttachOutcome::QuotaExceeded));
    assert_eq!(backplane.connections(None, None, 10).await, Ok(Vec::new()));
}

async fn page<B: Inspection>(backplane: &B, after: Option<QueueCursor>, limit: usize) -> Vec<QueuedEvent> {
    backplane.queue_page(&orchestrator("vp_1"), after, limit).await.expect("readable")
}

fn names(page: &[QueuedEvent]) -> Vec<&str> {
    page.iter().map(|event| event.id.as_str()).collect()
}

pub(crate) async fn a_queue_is_paged_oldest_first<H: Harness>(_: &H, backplane: &H::Backplane) {
    attached(backplane, &attach("d1")).await;
    let at = now();
    let earlier = at.minus(Duration::from_secs(1));
    commit(backplane, |group| {
        group.stores.extend(["a", "b", "c"].map(|name| event(name, at)));
        group.stores.push(prioritised("oldest", earlier, 9));
    })
    .await;
    commit(backplane, |group| group.sent.push(sent("a", "d1", 3))).await;
    let first = page(backplane, None, 2).await;
    assert_eq!(names(&first), ["oldest", "a"]);
    assert_eq!((first[0].time, first[0].priority, first[0].attempts), (earlier, 9, 0));
    assert_eq!((first[1].time, first[1].priority, first[1].attempts), (at, 0, 3));
    assert_eq!(first[1].body, body("a"));
    let second = page(backplane, Some(first[1].cursor), 10).await;
    assert_eq!(names(&second), ["b", "c"]);
    assert!(page(backplane, Some(second[1].cursor), 10).await.is_empty());
}

pub(crate) async fn a_cursor_survives_changes_of_the_queue<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    commit(backplane, |group| group.stores.extend(["a", "b", "c"].map(|name| event(name, at)))).await;
    let first = page(backplane, None, 2).await;
    let cursor = QueueCursor::parse(&first[1].cursor.to_string());
    assert_eq!(cursor, Some(first[1].cursor));
    commit(backplane, |group| {
        group.acks.extend([ack("a"), ack("b")]);
        group.stores.push(event("d", at));
    })
    .await;
    assert_eq!(names(&page(backplane, cursor, 10).await), ["c", "d"]);
}

pub(crate) async fn a_purge_empties_the_queue_and_the_books_balance<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let (owner, at) = (orchestrator("vp_1"), now());
    commit(backplane, |group| {
        group.completed.push(ack("completed"));
        group.stores.extend(["taken", "poison", "a", "b"].map(|name| event(name, at)));
        group.acks.push(ack("taken"));
        group.dead.push(dead("poison"));
    })
    .await;
    let books = Ledger { accepted: 5, acknowledged: 2, dead: 1, queued: 2, ..Ledger::default() };
    assert_eq!(backplane.ledger(&owner).await, Ok(books));
    assert_eq!(backplane.purge(&owner).await, Ok(2));
    assert_eq!(backplane.ledger(&owner).await, Ok(Ledger { dropped: 2, queued: 0, ..books }));
    assert!(page(backplane, None, 10).await.is_empty());
    assert_eq!(backplane.backlog().await.expect("readable").events, 0);
    assert_eq!(backplane.purge(&owner).await, Ok(0), "once");
    commit(backplane, |group| group.stores.push(event("a", at))).await;
    assert_eq!(waiting(backplane, "vp_1").await, ["a"], "it was not remembered as acknowledged");
}

pub(crate) async fn the_books_of_nobody_are_empty<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.ledger(&orchestrator("nobody")).await, Ok(Ledger::default()));
    assert_eq!(backplane.purge(&orchestrator("nobody")).await, Ok(0));
}

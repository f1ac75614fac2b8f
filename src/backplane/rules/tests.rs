//! What the rules do to the books, to claims, and to what outlives a queue entry.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    backplane::{
        commit::{Ack, Claim, GroupOutcome, OrchestratorCommit, StoreOutcome},
        queue::{ACK_MEMORY, CLAIM_COURTESY, Expired, QUEUE_CAPACITY},
        rules::{self, Asking},
        trail::Outcome,
    },
    domain::{
        event::{Audience, Event, EventType},
        gap::Gap,
        ids::ConnectionId,
    },
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn owner() -> OrchestratorId {
    OrchestratorId::parse("vp_1").expect("an id")
}

impl MemoryShelf {
    fn change(&mut self, change: impl FnOnce(&mut OrchestratorCommit)) -> GroupOutcome {
        let mut group = OrchestratorCommit::new(owner());
        change(&mut group);
        let batch = CommitBatch { now: NOW, groups: vec![group], ..CommitBatch::default() };
        self.commit(&batch).groups.remove(0)
    }

    /// The books, checked to balance and to agree with what is kept.
    fn checked_books(&mut self) -> Books {
        let queue = self.queues.get(&owner()).expect("a queue");
        let books = queue.books.clone();
        let left = books.acknowledged + books.lost.expired + books.lost.dropped + books.dead;
        assert_eq!(books.accepted, left + books.queued, "the books balance: {books:?}");
        assert_eq!(books.queued, queue.entries.len() as u64);
        assert_eq!(books.queued, queue.places.len() as u64);
        assert_eq!(books.queued, self.due.len() as u64);
        assert_eq!(books.remembered, queue.remembered.len() as u64);
        assert_eq!(books.remembered, queue.remembered_in_order.len() as u64);
        books
    }

    fn knows(&mut self, name: &str) -> bool {
        certain(self.is_remembered(&owner(), &id(name)))
    }

    fn outcomes(&self) -> Vec<(String, Outcome)> {
        self.receipts(None).map(|receipt| (receipt.event.as_str().to_owned(), receipt.outcome)).collect()
    }

    fn names(&self) -> Vec<String> {
        self.waiting(&owner()).iter().map(|waiting| waiting.id.as_str().to_owned()).collect()
    }
}

fn id(name: &str) -> EventId {
    EventId::parse(name).expect("an id")
}

fn daemon(name: &str) -> DaemonId {
    DaemonId::parse(name).expect("an id")
}

fn event(name: &str) -> Arc<Event> {
    Arc::new(made(name))
}

fn made(name: &str) -> Event {
    Event {
        id: id(name),
        kind: EventType::parse("message.received").expect("a type"),
        orchestrator: owner(),
        daemon: None,
        organization: None,
        channel: None,
        workspace: None,
        timestamp: NOW,
        requires_ack: true,
        priority: 0,
        audience: Audience::All,
        expires_at: None,
        traceparent: None,
        payload: "{}".into(),
        body: "{}".into(),
    }
}

fn ack(name: &str) -> Ack {
    Ack { id: id(name), daemon: daemon("d1"), attempts: 1 }
}

fn dead(name: &str) -> DeadLetter {
    DeadLetter {
        id: id(name),
        reason: "max_attempts",
        attempts: 10,
        daemon: daemon("d1"),
        history: Vec::new(),
    }
}

fn sent(name: &str, attempts: u32) -> Sent {
    Sent {
        id: id(name),
        daemon: daemon("d1"),
        connection: ConnectionId::random(),
        attempts,
        at: NOW,
        crashes: 0,
        history: Vec::new(),
        shared: false,
    }
}

#[test]
fn an_event_taken_before_it_was_stored_counts_once_as_accepted_and_acknowledged() {
    let mut shelf = MemoryShelf::default();
    for _ in 0..2 {
        let outcome = shelf.change(|group| group.completed.push(ack("e")));
        assert_eq!(outcome.acknowledged, 0, "nothing left the queue");
        let books = shelf.checked_books();
        assert_eq!((books.accepted, books.acknowledged), (1, 1));
    }
    assert!(shelf.knows("e"));
    assert_eq!(shelf.outcomes(), [("e".to_owned(), Outcome::Acknowledged)], "one receipt");
}

#[test]
fn an_event_stored_by_somebody_else_is_not_accepted_twice_when_it_completes() {
    let mut shelf = MemoryShelf::default();
    shelf.change(|group| group.stores.push(event("e")));
    let outcome = shelf.change(|group| group.completed.push(ack("e")));
    assert_eq!(outcome.acknowledged, 1);
    let books = shelf.checked_books();
    assert_eq!((books.accepted, books.acknowledged, books.queued), (1, 1, 0));
}

#[test]
fn repeating_every_kind_of_change_leaves_the_books_alone() {
    let mut shelf = MemoryShelf::default();
    let changes = |group: &mut OrchestratorCommit| {
        group.completed.push(ack("completed"));
        group.stores.extend(["waiting", "taken", "poison"].map(event));
        group.acks.push(ack("taken"));
        group.dead.push(dead("poison"));
        group.sent.push(sent("waiting", 1));
    };
    shelf.change(changes);
    let (once, receipts) = (shelf.checked_books(), shelf.outcomes());
    assert_eq!((once.accepted, once.acknowledged, once.dead, once.queued), (4, 2, 1, 1));
    shelf.change(changes);
    assert_eq!((shelf.checked_books(), shelf.outcomes()), (once, receipts));
    assert_eq!(shelf.unfiled().count(), 1);
}

#[test]
fn an_event_acknowledged_in_the_same_batch_is_not_dropped_as_overflow() {
    let mut shelf = MemoryShelf::default();
    shelf.change(|group| group.stores.extend((0..QUEUE_CAPACITY).map(|n| event(&format!("e{n}")))));
    let outcome = shelf.change(|group| {
        group.stores.push(event("one_more"));
        group.acks.push(ack("e0"));
    });
    assert_eq!((outcome.dropped, outcome.acknowledged), (Vec::new(), 1));
    assert_eq!(shelf.checked_books().queued, QUEUE_CAPACITY);
}

#[test]
fn ids_are_forgotten_oldest_first_and_never_below_the_minimum() {
    let mut shelf = MemoryShelf::default();
    let most = 2 * ACK_MEMORY;
    shelf.change(|group| group.completed.extend((0..most).map(|n| ack(&format!("e{n}")))));
    assert_eq!(shelf.checked_books().remembered, most, "twice the minimum is kept");
    shelf.change(|group| group.completed.push(ack("last")));
    assert_eq!(shelf.checked_books().remembered, ACK_MEMORY);
    let newest_forgotten = most - ACK_MEMORY;
    assert!(!shelf.knows(&format!("e{newest_forgotten}")));
    assert!(shelf.knows(&format!("e{}", newest_forgotten + 1)) && shelf.knows("last"));
}

#[test]
fn a_dead_letter_that_is_redriven_waits_as_if_it_were_new() {
    let mut shelf = MemoryShelf::default();
    shelf.change(|group| {
        group.stores.push(event("e"));
        group.sent.push(sent("e", 10));
    });
    assert_eq!(shelf.change(|group| group.dead.push(dead("e"))).dead, 1);
    let again = shelf.change(|group| group.stores.push(event("e")));
    assert_eq!(again.stores, [StoreOutcome::AlreadyAcknowledged], "its publisher cannot bring it back");
    let old = Event { expires_at: Some(NOW), ..made("e") };
    let redriven = shelf.change(|group| group.redriven.push(Arc::new(old)));
    assert_eq!(redriven.redriven, 1);
    let books = shelf.checked_books();
    assert_eq!((books.accepted, books.dead, books.queued), (1, 0, 1));
    assert_eq!(shelf.load(&owner(), &daemon("d1"), &[id("e")])[0].attempts, 0);
    assert_eq!(certain(rules::expire(&mut shelf, NOW.plus(Duration::from_secs(60)), 10)), []);
    assert_eq!(shelf.change(|group| group.redriven.push(event("e"))).redriven, 0, "it waits already");
    assert_eq!(shelf.checked_books(), books);
}

#[test]
fn a_redriven_event_that_the_books_do_not_know_is_accepted() {
    let mut shelf = MemoryShelf::default();
    shelf.change(|group| group.redriven.push(event("e")));
    let books = shelf.checked_books();
    assert_eq!((books.accepted, books.dead, books.queued), (1, 0, 1));
}

#[test]
fn an_event_expires_by_its_own_word_or_by_the_retention() {
    let mut shelf = MemoryShelf::default();
    let brief = Event { expires_at: Some(NOW.plus(Duration::from_millis(5))), ..made("brief") };
    shelf.change(|group| group.stores.extend([Arc::new(brief), event("long")]));
    let mut expire_at = |millis| {
        let expired = certain(rules::expire(&mut shelf, NOW.plus(Duration::from_millis(millis)), 10));
        (expired, shelf.names())
    };
    assert_eq!(expire_at(5).0, [], "not yet");
    let one = vec![Expired { orchestrator: owner(), count: 1 }];
    assert_eq!(expire_at(6), (one.clone(), vec!["long".to_owned()]));
    assert_eq!(expire_at(6).0, [], "once");
    let week = super::super::due(Timestamp(0), None);
    assert_eq!(expire_at(week.0.cast_unsigned() + 1), (one, Vec::new()));
    assert_eq!(shelf.checked_books().lost, Losses { dropped: 0, expired: 2 });
    assert_eq!(shelf.outcomes().len(), 2);
}

#[test]
fn losses_are_told_once_to_each() {
    let mut shelf = MemoryShelf::default();
    let tell = |shelf: &mut MemoryShelf, name| certain(rules::tell(shelf, &owner(), &daemon(name), NOW));
    assert_eq!(tell(&mut shelf, "d1"), None);
    shelf.change(|group| group.stores.extend(["a", "b"].map(event)));
    assert_eq!(certain(rules::purge(&mut shelf, &owner(), NOW)), 2);
    let gap = Some(Gap { dropped: 2, expired: 0 });
    assert_eq!(tell(&mut shelf, "d2"), gap);
    assert_eq!(tell(&mut shelf, "d1"), gap, "it is another daemon");
    assert_eq!(tell(&mut shelf, "d3"), None, "somebody was told before it came");
    assert_eq!(tell(&mut shelf, "d1"), None, "once");
    assert_eq!(shelf.checked_books().lost.dropped, 2);
}

#[test]
fn of_several_connections_one_has_an_event_until_it_lets_go() {
    let mut shelf = MemoryShelf::default();
    let [one, other] = [ConnectionId::random(), ConnectionId::random()];
    let both = [one, other];
    let until = NOW.plus(Duration::from_secs(30));
    let claim = Claim { id: id("e"), connection: one, until };
    shelf.change(|group| {
        group.stores.push(event("e"));
        group.claims.push(claim.clone());
    });
    shelf.change(|group| {
        group.stores.push(event("e"));
        group.claims.push(Claim { connection: other, ..claim });
    });
    let ask = |shelf: &mut MemoryShelf, connection, living: &[ConnectionId], after: Duration| {
        let now = NOW.plus(after);
        let until = now.plus(Duration::from_secs(30));
        let asking = Asking { orchestrator: &owner(), connection, until, now, living, most: 1 };
        certain(rules::claim(shelf, asking, &[id("e"), id("never")]))[0]
    };
    let later = Duration::from_secs(1);
    assert_eq!(ask(&mut shelf, other, &both, later), None, "the first batch chose");
    assert_eq!(ask(&mut shelf, one, &both, later), Some(0), "it has it");
    let not_before = NOW.plus(Duration::from_secs(2));
    certain(rules::release(&mut shelf, &owner(), other, &[id("e")], not_before));
    assert_eq!(ask(&mut shelf, other, &both, later), None, "one cannot let go of another's");
    certain(rules::release(&mut shelf, &owner(), one, &[id("e")], not_before));
    assert_eq!(ask(&mut shelf, other, &both, later), None, "too soon");
    let then = Duration::from_secs(2);
    assert_eq!(ask(&mut shelf, one, &both, then), None, "it stands back");
    assert_eq!(ask(&mut shelf.clone(), one, &[one], then), Some(1), "unless it is alone");
    assert_eq!(ask(&mut shelf.clone(), one, &both, then + CLAIM_COURTESY), Some(1), "or nobody came");
    assert_eq!(ask(&mut shelf, other, &both, then), Some(1));
    assert_eq!(ask(&mut shelf.clone(), one, &[one], then), Some(2), "the other one is gone");
    assert_eq!(ask(&mut shelf, one, &both, then + Duration::from_secs(30)), Some(2), "it was silent");
    shelf.change(|group| group.acks.push(ack("e")));
    assert_eq!(certain(shelf.claimed(&owner(), &id("e"))), None, "it goes away with its event");
}

//! What a group commit does to the books, and to what outlives a queue entry.

use std::sync::Arc;

use super::*;
use crate::domain::{
    event::{Audience, EventType},
    ids::{ConnectionId, DaemonId},
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Fixture {
    file: QueueFile,
    orchestrator: OrchestratorId,
    _directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = QueueFile::open(&directory.path().join("queue.db")).expect("opened");
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        Self { file, orchestrator, _directory: directory }
    }

    fn commit(&mut self, change: impl FnOnce(&mut OrchestratorCommit)) -> GroupOutcome {
        let mut group = OrchestratorCommit::new(self.orchestrator.clone());
        change(&mut group);
        let batch = CommitBatch { now: NOW, groups: vec![group], ..CommitBatch::default() };
        commit(&mut self.file, &batch).expect("committed").groups.remove(0)
    }

    /// The books, checked to balance and to agree with the tables.
    fn ledger(&mut self) -> Ledger {
        let orchestrator = &self.orchestrator;
        let (ledger, waiting, dead) = self
            .file
            .read(|transaction| {
                let waiting = transaction.in_send_order(orchestrator)?.len();
                Ok((transaction.ledger(orchestrator)?, waiting, transaction.buried(orchestrator)?.len()))
            })
            .expect("readable");
        let left = ledger.acknowledged + ledger.expired + ledger.dropped + ledger.dead;
        assert_eq!(ledger.accepted, left + ledger.queued, "the ledger balances: {ledger:?}");
        assert_eq!(ledger.depth(), waiting as u64);
        assert_eq!(ledger.dead_letters, i64::try_from(dead).expect("small"));
        ledger
    }

    fn knows_as_acknowledged(&mut self, name: &str) -> bool {
        let orchestrator = &self.orchestrator;
        self.file.read(|transaction| transaction.is_acknowledged(orchestrator, &id(name))).expect("readable")
    }
}

fn id(name: &str) -> EventId {
    EventId::parse(name).expect("an id")
}

fn event(name: &str) -> Arc<Event> {
    Arc::new(Event {
        id: id(name),
        kind: EventType::parse("message.received").expect("a type"),
        orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
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
    })
}

fn ack(name: &str) -> Ack {
    Ack { id: id(name), daemon: DaemonId::parse("d1").expect("an id"), attempts: 1 }
}

fn dead(name: &str) -> DeadLetter {
    DeadLetter {
        id: id(name),
        reason: "max_attempts",
        attempts: 10,
        daemon: DaemonId::parse("d1").expect("an id"),
        history: Vec::new(),
    }
}

fn sent(name: &str, attempts: u32) -> Sent {
    let daemon = DaemonId::parse("d1").expect("an id");
    Sent {
        id: id(name),
        daemon,
        connection: ConnectionId::random(),
        attempts,
        at: NOW,
        crashes: 0,
        history: Vec::new(),
    }
}

#[test]
fn an_event_taken_before_it_was_stored_counts_once_as_accepted_and_acknowledged() {
    let mut fixture = Fixture::new();
    for _ in 0..2 {
        let outcome = fixture.commit(|group| group.completed.push(ack("e")));
        assert_eq!(outcome.acknowledged, 0, "nothing left the queue");
        let ledger = fixture.ledger();
        assert_eq!((ledger.accepted, ledger.acknowledged), (1, 1));
    }
    assert!(fixture.knows_as_acknowledged("e"));
}

#[test]
fn an_event_stored_by_somebody_else_is_not_accepted_twice_when_it_completes() {
    let mut fixture = Fixture::new();
    fixture.commit(|group| group.stores.push(event("e")));
    let outcome = fixture.commit(|group| group.completed.push(ack("e")));
    assert_eq!(outcome.acknowledged, 1);
    let ledger = fixture.ledger();
    assert_eq!((ledger.accepted, ledger.acknowledged, ledger.queued), (1, 1, 0));
}

#[test]
fn repeating_every_kind_of_change_leaves_the_books_alone() {
    let mut fixture = Fixture::new();
    let changes = |group: &mut OrchestratorCommit| {
        group.completed.push(ack("completed"));
        group.stores.extend(["waiting", "taken", "poison"].map(event));
        group.acks.push(ack("taken"));
        group.dead.push(dead("poison"));
        group.sent.push(sent("waiting", 1));
    };
    fixture.commit(changes);
    let once = fixture.ledger();
    assert_eq!((once.accepted, once.acknowledged, once.dead, once.queued), (4, 2, 1, 1));
    fixture.commit(changes);
    assert_eq!(fixture.ledger(), once);
}

#[test]
fn an_event_acknowledged_in_the_same_batch_is_not_dropped_as_overflow() {
    let mut fixture = Fixture::new();
    fixture.commit(|group| group.stores.extend((0..QUEUE_CAPACITY).map(|n| event(&format!("e{n}")))));
    let outcome = fixture.commit(|group| {
        group.stores.push(event("one_more"));
        group.acks.push(ack("e0"));
    });
    assert_eq!((outcome.dropped, outcome.acknowledged), (Vec::new(), 1));
    assert_eq!(fixture.ledger().depth(), QUEUE_CAPACITY);
}

#[test]
fn a_delivery_of_an_event_that_is_gone_leaves_no_trace() {
    let mut fixture = Fixture::new();
    fixture.commit(|group| {
        group.stores.push(event("e"));
        group.sent.push(sent("e", 1));
    });
    fixture.commit(|group| {
        group.acks.push(ack("e"));
        group.sent.push(Sent { daemon: DaemonId::parse("d2").expect("an id"), ..sent("e", 1) });
    });
    let orchestrator = fixture.orchestrator.clone();
    // Put back by hand, past the memory of acknowledgements, to see what is known of it.
    let attempts = fixture.file.durably(|transaction| {
        let entry = Entry { id: &id("e"), time: NOW, priority: 0, body: b"{}" };
        transaction.append(&orchestrator, entry)?;
        ["d1", "d2"]
            .into_iter()
            .map(|name| {
                let daemon = DaemonId::parse(name).expect("an id");
                let entry = transaction.load(&orchestrator, &daemon, &id("e"))?;
                Ok(entry.map(|entry| entry.attempts))
            })
            .collect::<Result<Vec<_>>>()
    });
    assert_eq!(attempts, Ok(vec![Some(0), Some(0)]));
}

#[test]
fn dead_letters_are_kept_with_their_reason_up_to_a_bound() {
    let mut fixture = Fixture::new();
    let letters = DEAD_LETTER_CAPACITY + 1;
    for n in 0..letters {
        fixture.commit(|group| {
            group.stores.push(event(&format!("e{n}")));
            group.dead.push(dead(&format!("e{n}")));
        });
    }
    let ledger = fixture.ledger();
    assert_eq!((ledger.dead.cast_unsigned(), ledger.dead_letters.cast_unsigned()), (letters, letters - 1));
    let orchestrator = &fixture.orchestrator;
    let buried = fixture.file.read(|transaction| transaction.buried(orchestrator)).expect("readable");
    assert_eq!(
        (buried[0].id.as_str(), buried[0].reason.as_str(), buried[0].attempts),
        ("e1", "max_attempts", 10)
    );
}

#[test]
fn acknowledged_ids_are_forgotten_oldest_first_and_never_below_the_minimum() {
    let mut fixture = Fixture::new();
    let most = 2 * ACK_MEMORY;
    fixture.commit(|group| group.completed.extend((0..most).map(|n| ack(&format!("e{n}")))));
    assert_eq!(fixture.ledger().remembered.cast_unsigned(), most, "twice the minimum is kept");
    fixture.commit(|group| group.completed.push(ack("last")));
    assert_eq!(fixture.ledger().remembered.cast_unsigned(), ACK_MEMORY);
    let newest_forgotten = most - ACK_MEMORY;
    assert!(!fixture.knows_as_acknowledged(&format!("e{newest_forgotten}")));
    assert!(fixture.knows_as_acknowledged(&format!("e{}", newest_forgotten + 1)));
    assert!(fixture.knows_as_acknowledged("last"));
}

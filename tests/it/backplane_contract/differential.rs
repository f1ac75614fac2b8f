//! Random changes have the same effect on every backplane as on the pure rules in memory.

use std::{convert::Infallible, sync::Arc, time::Duration};

use neolith_hub::{
    backplane::{
        commit::{Ack, Claim, CommitBatch, DeadLetter, OrchestratorCommit, Sent},
        dead_letters::{DeadLetters, Unfiled},
        inspection::{Inspection, Ledger},
        queue::EventQueue,
        registry::{Attach, ConnectionRegistry},
        rules::{self, Asking, Shelf, memory::MemoryShelf},
        trail::{Among, EventTrail, Receipt},
    },
    domain::{
        clock::Timestamp,
        event::Event,
        ids::{EventId, OrchestratorId, OrganizationId},
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    strategy::ValueTree,
    test_runner::TestRunner,
};

use super::{Harness, fixtures::*};

const RUNS: usize = 24;
const OWNERS: usize = 2;
const EVENTS: usize = 6;
const DAEMONS: usize = 2;

/// One change; numbers stand for one of the few owners, events and daemons.
#[derive(Debug, Clone)]
enum Change {
    Complete(usize),
    Store { event: usize, age: u64, priority: i32, ttl: Option<u64> },
    Claim(usize, usize),
    Redrive(usize),
    Take(usize),
    GiveUp(usize),
    Send(usize, usize),
}

#[derive(Debug, Clone)]
enum Step {
    Commit { owner: usize, tenant: bool, changes: Vec<Change> },
    Expire,
    Purge(usize),
    Ask { owner: usize, daemon: usize, event: usize },
    LetGo { owner: usize, daemon: usize, event: usize },
    Connect { owner: usize, daemon: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let store = (0..EVENTS, 0..3_u64, -1..=1_i32, option::weighted(0.3, 0..40_u64))
        .prop_map(|(event, age, priority, ttl)| Change::Store { event, age, priority, ttl });
    let change = prop_oneof![
        1 => (0..EVENTS).prop_map(Change::Complete),
        5 => store,
        1 => (0..EVENTS, 0..DAEMONS).prop_map(|(event, daemon)| Change::Claim(event, daemon)),
        1 => (0..EVENTS).prop_map(Change::Redrive),
        2 => (0..EVENTS).prop_map(Change::Take),
        2 => (0..EVENTS).prop_map(Change::GiveUp),
        1 => (0..EVENTS, 0..DAEMONS).prop_map(|(event, daemon)| Change::Send(event, daemon)),
    ];
    let commit = (0..OWNERS, any::<bool>(), vec(change, 1..8))
        .prop_map(|(owner, tenant, changes)| Step::Commit { owner, tenant, changes });
    let who = || (0..OWNERS, 0..DAEMONS, 0..EVENTS);
    let step = prop_oneof![
        8 => commit,
        2 => Just(Step::Expire),
        1 => (0..OWNERS).prop_map(Step::Purge),
        3 => who().prop_map(|(owner, daemon, event)| Step::Ask { owner, daemon, event }),
        2 => who().prop_map(|(owner, daemon, event)| Step::LetGo { owner, daemon, event }),
        1 => (0..OWNERS, 0..DAEMONS).prop_map(|(owner, daemon)| Step::Connect { owner, daemon }),
    ];
    vec(step, 1..40)
}

fn certain<T>(result: Result<T, Infallible>) -> T {
    result.unwrap_or_else(|never| match never {})
}

/// Both sides of the comparison. Names carry the number of the run, so that all share one store.
struct Pair<'a, B> {
    backplane: &'a B,
    memory: MemoryShelf,
    run: usize,
    now: Timestamp,
    connections: Vec<Vec<Attach>>,
}

impl<B: EventQueue + Inspection + EventTrail + DeadLetters + ConnectionRegistry> Pair<'_, B> {
    fn owner(&self, number: usize) -> OrchestratorId {
        orchestrator(&format!("vp_{}_{number}", self.run))
    }

    fn event_id(&self, number: usize) -> EventId {
        id(&format!("e_{}_{number}", self.run))
    }

    fn event(&self, owner: usize, number: usize) -> Event {
        let event = event(self.event_id(number).as_str(), self.now).as_ref().clone();
        Event { orchestrator: self.owner(owner), ..event }
    }

    fn group(&self, owner: usize, tenant: bool, changes: &[Change]) -> OrchestratorCommit {
        let mut group = OrchestratorCommit::new(self.owner(owner));
        group.organization = tenant.then(|| OrganizationId::parse("org_1").expect("an id"));
        let at = self.now;
        let later = |millis| at.plus(Duration::from_millis(millis));
        for change in changes {
            match *change {
                Change::Complete(event) => group.completed.push(self.ack(event)),
                Change::Take(event) => group.acks.push(self.ack(event)),
                Change::Store { event, age, priority, ttl } => {
                    let timestamp = at.minus(Duration::from_millis(age));
                    let expires_at = ttl.map(later);
                    let event = Event { timestamp, priority, expires_at, ..self.event(owner, event) };
                    group.stores.push(Arc::new(event));
                }
                Change::Claim(event, daemon) => group.claims.push(Claim {
                    id: self.event_id(event),
                    connection: self.connections[owner][daemon].connection,
                    until: later(20),
                }),
                Change::Redrive(event) => group.redriven.push(Arc::new(self.event(owner, event))),
                Change::GiveUp(event) => {
                    group.dead.push(DeadLetter { id: self.event_id(event), ..dead("any") });
                }
                Change::Send(event, daemon) => {
                    let daemon = ["d1", "d2"][daemon];
                    group.sent.push(Sent { id: self.event_id(event), ..sent("any", daemon, 1) });
                }
            }
        }
        group
    }

    fn ack(&self, event: usize) -> Ack {
        Ack { id: self.event_id(event), ..ack("any") }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Commit { owner, tenant, ref changes } => {
                let groups = vec![self.group(owner, tenant, changes)];
                let batch = CommitBatch { now: self.now, groups, ..CommitBatch::default() };
                for _ in 0..2 {
                    let outcome = self.backplane.commit(&batch).await.expect("committed");
                    assert_eq!(outcome, self.memory.commit(&batch));
                    // Only what has no dead letters that come back may be repeated.
                    if !batch.groups[0].redriven.is_empty() {
                        break;
                    }
                }
            }
            Step::Expire => {
                let own = |one: &OrchestratorId| (0..OWNERS).any(|number| *one == self.owner(number));
                let mut expired = self.backplane.expire(self.now).await.expect("expired");
                expired.retain(|expired| own(&expired.orchestrator));
                expired.sort_by(|one, other| one.orchestrator.cmp(&other.orchestrator));
                assert_eq!(expired, certain(rules::expire(&mut self.memory, self.now, 1000)));
            }
            Step::Purge(owner) => {
                let owner = self.owner(owner);
                let purged = self.backplane.purge(&owner).await.expect("purged");
                assert_eq!(purged, certain(rules::purge(&mut self.memory, &owner, self.now)));
            }
            Step::Ask { owner, daemon, event } => {
                let living: Vec<_> = self.connections[owner].iter().map(|one| one.connection).collect();
                let (owner, until) = (self.owner(owner), self.now.plus(Duration::from_millis(20)));
                let (connection, now, ids) = (living[daemon], self.now, [self.event_id(event)]);
                let granted = self.backplane.claim(&owner, connection, &ids, 1, until, now).await;
                let (orchestrator, living) = (&owner, living.as_slice());
                let asking = Asking { orchestrator, connection, until, now, living, most: 1 };
                assert_eq!(granted, Ok(certain(rules::claim(&mut self.memory, asking, &ids))));
            }
            Step::LetGo { owner, daemon, event } => {
                let connection = self.connections[owner][daemon].connection;
                let (owner, ids) = (self.owner(owner), [self.event_id(event)]);
                let not_before = self.now.plus(Duration::from_millis(5));
                self.backplane.release(&owner, connection, &ids, not_before).await.expect("let go");
                certain(rules::release(&mut self.memory, &owner, connection, &ids, not_before));
            }
            Step::Connect { owner, daemon } => {
                let request = Attach { now: self.now, ..self.connections[owner][daemon].clone() };
                self.connect(&request).await;
            }
        }
    }

    async fn connect(&mut self, request: &Attach) {
        let gap = attached(self.backplane, request).await.gap;
        let Attach { orchestrator, daemon, .. } = request;
        assert_eq!(gap, certain(rules::tell(&mut self.memory, orchestrator, daemon, self.now)));
    }

    /// Everything that can be seen from outside is the same.
    async fn compare(&mut self) {
        for number in 0..OWNERS {
            let owner = self.owner(number);
            assert_eq!(self.backplane.waiting(&owner).await, Ok(self.memory.waiting(&owner)));
            let books = certain(self.memory.books(&owner));
            let expected = Ledger {
                accepted: books.accepted,
                acknowledged: books.acknowledged,
                expired: books.lost.expired,
                dropped: books.lost.dropped,
                dead: books.dead,
                queued: books.queued,
            };
            assert_eq!(self.backplane.ledger(&owner).await, Ok(expected));
        }
    }

    async fn compare_ends(&mut self) {
        let key = |receipt: &Receipt| {
            (receipt.event.clone(), receipt.orchestrator.clone(), receipt.at, receipt.outcome.as_str())
        };
        let organization = OrganizationId::parse("org_1").expect("an id");
        for number in 0..EVENTS {
            let id = self.event_id(number);
            let mut receipts =
                self.backplane.receipts(&id, Among::Everybody { first: None }).await.expect("readable").found;
            let known = self.memory.receipts(None).chain(self.memory.receipts(Some(&organization)));
            let mut expected: Vec<_> = known.filter(|receipt| receipt.event == id).cloned().collect();
            // An admin's purge is noted by the clock of the backplane.
            for receipt in receipts.iter_mut().chain(&mut expected) {
                if receipt.outcome.as_str() == "dropped" {
                    receipt.at = Timestamp::default();
                }
            }
            receipts.sort_by_key(key);
            expected.sort_by_key(key);
            assert_eq!(receipts, expected);
        }
        let letters = self.backplane.unfiled(10_000).await.expect("readable");
        self.backplane.filed(&letters).await.expect("filed");
        let nameless = |letter: &Unfiled| Unfiled { key: String::new(), ..letter.clone() };
        let expected: Vec<_> = self.memory.unfiled().map(nameless).collect();
        assert_eq!(letters.iter().map(nameless).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn random_changes_do_what_the_rules_say<H: Harness>(_: &H, backplane: &H::Backplane) {
    let mut runner = TestRunner::deterministic();
    let start = now();
    for run in 0..RUNS {
        let steps = steps().new_tree(&mut runner).expect("steps").current();
        let memory = MemoryShelf::default();
        let mut pair = Pair { backplane, memory, run, now: start, connections: Vec::new() };
        for owner in 0..OWNERS {
            let orchestrator = pair.owner(owner);
            let requests = ["d1", "d2"].map(|name| {
                let session = session(&format!("s_{run}_{owner}_{name}"));
                Attach { orchestrator: orchestrator.clone(), session, ..attach(name) }
            });
            for request in &requests {
                pair.connect(request).await;
            }
            pair.connections.push(requests.into());
        }
        let mut done = Done { run, steps: &steps, count: 0, fine: false };
        for step in &steps {
            done.count += 1;
            pair.now = pair.now.plus(Duration::from_millis(7));
            pair.step(step).await;
            pair.compare().await;
        }
        pair.compare_ends().await;
        done.fine = true;
    }
}

/// Shows the steps of a run that failed.
struct Done<'a> {
    run: usize,
    steps: &'a [Step],
    count: usize,
    fine: bool,
}

impl Drop for Done<'_> {
    #[expect(clippy::print_stderr, reason = "what failed cannot be told from the panic alone")]
    fn drop(&mut self) {
        if !self.fine {
            eprintln!("run {}: {:#?}", self.run, &self.steps[..self.count]);
        }
    }
}

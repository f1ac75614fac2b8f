//! The world: hubs, connections, daemons, publishers and a store on one virtual clock. Everything that
//! happens is an [`Act`] in one heap; a seed decides all of it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use super::{
    Number,
    act::Act,
    connection::Link,
    daemon::Daemon,
    facts::{Book, Moment, Note},
    hub::Hub,
    invariant::Violation,
    oracle::Oracle,
    plan::Plan,
    publisher::Publication,
    random::Random,
    replay, shell,
    store::Store,
};
use crate::{
    domain::{
        clock::{Monotonic, Now, Timestamp},
        ids::{OrchestratorId, OrganizationId},
    },
    session::effect::Limits,
};

/// Where the virtual clocks start.
const START: Now = Now { wall: Timestamp(1_700_000_000_000), mono: Monotonic(5_000_000) };
/// No run needs more steps than this.
const MAX_STEPS: u64 = 3_000_000;

/// An orchestrator, and whose it is.
#[derive(Debug)]
pub(super) struct Orchestrator {
    pub(super) id: OrchestratorId,
    pub(super) organization: OrganizationId,
    pub(super) daemons: Vec<Number>,
}

/// See the [module](self).
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) limits: Arc<Limits>,
    pub(super) step: u64,
    pub(super) at: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, Number)>>,
    acts: BTreeMap<Number, Act>,
    scheduled: u64,
    pub(super) orchestrators: Vec<Orchestrator>,
    pub(super) hubs: Vec<Hub>,
    pub(super) links: Vec<Link>,
    pub(super) daemons: Vec<Daemon>,
    pub(super) publications: Vec<Publication>,
    pub(super) store: Store,
    pub(super) oracle: Oracle,
    /// Nothing goes wrong any more, and everybody is healthy.
    pub(super) calm: bool,
    pub(super) counts: Counts,
    /// What happens, a line each, if somebody wants to read it.
    pub(super) journal: Option<Vec<String>>,
}

/// What a run was made of.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) events: u64,
    pub(super) sent: u64,
    pub(super) most_at_once: u64,
}

/// Runs the world of a plan to its end.
pub(super) fn run(plan: Plan) -> Result<Counts, Box<Violation>> {
    World::new(plan).live()
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut world = Self {
            random: Random::new(plan.seed),
            limits: Arc::new(shell::limits(&plan)),
            step: 0,
            at: 0,
            agenda: BinaryHeap::new(),
            acts: BTreeMap::new(),
            scheduled: 0,
            orchestrators: Vec::new(),
            hubs: Vec::new(),
            links: Vec::new(),
            daemons: Vec::new(),
            publications: Vec::new(),
            store: Store::default(),
            oracle: Oracle::default(),
            calm: false,
            counts: Counts::default(),
            journal: None,
            plan,
        };
        world.settle_in();
        world
    }

    /// Everything from the first publish to the last account.
    pub(super) fn live(&mut self) -> Result<Counts, Box<Violation>> {
        self.prepare();
        self.run_until(self.plan.span);
        self.settle();
        self.counts.steps = self.step;
        self.oracle.violation.take().map_or(Ok(self.counts), |violation| Err(Box::new(violation)))
    }

    /// Hubs, orchestrators and daemons.
    fn settle_in(&mut self) {
        for _ in 0..self.plan.hubs {
            self.hubs.push(Hub::new(&self.plan, self.now().wall));
        }
        for number in 0..self.plan.orchestrators {
            let id = OrchestratorId::parse(&format!("vp{number}")).expect("an id");
            let organization = OrganizationId::parse(&format!("org{}", number % 2)).expect("an id");
            let mut daemons = Vec::new();
            for _ in 0..self.plan.daemons_each {
                daemons.push(self.daemons.len());
                let daemon = Daemon::draw(self.daemons.len(), number, &self.plan, &mut self.random);
                self.daemons.push(daemon);
            }
            self.oracle.facts.books.push(Book::default());
            self.oracle.facts.orchestrators.insert(id.clone(), number);
            self.orchestrators.push(Orchestrator { id, organization, daemons });
        }
    }

    pub(super) fn now(&self) -> Now {
        let span = Duration::from_millis(self.at);
        Now { wall: START.wall.plus(span), mono: START.mono.plus(span) }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { step: self.step, at: self.at }
    }

    pub(super) fn note(&mut self, event: Number, note: Note) {
        let now = self.moment();
        if let Some(journal) = &mut self.journal {
            let fact = &self.oracle.facts.all[event].event;
            journal.push(replay::line(self.at, &format!("  {} of {}: {note:?}", fact.id, fact.orchestrator)));
        }
        self.oracle.facts.note(event, now, note);
    }

    /// Lets something happen in `delay` milliseconds.
    pub(super) fn after(&mut self, delay: u64, act: Act) {
        self.scheduled += 1;
        let key = usize::try_from(self.scheduled).expect("a count");
        self.acts.insert(key, act);
        self.agenda.push(Reverse((self.at + delay, self.scheduled, key)));
    }

    /// Lets something happen after a time between `low` and `high` milliseconds.
    pub(super) fn soon(&mut self, low: u64, high: u64, act: Act) {
        let delay = self.random.between(low, high);
        self.after(delay, act);
    }

    /// Everything that happens until `end`, or until a promise is broken.
    pub(super) fn run_until(&mut self, end: u64) {
        while self.oracle.violation.is_none() && self.step < MAX_STEPS {
            match self.agenda.peek() {
                Some(Reverse((at, ..))) if *at <= end => {}
                _ => break,
            }
            let Some(Reverse((at, _, key))) = self.agenda.pop() else { break };
            let Some(act) = self.acts.remove(&key) else { continue };
            self.at = at;
            self.step += 1;
            if let Some(journal) = &mut self.journal {
                journal.push(replay::line(at, &format!("{act:?}")));
            }
            self.perform(act);
        }
        self.at = self.at.max(end);
    }
}

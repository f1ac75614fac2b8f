//! What is known of every event, by somebody who sees everything.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use crate::domain::{
    clock::Timestamp,
    event::Event,
    ids::{EventId, OrchestratorId},
};

/// A moment: virtual milliseconds, and the number of the step, which tells moments of one millisecond
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment {
    pub(super) step: u64,
    pub(super) at: u64,
}

/// How an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// On the channel that every hub hears.
    Channel,
    /// Over HTTP, to this hub.
    Direct(usize),
}

/// How an event left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Acknowledged,
    Expired,
    Dropped,
    Dead,
}

/// One line of an event's story.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "the fields are read by printing them")]
pub(super) enum Note {
    Published { route: Route, copy: u32 },
    Heard { hub: usize, as_what: &'static str },
    Refused { hub: usize },
    Offered { connection: usize, taken: bool },
    Read { connection: usize, attempts: u32 },
    Sent { connection: usize, daemon: usize, hub: usize, attempt: u32 },
    Received { daemon: usize, attempt: u32 },
    Crashed { daemon: usize },
    AckSent { daemon: usize, via: Option<usize> },
    AckTaken { hub: usize },
    Nacked { daemon: usize, terminal: bool },
    Progress { daemon: usize },
    GivenUp { connection: usize, reason: &'static str },
    Committed { hub: usize, what: &'static str },
    SentNoted { daemon: usize, attempts: u32 },
    Waits,
    Ended(Fate),
    Redriven,
    HubDied { hub: usize },
}

/// One event and its story.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) event: Arc<Event>,
    pub(super) orchestrator: usize,
    pub(super) route: Route,
    /// Its place among the events of its orchestrator, in the order of publishing.
    pub(super) published: Moment,
    /// When it entered the queue.
    pub(super) stored: Option<Moment>,
    pub(super) waits: bool,
    pub(super) ended: Option<(Fate, Moment)>,
    /// How often it came back after it had ended.
    pub(super) life: u32,
    /// Somebody refused it, or it came in more than once: its place in line is not known any more.
    pub(super) out_of_line: bool,
    /// Who was sent it, and when first.
    pub(super) sent: HashMap<usize, Moment>,
    /// The attempts that the store knows of, by daemon.
    pub(super) noted: HashMap<usize, (u32, Moment)>,
    /// Which connection has it, of those that only one of has it, and until when.
    pub(super) holder: Option<(usize, Timestamp)>,
    /// A full buffer forgot that it was sent or taken, or a store that did not have it yet did.
    pub(super) forgotten: bool,
    /// The hub that took it in could not tell the others: they take another copy for a new event.
    pub(super) untold: bool,
    /// Daemons crash when they get it.
    pub(super) poison: bool,
    pub(super) story: Vec<(u64, Note)>,
}

/// The books as they must be, and what waits.
#[derive(Debug, Default, Clone)]
pub(super) struct Book {
    pub(super) accepted: u64,
    pub(super) acknowledged: u64,
    pub(super) expired: u64,
    pub(super) dropped: u64,
    pub(super) dead: u64,
    pub(super) waiting: BTreeSet<usize>,
    /// What was dropped and expired when each daemon was last told, and when any was.
    pub(super) told: HashMap<usize, (u64, u64)>,
    pub(super) told_anybody: (u64, u64),
}

/// All events of a run.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) all: Vec<Fact>,
    by_id: HashMap<(usize, EventId), usize>,
    pub(super) books: Vec<Book>,
    pub(super) orchestrators: HashMap<OrchestratorId, usize>,
}

impl Facts {
    pub(super) fn add(&mut self, orchestrator: usize, event: Arc<Event>, route: Route, now: Moment) -> usize {
        let number = self.all.len();
        self.by_id.insert((orchestrator, event.id.clone()), number);
        self.all.push(Fact {
            event,
            orchestrator,
            route,
            published: now,
            stored: None,
            waits: false,
            ended: None,
            life: 0,
            out_of_line: false,
            sent: HashMap::new(),
            noted: HashMap::new(),
            holder: None,
            forgotten: false,
            untold: false,
            poison: false,
            story: Vec::new(),
        });
        number
    }

    pub(super) fn find(&self, orchestrator: usize, id: &EventId) -> Option<usize> {
        self.by_id.get(&(orchestrator, id.clone())).copied()
    }

    pub(super) fn note(&mut self, event: usize, now: Moment, note: Note) {
        self.all[event].story.push((now.at, note));
    }

    /// The story of an event, one line per note.
    pub(super) fn story(&self, event: usize) -> String {
        let fact = &self.all[event];
        let Event { id, orchestrator, priority, audience, requires_ack, expires_at, daemon, .. } =
            &*fact.event;
        let mut text = format!(
            "event {id} of {orchestrator} (priority {priority}, {audience:?}, ack {requires_ack}, expires {expires_at:?}, for {daemon:?})\n"
        );
        for (at, note) in &fact.story {
            let _ = writeln!(text, "  {at:>7} ms  {note:?}");
        }
        text
    }
}

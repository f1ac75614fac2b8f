//! Somebody who sees everything and knows what must never happen.

use std::collections::HashMap;

use super::{
    facts::{Book, Facts, Fate, Moment, Note},
    invariant::{Invariant, Violation},
};
use crate::{
    backplane::{
        commit::{CommitBatch, GroupOutcome, OrchestratorCommit, StoreOutcome},
        queue::QUEUE_CAPACITY,
        rules::Books,
    },
    domain::ids::EventId,
};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) facts: Facts,
    pub(super) violation: Option<Violation>,
}

impl Oracle {
    /// Takes note of a broken promise; the first one counts.
    pub(super) fn fail(&mut self, invariant: Invariant, what: impl Into<String>, event: Option<usize>) {
        if self.violation.is_none() {
            let trace = event.map(|event| self.facts.story(event)).unwrap_or_default();
            self.violation = Some(Violation { invariant, what: what.into(), trace });
        }
    }

    /// A batch was written: works out what that must have done, and compares.
    pub(super) fn committed(
        &mut self,
        now: Moment,
        hub: usize,
        batch: &CommitBatch,
        groups: &[GroupOutcome],
    ) {
        for (group, outcome) in batch.groups.iter().zip(groups) {
            let orchestrator = self.facts.orchestrators[&group.orchestrator];
            self.apply(now, hub, orchestrator, group, outcome);
        }
    }

    fn apply(
        &mut self,
        now: Moment,
        hub: usize,
        orchestrator: usize,
        group: &OrchestratorCommit,
        outcome: &GroupOutcome,
    ) {
        for ack in &group.completed {
            let event = self.know(orchestrator, &ack.id);
            self.facts.note(event, now, Note::Committed { hub, what: "taken before it was stored" });
            let known = matches!(self.facts.all[event].ended, Some((Fate::Acknowledged | Fate::Dead, _)));
            if self.facts.all[event].waits || !known {
                if !self.facts.all[event].waits {
                    self.facts.books[orchestrator].accepted += 1;
                }
                self.end(event, Fate::Acknowledged, now);
            }
        }
        for (event, outcome) in group.stores.iter().zip(&outcome.stores) {
            let event = self.know(orchestrator, &event.id);
            self.stored(now, hub, event, *outcome);
        }
        for event in &group.redriven {
            let event = self.know(orchestrator, &event.id);
            self.redriven(now, event);
        }
        for ack in &group.acks {
            let event = self.know(orchestrator, &ack.id);
            self.facts.note(event, now, Note::Committed { hub, what: "acknowledgement" });
            let fact = &mut self.facts.all[event];
            fact.forgotten |= fact.stored.is_none();
            if fact.waits {
                self.end(event, Fate::Acknowledged, now);
            }
        }
        for letter in &group.dead {
            let event = self.know(orchestrator, &letter.id);
            self.facts.note(event, now, Note::Committed { hub, what: letter.reason });
            if self.facts.all[event].waits {
                self.end(event, Fate::Dead, now);
            }
        }
        self.dropped(now, orchestrator, &outcome.dropped);
        for sent in &group.sent {
            let event = self.know(orchestrator, &sent.id);
            if self.facts.all[event].waits {
                let daemon = daemon_number(sent.daemon.as_str());
                self.facts.note(event, now, Note::SentNoted { daemon, attempts: sent.attempts });
                let noted = self.facts.all[event].noted.entry(daemon).or_insert((0, now));
                if sent.attempts > noted.0 {
                    *noted = (sent.attempts, now);
                }
            }
        }
    }

    fn know(&self, orchestrator: usize, id: &EventId) -> usize {
        self.facts.find(orchestrator, id).expect("only events that were published")
    }

    fn stored(&mut self, now: Moment, hub: usize, event: usize, outcome: StoreOutcome) {
        self.facts.note(event, now, Note::Committed { hub, what: "store" });
        let fact = &self.facts.all[event];
        let expected = match fact.ended {
            Some((Fate::Acknowledged | Fate::Dead, _)) => StoreOutcome::AlreadyAcknowledged,
            _ if fact.waits => StoreOutcome::Duplicate,
            _ => StoreOutcome::Stored,
        };
        if outcome == StoreOutcome::Stored && expected != outcome {
            let what = format!("the store took an event again that it knew ({expected:?})");
            return self.fail(Invariant::OnceIsEnough, what, Some(event));
        }
        let is_kept = |outcome| matches!(outcome, StoreOutcome::Stored | StoreOutcome::Duplicate);
        if is_kept(expected) && !is_kept(outcome) {
            return self.fail(
                Invariant::NothingVanishes,
                format!("a store came to {outcome:?}"),
                Some(event),
            );
        }
        if expected == StoreOutcome::Stored {
            let orchestrator = self.facts.all[event].orchestrator;
            self.facts.books[orchestrator].accepted += 1;
            self.waits(event, now);
        }
    }

    fn waits(&mut self, event: usize, now: Moment) {
        self.facts.note(event, now, Note::Waits);
        let fact = &mut self.facts.all[event];
        fact.waits = true;
        fact.stored = Some(now);
        if fact.ended.take().is_some() {
            fact.out_of_line = true;
            fact.life += 1;
            fact.noted.clear();
        }
        self.facts.books[fact.orchestrator].waiting.insert(event);
    }

    fn redriven(&mut self, now: Moment, event: usize) {
        if self.facts.all[event].waits {
            return;
        }
        self.facts.note(event, now, Note::Redriven);
        let orchestrator = self.facts.all[event].orchestrator;
        self.facts.books[orchestrator].dead -= 1;
        self.waits(event, now);
    }

    /// An event has left the queue, or never needed to enter it.
    pub(super) fn end(&mut self, event: usize, fate: Fate, now: Moment) {
        self.facts.note(event, now, Note::Ended(fate));
        let fact = &mut self.facts.all[event];
        fact.waits = false;
        fact.ended = Some((fate, now));
        // Its claim has left the queue with it.
        fact.holder = None;
        let book = &mut self.facts.books[fact.orchestrator];
        book.waiting.remove(&event);
        match fate {
            Fate::Acknowledged => book.acknowledged += 1,
            Fate::Expired => book.expired += 1,
            Fate::Dropped => book.dropped += 1,
            Fate::Dead => book.dead += 1,
        }
    }

    fn dropped(&mut self, now: Moment, orchestrator: usize, dropped: &[EventId]) {
        let waiting = self.facts.books[orchestrator].waiting.len();
        let capacity = usize::try_from(QUEUE_CAPACITY).expect("small");
        let expected = waiting.saturating_sub(capacity);
        for id in dropped {
            let event = self.know(orchestrator, id);
            if self.facts.all[event].waits {
                self.end(event, Fate::Dropped, now);
            }
        }
        if dropped.len() > expected {
            let what = format!("{} events were dropped, {expected} had no room", dropped.len());
            self.fail(Invariant::NothingVanishes, what, None);
        } else if dropped.len() < expected {
            let what = format!("{waiting} events wait, {capacity} may, {} were dropped", dropped.len());
            self.fail(Invariant::Bounded, what, None);
        }
    }

    /// Compares what waits, and the books, with what they must be.
    pub(super) fn compare(&mut self, orchestrator: usize, waiting: &[EventId], books: &Books) {
        let mut found = HashMap::new();
        for id in waiting {
            *found.entry(self.know(orchestrator, id)).or_insert(0) += 1;
        }
        let book = self.facts.books[orchestrator].clone();
        let lost = book.waiting.iter().find(|event| !found.contains_key(event)).copied();
        let risen = found.keys().filter(|event| !book.waiting.contains(event)).min().copied();
        let twice = found.iter().filter(|(_, times)| **times > 1).map(|(event, _)| *event).min();
        if lost.is_some() {
            self.fail(Invariant::NothingVanishes, "an event left its queue without a reason", lost);
        } else if risen.is_some() {
            self.fail(Invariant::TakenIsTaken, "an event waits although it has ended", risen);
        } else if twice.is_some() {
            self.fail(Invariant::OnceIsEnough, "an event waits twice", twice);
        } else if !agree(&book, books) {
            let what = format!("they say {books:?}, but it was {book:?}");
            self.fail(Invariant::BooksBalance, what, None);
        }
    }
}

fn agree(book: &Book, books: &Books) -> bool {
    let queued = u64::try_from(book.waiting.len()).expect("small");
    let ended = (book.acknowledged, book.expired, book.dropped, book.dead);
    books.accepted == book.accepted
        && books.queued == queued
        && (books.acknowledged, books.lost.expired, books.lost.dropped, books.dead) == ended
}

/// The number in the name of a daemon.
pub(super) fn daemon_number(name: &str) -> usize {
    name.trim_start_matches('d').parse().expect("the name of a daemon")
}

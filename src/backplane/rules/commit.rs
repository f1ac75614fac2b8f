//! How a group commit changes one orchestrator's queue and its books.

use std::collections::HashSet;

use super::{Books, Claimed, Entry, Shelf, due};
use crate::{
    backplane::{
        commit::{Ack, Claim, DeadLetter, GroupOutcome, OrchestratorCommit, StoreOutcome},
        queue::{ACK_MEMORY, QUEUE_CAPACITY, queue_time},
        trail::{Outcome, Receipt},
    },
    domain::{
        canary::is_reserved,
        clock::Timestamp,
        event::Event,
        ids::{EventId, OrchestratorId, OrganizationId},
        mutant::{Mutant, planted},
    },
};

/// Applies the changes of one group, in the order of its fields.
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn commit<S: Shelf>(
    shelf: &mut S,
    changes: &OrchestratorCommit,
    now: Timestamp,
) -> Result<GroupOutcome, S::Error> {
    let mut group = Group::open(shelf, &changes.orchestrator, now)?;
    if changes.organization.is_some() {
        group.organization.clone_from(&changes.organization);
    }
    for ack in &changes.completed {
        group.complete(ack)?;
    }
    for event in &changes.stores {
        let outcome = group.store(event)?;
        group.outcome.stores.push(outcome);
    }
    group.assign(changes)?;
    for event in &changes.redriven {
        group.redrive(event)?;
    }
    for ack in &changes.acks {
        group.acknowledge(ack)?;
    }
    for letter in &changes.dead {
        group.bury(letter)?;
    }
    // Only now, so that an event is not announced as lost while its acknowledgement is at hand.
    group.drop_overflow()?;
    for sent in &changes.sent {
        // Deliveries are written behind, so the event may have been taken since.
        if group.shelf.is_waiting(group.orchestrator, &sent.id)? {
            group.shelf.record(group.orchestrator, sent)?;
        }
    }
    group.close()
}

/// Notes ids as acknowledged that no queue holds.
///
/// # Errors
/// Those of the shelf.
pub fn note_acknowledged<S: Shelf>(
    shelf: &mut S,
    orchestrator: &OrchestratorId,
    ids: &[EventId],
    now: Timestamp,
) -> Result<(), S::Error> {
    let mut group = Group::open(shelf, orchestrator, now)?;
    for id in ids {
        group.remember(id)?;
    }
    group.close().map(drop)
}

/// One orchestrator's queue while a group is applied to it.
struct Group<'a, S> {
    shelf: &'a mut S,
    orchestrator: &'a OrchestratorId,
    now: Timestamp,
    before: Books,
    books: Books,
    /// Written into the books with what waits, so that its end can be receipted.
    organization: Option<OrganizationId>,
    receipts: Vec<Receipt>,
    outcome: GroupOutcome,
}

impl<'a, S: Shelf> Group<'a, S> {
    fn open(shelf: &'a mut S, orchestrator: &'a OrchestratorId, now: Timestamp) -> Result<Self, S::Error> {
        let books = shelf.books(orchestrator)?;
        let (receipts, outcome) = (Vec::new(), GroupOutcome::default());
        let (before, organization) = (books.clone(), books.organization.clone());
        Ok(Self { shelf, orchestrator, now, before, books, organization, receipts, outcome })
    }

    fn close(mut self) -> Result<GroupOutcome, S::Error> {
        self.forget_old_acknowledgements()?;
        if !self.receipts.is_empty() && !is_reserved(self.orchestrator) {
            self.shelf.keep_receipts(&self.receipts)?;
        }
        if self.books != self.before {
            self.shelf.write_books(self.orchestrator, &self.books)?;
        }
        Ok(self.outcome)
    }

    fn complete(&mut self, ack: &Ack) -> Result<(), S::Error> {
        let waited = self.shelf.remove(self.orchestrator, &ack.id)?;
        let new = self.remember(&ack.id)?;
        if waited {
            self.books.queued = self.books.queued.saturating_sub(1);
            self.outcome.acknowledged += 1;
        } else if new || planted(Mutant::RepeatCounted) {
            self.books.accepted += 1;
        } else {
            return Ok(());
        }
        self.books.acknowledged += 1;
        self.acknowledged(ack);
        Ok(())
    }

    fn store(&mut self, event: &Event) -> Result<StoreOutcome, S::Error> {
        if self.shelf.is_remembered(self.orchestrator, &event.id)? && !planted(Mutant::TakenStoredAgain) {
            return Ok(StoreOutcome::AlreadyAcknowledged);
        }
        let time = queue_time(event.timestamp, self.now);
        if !self.append(event, time, event.expires_at)? {
            return Ok(StoreOutcome::Duplicate);
        }
        self.books.accepted += 1;
        Ok(StoreOutcome::Stored)
    }

    fn append(
        &mut self,
        event: &Event,
        time: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<bool, S::Error> {
        let (id, priority, body) = (event.id.clone(), event.priority, event.body.clone());
        let entry = Entry { id, time, priority, due: due(time, expires_at), body };
        let new = self.shelf.append(self.orchestrator, &entry)?;
        if new {
            self.books.queued += 1;
            self.books.organization.clone_from(&self.organization);
        }
        Ok(new)
    }

    /// Gives new events to the connections that were chosen for them.
    fn assign(&mut self, changes: &OrchestratorCommit) -> Result<(), S::Error> {
        if changes.claims.is_empty() {
            return Ok(());
        }
        let outcomes = changes.stores.iter().zip(&self.outcome.stores);
        let stored = outcomes.filter(|(_, outcome)| **outcome == StoreOutcome::Stored);
        let stored: HashSet<&EventId> = stored.map(|(event, _)| &event.id).collect();
        for Claim { id, connection, until } in &changes.claims {
            if stored.contains(id) {
                let (holder, until) = (Some(*connection), *until);
                let claimed =
                    Claimed { holder, until, grants: 1, not_before: Timestamp::default(), last: None };
                self.shelf.write_claim(self.orchestrator, id, &claimed)?;
            }
        }
        Ok(())
    }

    fn redrive(&mut self, event: &Event) -> Result<(), S::Error> {
        // Its own time is over by now, or soon; who asks for it again wants it delivered.
        let expires_at = event.expires_at.filter(|at| *at > self.now);
        if !self.append(event, self.now, expires_at)? {
            return Ok(());
        }
        if self.shelf.forget(self.orchestrator, &event.id)? {
            self.books.remembered = self.books.remembered.saturating_sub(1);
        }
        // The books may be younger than the dead letter.
        match self.books.dead.checked_sub(1) {
            Some(dead) if !planted(Mutant::RedriveNotCounted) => self.books.dead = dead,
            _ => self.books.accepted += 1,
        }
        self.outcome.redriven += 1;
        Ok(())
    }

    fn acknowledge(&mut self, ack: &Ack) -> Result<(), S::Error> {
        if self.shelf.remove(self.orchestrator, &ack.id)? {
            self.books.queued = self.books.queued.saturating_sub(1);
            self.books.acknowledged += 1;
            self.outcome.acknowledged += 1;
            self.remember(&ack.id)?;
            self.acknowledged(ack);
        }
        Ok(())
    }

    fn bury(&mut self, letter: &DeadLetter) -> Result<(), S::Error> {
        if !self.shelf.is_waiting(self.orchestrator, &letter.id)? {
            return Ok(());
        }
        self.shelf.bury(self.orchestrator, self.organization.as_ref(), letter, self.now)?;
        self.shelf.remove(self.orchestrator, &letter.id)?;
        // What was given up is not tried again because its publisher repeats itself.
        self.remember(&letter.id)?;
        self.books.queued = self.books.queued.saturating_sub(1);
        self.books.dead += 1;
        self.outcome.dead += 1;
        let receipt = Receipt {
            daemon: Some(letter.daemon.clone()),
            attempts: letter.attempts,
            reason: Some(letter.reason.to_owned()),
            ..Receipt::bare(&letter.id, self.orchestrator, &self.organization, Outcome::Dead, self.now)
        };
        self.receipts.push(receipt);
        Ok(())
    }

    fn drop_overflow(&mut self) -> Result<(), S::Error> {
        let mut excess = self.books.queued.saturating_sub(QUEUE_CAPACITY);
        if excess > 0 && planted(Mutant::TrimOffByOne) {
            excess += 1;
        }
        if excess == 0 || planted(Mutant::TrimForgotten) {
            return Ok(());
        }
        for id in self.shelf.oldest(self.orchestrator, excess)? {
            self.shelf.remove(self.orchestrator, &id)?;
            self.books.queued = self.books.queued.saturating_sub(1);
            self.books.lost.dropped += u64::from(!planted(Mutant::DropNotCounted));
            let organization = &self.organization;
            let receipt = Receipt::bare(&id, self.orchestrator, organization, Outcome::Dropped, self.now);
            self.receipts.push(receipt);
            self.outcome.dropped.push(id);
        }
        Ok(())
    }

    fn acknowledged(&mut self, ack: &Ack) {
        let organization = &self.organization;
        self.receipts.push(Receipt {
            daemon: Some(ack.daemon.clone()),
            attempts: ack.attempts,
            ..Receipt::bare(&ack.id, self.orchestrator, organization, Outcome::Acknowledged, self.now)
        });
    }

    fn remember(&mut self, id: &EventId) -> Result<bool, S::Error> {
        let new = self.shelf.remember(self.orchestrator, id, self.now)?;
        self.books.remembered += u64::from(new);
        Ok(new)
    }

    /// Halves the memory when it is twice as long as it must be, which costs little per id.
    fn forget_old_acknowledgements(&mut self) -> Result<(), S::Error> {
        if self.books.remembered <= 2 * ACK_MEMORY {
            return Ok(());
        }
        self.shelf.forget_first(self.orchestrator, self.books.remembered - ACK_MEMORY)?;
        self.books.remembered = ACK_MEMORY;
        Ok(())
    }
}

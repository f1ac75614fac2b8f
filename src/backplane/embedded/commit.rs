//! The rules of the queue: how a group commit changes it and the books.

use crate::{
    backplane::{
        commit::{
            Ack, CommitBatch, CommitOutcome, DeadLetter, GroupOutcome, OrchestratorCommit, Sent, StoreOutcome,
        },
        queue::{ACK_MEMORY, DEAD_LETTER_CAPACITY, QUEUE_CAPACITY, queue_time},
    },
    domain::{
        clock::Timestamp,
        event::Event,
        ids::{EventId, OrchestratorId},
    },
    store::{
        Result,
        queue_file::{BuriedEvent, Delivery, Entry, Ledger, QueueFile, Transaction},
    },
};

/// Writes a batch in one transaction.
pub(super) fn commit(file: &mut QueueFile, batch: &CommitBatch) -> Result<CommitOutcome> {
    let groups = file.durably(|transaction| {
        batch.groups.iter().map(|group| Group::apply(transaction, group, batch.now)).collect()
    })?;
    Ok(CommitOutcome { groups })
}

/// Notes ids as acknowledged that no queue holds.
pub(super) fn note_acknowledged(
    file: &mut QueueFile,
    orchestrator: &OrchestratorId,
    ids: &[EventId],
    now: Timestamp,
) -> Result<()> {
    file.durably(|transaction| {
        let before = transaction.ledger(orchestrator)?;
        let mut group =
            Group { transaction, orchestrator, now, ledger: before, outcome: GroupOutcome::default() };
        for id in ids {
            group.remember(id)?;
        }
        group.forget_old_acknowledgements()?;
        if group.ledger != before {
            group.transaction.write_ledger(orchestrator, &group.ledger)?;
        }
        Ok(())
    })
}

/// One orchestrator's queue while a group is applied to it.
struct Group<'a, 'file> {
    transaction: &'a mut Transaction<'file>,
    orchestrator: &'a OrchestratorId,
    now: Timestamp,
    ledger: Ledger,
    outcome: GroupOutcome,
}

impl<'a, 'file> Group<'a, 'file> {
    fn apply(
        transaction: &'a mut Transaction<'file>,
        changes: &'a OrchestratorCommit,
        now: Timestamp,
    ) -> Result<GroupOutcome> {
        let orchestrator = &changes.orchestrator;
        let before = transaction.ledger(orchestrator)?;
        let mut group =
            Self { transaction, orchestrator, now, ledger: before, outcome: GroupOutcome::default() };
        for ack in &changes.completed {
            group.complete(&ack.id)?;
        }
        for event in &changes.stores {
            let outcome = group.store(event)?;
            group.outcome.stores.push(outcome);
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
            group.record(sent)?;
        }
        group.forget_old_acknowledgements()?;
        if group.ledger != before {
            group.transaction.write_ledger(orchestrator, &group.ledger)?;
        }
        Ok(group.outcome)
    }

    fn complete(&mut self, id: &EventId) -> Result<()> {
        if self.transaction.is_buried(self.orchestrator, id)? || !self.remember(id)? {
            return Ok(());
        }
        if self.transaction.remove(self.orchestrator, id)? {
            self.ledger.queued -= 1;
            self.outcome.acknowledged += 1;
        } else {
            self.ledger.accepted += 1;
        }
        self.ledger.acknowledged += 1;
        Ok(())
    }

    fn store(&mut self, event: &Event) -> Result<StoreOutcome> {
        if self.transaction.is_acknowledged(self.orchestrator, &event.id)? {
            return Ok(StoreOutcome::AlreadyAcknowledged);
        }
        // What was given up is not tried again because its publisher repeats itself.
        if self.transaction.is_buried(self.orchestrator, &event.id)? {
            return Ok(StoreOutcome::Duplicate);
        }
        let entry = Entry {
            id: &event.id,
            time: queue_time(event.timestamp, self.now),
            priority: event.priority,
            body: &event.body,
        };
        if !self.transaction.append(self.orchestrator, entry)? {
            return Ok(StoreOutcome::Duplicate);
        }
        self.ledger.accepted += 1;
        self.ledger.queued += 1;
        Ok(StoreOutcome::Stored)
    }

    fn acknowledge(&mut self, ack: &Ack) -> Result<()> {
        if self.transaction.remove(self.orchestrator, &ack.id)? {
            self.ledger.queued -= 1;
            self.ledger.acknowledged += 1;
            self.outcome.acknowledged += 1;
            self.remember(&ack.id)?;
        }
        Ok(())
    }

    fn bury(&mut self, letter: &DeadLetter) -> Result<()> {
        let Some(body) = self.transaction.body(self.orchestrator, &letter.id)? else { return Ok(()) };
        self.transaction.remove(self.orchestrator, &letter.id)?;
        let buried = BuriedEvent {
            id: letter.id.clone(),
            reason: letter.reason.to_owned(),
            attempts: letter.attempts,
            body,
            at: self.now,
        };
        self.transaction.bury(self.orchestrator, &buried)?;
        self.ledger.queued -= 1;
        self.ledger.dead += 1;
        self.ledger.dead_letters += 1;
        if self.ledger.dead_letters > DEAD_LETTER_CAPACITY.cast_signed()
            && self.transaction.forget_oldest_buried(self.orchestrator)?
        {
            self.ledger.dead_letters -= 1;
        }
        Ok(())
    }

    fn drop_overflow(&mut self) -> Result<()> {
        let excess = self.ledger.queued - QUEUE_CAPACITY.cast_signed();
        if excess <= 0 {
            return Ok(());
        }
        for id in self.transaction.oldest(self.orchestrator, Timestamp(i64::MAX), excess)? {
            self.transaction.remove(self.orchestrator, &id)?;
            self.ledger.queued -= 1;
            self.ledger.dropped += 1;
            self.outcome.dropped.push(id);
        }
        Ok(())
    }

    fn record(&mut self, sent: &Sent) -> Result<()> {
        // Deliveries are written behind, so the event may have been taken since.
        if !self.transaction.is_waiting(self.orchestrator, &sent.id)? {
            return Ok(());
        }
        let delivery = Delivery {
            id: &sent.id,
            daemon: &sent.daemon,
            connection: sent.connection,
            attempts: sent.attempts,
            at: sent.at,
        };
        self.transaction.record_delivery(self.orchestrator, delivery)
    }

    fn remember(&mut self, id: &EventId) -> Result<bool> {
        let new = self.transaction.remember_acknowledged(self.orchestrator, id, self.now)?;
        self.ledger.remembered += i64::from(new);
        Ok(new)
    }

    /// Halves the memory when it is twice as long as it must be, which costs little per id.
    fn forget_old_acknowledgements(&mut self) -> Result<()> {
        let (kept, most) = (ACK_MEMORY.cast_signed(), 2 * ACK_MEMORY.cast_signed());
        if self.ledger.remembered <= most {
            return Ok(());
        }
        self.transaction.forget_first_acknowledged(self.orchestrator, self.ledger.remembered - kept)?;
        self.ledger.remembered = kept;
        Ok(())
    }
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;

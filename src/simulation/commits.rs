//! How a hub writes: group commits, which the store may answer late, twice or not at all, and what waits
//! for them.

use std::{collections::HashSet, sync::Arc};

use super::{
    Number,
    act::{Act, Wire},
    facts::Moment,
    invariant::Invariant,
    store::Store,
    world::World,
};
use crate::backplane::{buffer::CommitBuffer, commit::CommitBatch};

impl World {
    /// Something is to be written.
    pub(super) fn filled(&mut self, hub: Number) {
        if !self.hubs[hub].write_is_due {
            self.hubs[hub].write_is_due = true;
            let life = self.hubs[hub].life;
            self.after(self.plan.commit_interval, Act::Write { hub, life });
        }
    }

    pub(super) fn write(&mut self, number: Number, life: u32) {
        let now = self.now();
        let hub = &mut self.hubs[number];
        if !hub.up || hub.life != life || hub.committing.is_some() {
            return;
        }
        let batch = hub.buffer.take(now.wall);
        hub.taken += 1;
        hub.committing = Some(Arc::new(batch));
        self.check_batch(number);
        self.soon(1, 4, Act::Written { hub: number, life, retry: 20 });
    }

    /// What was put into the buffer is in the batch.
    fn check_batch(&mut self, number: Number) {
        let hub = &mut self.hubs[number];
        let (acks, stores) = (std::mem::take(&mut hub.given_acks), std::mem::take(&mut hub.given_stores));
        let Some(batch) = hub.committing.clone() else { return };
        let facts = &self.oracle.facts;
        let mut taken = HashSet::new();
        let mut kept = HashSet::new();
        for group in &batch.groups {
            let orchestrator = facts.orchestrators[&group.orchestrator];
            let ids = group.completed.iter().chain(&group.acks).map(|ack| &ack.id);
            taken.extend(ids.filter_map(|id| facts.find(orchestrator, id)));
            let ids = group.stores.iter().map(|event| &event.id);
            kept.extend(ids.filter_map(|id| facts.find(orchestrator, id)));
        }
        let forgotten = acks.into_iter().find(|event| !taken.contains(event));
        let lost = stores.into_iter().find(|event| !kept.contains(event) && !taken.contains(event));
        let invariant = Invariant::NothingVanishes;
        if forgotten.is_some() {
            self.oracle.fail(invariant, "the buffer forgot an acknowledgement", forgotten);
        } else if lost.is_some() {
            self.oracle.fail(invariant, "the buffer forgot an event", lost);
        }
    }

    /// The answer of the store to a batch, if it answers.
    pub(super) fn written(&mut self, number: Number, life: u32, retry: u64) {
        let hub = &self.hubs[number];
        let Some(batch) = hub.committing.clone().filter(|_| hub.up && hub.life == life) else { return };
        if self.store.away {
            return self.after(retry, Act::Written { hub: number, life, retry: (retry * 2).min(1_000) });
        }
        self.apply(number, &batch);
        if !self.calm && Store::loses_answer(&mut self.random, self.plan.faults.lost_answers) {
            return self.after(retry, Act::Written { hub: number, life, retry: (retry * 2).min(1_000) });
        }
        let hub = &mut self.hubs[number];
        (hub.committing, hub.written, hub.write_is_due) = (None, hub.taken, false);
        self.after_write(number);
        if !self.hubs[number].is_idle() {
            self.filled(number);
        }
    }

    pub(super) fn apply(&mut self, hub: Number, batch: &CommitBatch) {
        let outcome = self.store.commit(batch);
        let now = self.moment();
        self.oracle.committed(now, hub, batch, &outcome.groups);
        for group in &batch.groups {
            self.compare(self.oracle.facts.orchestrators[&group.orchestrator]);
        }
    }

    pub(super) fn compare(&mut self, orchestrator: Number) {
        let id = self.orchestrators[orchestrator].id.clone();
        let waiting: Vec<_> = self.store.waiting(&id).into_iter().map(|waiting| waiting.id).collect();
        let books = self.store.books(&id);
        self.oracle.compare(orchestrator, &waiting, &books);
    }

    fn after_write(&mut self, number: Number) {
        let hub = &mut self.hubs[number];
        let (written, bus_up) = (hub.written, hub.bus_up);
        let due = |(due, ..): &(u64, Number, Moment)| *due <= written;
        let forwards: Vec<_> = hub.forwards.extract_if(.., |forward| due(forward)).collect();
        let hints: Vec<_> = hub.hints.extract_if(.., |(due, ..)| *due <= written).collect();
        let answers: Vec<_> = hub.answers.extract_if(.., |(due, _)| *due <= written).collect();
        for (_, event, published) in forwards {
            if !bus_up {
                let fact = &mut self.oracle.facts.all[event];
                (fact.out_of_line, fact.untold) = (true, true);
            }
            for other in (0..self.hubs.len()).filter(|other| *other != number && bus_up) {
                self.tell(other, Wire::Peer(event, published));
            }
        }
        for (_, orchestrator, chosen) in hints {
            match chosen {
                Some(connection) => self.hint(connection),
                None => self.hint_all(number, orchestrator),
            }
        }
        for (_, publication) in answers {
            self.answered(publication);
        }
    }

    /// Tells a publisher once what waits now is written.
    pub(super) fn answer_later(&mut self, hub: Number, publication: Number) {
        let due = self.settled_by(hub, |_| true);
        self.hubs[hub].answers.push((due, publication));
        self.filled(hub);
    }

    /// The number of the batch that must be written before what `concerns` somebody is.
    pub(super) fn settled_by(&self, hub: Number, concerns: impl FnOnce(&CommitBuffer) -> bool) -> u64 {
        let hub = &self.hubs[hub];
        if concerns(&hub.buffer) && !hub.buffer.is_empty() {
            hub.taken + 1
        } else if hub.committing.is_some() {
            hub.taken
        } else {
            0
        }
    }
}

//! A shelf in plain memory: what the rules do, without a store. For simulations and comparisons.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    convert::Infallible,
};

use bytes::Bytes;

use super::{Books, Claimed, Entry, Losses, Shelf};
use crate::{
    backplane::{
        commit::{CommitBatch, CommitOutcome, DeadLetter, Sent},
        dead_letters::{UNFILED_CAPACITY, Unfiled},
        queue::{Loaded, Waiting},
        trail::{RECEIPTS_KEPT, Receipt},
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, EventId, OrchestratorId, OrganizationId},
    },
};

/// By time, then arrival.
type Place = (Timestamp, u64);

#[derive(Debug, Clone, Default)]
struct Queue {
    entries: BTreeMap<Place, Entry>,
    places: HashMap<EventId, Place>,
    deliveries: HashMap<EventId, HashMap<DaemonId, Sent>>,
    claims: HashMap<EventId, Claimed>,
    remembered: HashMap<EventId, u64>,
    remembered_in_order: BTreeMap<u64, EventId>,
    told: HashMap<DaemonId, Losses>,
    books: Books,
}

/// Queues in memory. What is done to it cannot fail.
#[derive(Debug, Clone, Default)]
pub struct MemoryShelf {
    queues: HashMap<OrchestratorId, Queue>,
    due: BTreeSet<(Timestamp, u64, OrchestratorId, EventId)>,
    letters: VecDeque<Unfiled>,
    receipts: HashMap<Option<OrganizationId>, VecDeque<Receipt>>,
    sequence: u64,
}

/// The value of a computation that cannot fail.
fn certain<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl MemoryShelf {
    /// Applies a batch.
    pub fn commit(&mut self, batch: &CommitBatch) -> CommitOutcome {
        let groups =
            batch.groups.iter().map(|group| certain(super::commit(self, group, batch.now))).collect();
        CommitOutcome { groups }
    }

    /// What waits, in the order of sending.
    #[must_use]
    pub fn waiting(&self, orchestrator: &OrchestratorId) -> Vec<Waiting> {
        let Some(queue) = self.queues.get(orchestrator) else { return Vec::new() };
        let entry = |entry: &Entry| Waiting { id: entry.id.clone(), priority: entry.priority };
        let mut waiting: Vec<Waiting> = queue.entries.values().map(entry).collect();
        waiting.sort_by_key(|entry| std::cmp::Reverse(entry.priority));
        waiting
    }

    /// Those of `ids` that wait, as `daemon` sees them.
    #[must_use]
    pub fn load(&self, orchestrator: &OrchestratorId, daemon: &DaemonId, ids: &[EventId]) -> Vec<Loaded> {
        let Some(queue) = self.queues.get(orchestrator) else { return Vec::new() };
        let load = |id: &EventId| {
            let entry = queue.entries.get(queue.places.get(id)?)?;
            let sent = queue.deliveries.get(id);
            let last = sent.and_then(|sent| sent.values().max_by_key(|sent| sent.attempts));
            let shared = last.filter(|sent| sent.shared);
            let sent = shared.or_else(|| sent?.get(daemon));
            Some(Loaded {
                id: id.clone(),
                body: entry.body.clone(),
                attempts: sent.map_or(0, |sent| sent.attempts),
                crashes: sent.map_or(0, |sent| sent.crashes),
                history: sent.map(|sent| sent.clone().told()).unwrap_or_default(),
            })
        };
        ids.iter().filter_map(load).collect()
    }

    /// Dead letters that wait for the database, oldest first.
    pub fn unfiled(&self) -> impl Iterator<Item = &Unfiled> {
        self.letters.iter()
    }

    /// Forgets a dead letter by its key.
    pub fn filed(&mut self, key: &str) {
        self.letters.retain(|letter| letter.key != key);
    }

    /// The receipts that an organization has, oldest first.
    pub fn receipts(&self, organization: Option<&OrganizationId>) -> impl Iterator<Item = &Receipt> {
        self.receipts.get(&organization.cloned()).into_iter().flatten()
    }

    fn queue(&mut self, orchestrator: &OrchestratorId) -> &mut Queue {
        self.queues.entry(orchestrator.clone()).or_default()
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

impl Shelf for MemoryShelf {
    type Error = Infallible;

    fn books(&mut self, orchestrator: &OrchestratorId) -> Result<Books, Infallible> {
        Ok(self.queues.get(orchestrator).map(|queue| queue.books.clone()).unwrap_or_default())
    }

    fn write_books(&mut self, orchestrator: &OrchestratorId, books: &Books) -> Result<(), Infallible> {
        self.queue(orchestrator).books = books.clone();
        Ok(())
    }

    fn append(&mut self, orchestrator: &OrchestratorId, entry: &Entry) -> Result<bool, Infallible> {
        let arrival = self.next();
        let queue = self.queue(orchestrator);
        if queue.places.contains_key(&entry.id) {
            return Ok(false);
        }
        queue.places.insert(entry.id.clone(), (entry.time, arrival));
        queue.entries.insert((entry.time, arrival), entry.clone());
        self.due.insert((entry.due, arrival, orchestrator.clone(), entry.id.clone()));
        Ok(true)
    }

    fn remove(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Infallible> {
        let queue = self.queue(orchestrator);
        let Some(place) = queue.places.remove(id) else { return Ok(false) };
        queue.deliveries.remove(id);
        queue.claims.remove(id);
        if let Some(entry) = queue.entries.remove(&place) {
            self.due.remove(&(entry.due, place.1, orchestrator.clone(), entry.id));
        }
        Ok(true)
    }

    fn is_waiting(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Infallible> {
        Ok(self.queues.get(orchestrator).is_some_and(|queue| queue.places.contains_key(id)))
    }

    fn oldest(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<Vec<EventId>, Infallible> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let oldest = self.queue(orchestrator).entries.values().take(count);
        Ok(oldest.map(|entry| entry.id.clone()).collect())
    }

    fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<(OrchestratorId, EventId)>, Infallible> {
        let due = self.due.iter().take_while(|(due, ..)| *due < now).take(limit);
        Ok(due.map(|(.., orchestrator, id)| (orchestrator.clone(), id.clone())).collect())
    }

    fn is_remembered(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Infallible> {
        Ok(self.queues.get(orchestrator).is_some_and(|queue| queue.remembered.contains_key(id)))
    }

    fn remember(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        _: Timestamp,
    ) -> Result<bool, Infallible> {
        let sequence = self.next();
        let queue = self.queue(orchestrator);
        if queue.remembered.contains_key(id) {
            return Ok(false);
        }
        queue.remembered.insert(id.clone(), sequence);
        queue.remembered_in_order.insert(sequence, id.clone());
        Ok(true)
    }

    fn forget(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool, Infallible> {
        let queue = self.queue(orchestrator);
        let Some(sequence) = queue.remembered.remove(id) else { return Ok(false) };
        queue.remembered_in_order.remove(&sequence);
        Ok(true)
    }

    fn forget_first(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<(), Infallible> {
        let queue = self.queue(orchestrator);
        for _ in 0..count {
            let Some((_, id)) = queue.remembered_in_order.pop_first() else { break };
            queue.remembered.remove(&id);
        }
        Ok(())
    }

    fn record(&mut self, orchestrator: &OrchestratorId, sent: &Sent) -> Result<(), Infallible> {
        let known = self.queue(orchestrator).deliveries.entry(sent.id.clone()).or_default();
        if known.get(&sent.daemon).is_none_or(|known| known.attempts <= sent.attempts) {
            known.insert(sent.daemon.clone(), sent.clone());
        }
        Ok(())
    }

    fn bury(
        &mut self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        letter: &DeadLetter,
        at: Timestamp,
    ) -> Result<(), Infallible> {
        let key = self.next().to_string();
        let queue = self.queue(orchestrator);
        let entry = queue.places.get(&letter.id).and_then(|place| queue.entries.get(place));
        let body = entry.map_or_else(Bytes::new, |entry| entry.body.clone());
        self.letters.push_back(Unfiled {
            key,
            orchestrator: orchestrator.clone(),
            organization: organization.cloned(),
            id: letter.id.clone(),
            reason: letter.reason.to_owned(),
            attempts: letter.attempts,
            daemon: Some(letter.daemon.clone()),
            history: letter.history.clone(),
            at,
            body,
        });
        if self.letters.len() as u64 > UNFILED_CAPACITY {
            self.letters.pop_front();
        }
        Ok(())
    }

    fn claimed(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
    ) -> Result<Option<Claimed>, Infallible> {
        Ok(self.queues.get(orchestrator).and_then(|queue| queue.claims.get(id)).cloned())
    }

    fn write_claim(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        claimed: &Claimed,
    ) -> Result<(), Infallible> {
        self.queue(orchestrator).claims.insert(id.clone(), claimed.clone());
        Ok(())
    }

    fn keep_receipts(&mut self, receipts: &[Receipt]) -> Result<(), Infallible> {
        let Some(first) = receipts.first() else { return Ok(()) };
        let kept = self.receipts.entry(first.organization.clone()).or_default();
        kept.extend(receipts.iter().cloned());
        while kept.len() as u64 > RECEIPTS_KEPT {
            kept.pop_front();
        }
        Ok(())
    }

    fn told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
    ) -> Result<Option<Losses>, Infallible> {
        Ok(self.queues.get(orchestrator).and_then(|queue| queue.told.get(daemon)).copied())
    }

    fn write_told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        losses: Losses,
        _: Timestamp,
    ) -> Result<(), Infallible> {
        self.queue(orchestrator).told.insert(daemon.clone(), losses);
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

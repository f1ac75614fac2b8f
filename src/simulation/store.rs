//! The store that all hubs share: the real rules of the queue on a shelf in memory, and what is kept
//! beside the queues. It can be away, and it can lose its answer.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use super::{Number, random::Random};
use crate::{
    backplane::{
        commit::{CommitBatch, CommitOutcome},
        queue::{Expired, Loaded, Waiting},
        rules::{self, Asking, Books, Shelf as _, memory::MemoryShelf},
    },
    domain::{
        clock::Timestamp,
        gap::Gap,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
        subscription::Subscriptions,
    },
};

/// How many events expire in one step at most.
const EXPIRY_PAGE: usize = 1000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) away: bool,
    pub(super) shelf: MemoryShelf,
    pub(super) subscriptions: BTreeMap<(OrchestratorId, DaemonId), Arc<Subscriptions>>,
    /// Which connection counts for each daemon, and all that count.
    attached: BTreeMap<Number, (Number, ConnectionId, OrchestratorId)>,
    acknowledged: Vec<(OrchestratorId, EventId)>,
}

/// The value of what cannot fail.
fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Store {
    pub(super) fn commit(&mut self, batch: &CommitBatch) -> CommitOutcome {
        for one in &batch.remembered {
            let key = (one.orchestrator.clone(), one.daemon.clone());
            self.subscriptions.insert(key, one.subscriptions.clone());
        }
        for group in &batch.groups {
            let taken = group.completed.iter().chain(&group.acks);
            self.acknowledged.extend(taken.map(|ack| (group.orchestrator.clone(), ack.id.clone())));
        }
        self.shelf.commit(batch)
    }

    pub(super) fn waiting(&self, orchestrator: &OrchestratorId) -> Vec<Waiting> {
        self.shelf.waiting(orchestrator)
    }

    pub(super) fn load(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: &[EventId],
    ) -> Vec<Loaded> {
        self.shelf.load(orchestrator, daemon, ids)
    }

    pub(super) fn books(&mut self, orchestrator: &OrchestratorId) -> Books {
        sure(self.shelf.books(orchestrator))
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Expired> {
        sure(rules::expire(&mut self.shelf, now, EXPIRY_PAGE))
    }

    pub(super) fn recently_acknowledged(&self) -> &[(OrchestratorId, EventId)] {
        &self.acknowledged
    }

    /// Counts a connection; which one of the same daemon counts no more, and what it is told of.
    pub(super) fn attach(
        &mut self,
        daemon: Number,
        name: &DaemonId,
        connection: (Number, ConnectionId),
        orchestrator: &OrchestratorId,
        now: Timestamp,
    ) -> (Option<Number>, Option<Gap>) {
        let counted = (connection.0, connection.1, orchestrator.clone());
        let replaced = self.attached.insert(daemon, counted).map(|(number, ..)| number);
        (replaced, sure(rules::tell(&mut self.shelf, orchestrator, name, now)))
    }

    /// Stops counting a connection.
    pub(super) fn detach(&mut self, daemon: Number, connection: Number) {
        if self.attached.get(&daemon).is_some_and(|(number, ..)| *number == connection) {
            self.attached.remove(&daemon);
        }
    }

    /// Whether the connection counts for its daemon.
    pub(super) fn is_attached(&self, daemon: Number, connection: Number) -> bool {
        self.attached.get(&daemon).is_some_and(|(number, ..)| *number == connection)
    }

    fn living(&self, orchestrator: &OrchestratorId) -> Vec<ConnectionId> {
        let living = self.attached.values().filter(|(.., whose)| whose == orchestrator);
        living.map(|(_, id, _)| *id).collect()
    }

    pub(super) fn claim(
        &mut self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        most: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> Vec<Option<u32>> {
        let living = self.living(orchestrator);
        let asking = Asking { orchestrator, connection, until, now, living: &living, most };
        sure(rules::claim(&mut self.shelf, asking, ids))
    }

    pub(super) fn release(
        &mut self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) {
        sure(rules::release(&mut self.shelf, orchestrator, connection, ids, not_before));
    }

    /// Whether the answer to a write is lost.
    pub(super) fn loses_answer(random: &mut Random, per_mille: u64) -> bool {
        random.chance(per_mille)
    }
}

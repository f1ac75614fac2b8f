//! What admins look at.

use bytes::Bytes;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        inspection::{ConnectionView, Inspection, Ledger, QueueCursor, QueuedEvent},
        rules,
    },
    domain::{
        clock::{self, Timestamp},
        ids::{ConnectionId, OrchestratorId},
    },
    store::queue_file::{Ledger as Books, PageEntry},
};

/// Before everything.
const START: QueueCursor = QueueCursor { time: Timestamp(i64::MIN), arrival: i64::MIN };

fn queued(entry: PageEntry) -> QueuedEvent {
    QueuedEvent {
        id: entry.id,
        time: entry.time,
        priority: entry.priority,
        body: Bytes::from(entry.body),
        attempts: entry.attempts,
        cursor: QueueCursor { time: entry.time, arrival: entry.arrival },
    }
}

pub(super) fn ledger(books: &Books) -> Ledger {
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ledger {
        accepted: count(books.accepted),
        acknowledged: count(books.acknowledged),
        expired: count(books.expired),
        dropped: count(books.dropped),
        dead: count(books.dead),
        queued: count(books.queued),
    }
}

impl Inspection for EmbeddedBackplane {
    async fn connections(
        &self,
        orchestrator: Option<&OrchestratorId>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionView>> {
        let orchestrator = orchestrator.cloned();
        self.worker.run(move |state| Ok(state.connections.page(orchestrator.as_ref(), after, limit))).await
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<ConnectionView>> {
        self.worker.run(move |state| Ok(state.connections.view(id))).await
    }

    async fn queue_page(
        &self,
        orchestrator: &OrchestratorId,
        after: Option<QueueCursor>,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>> {
        let (orchestrator, after) = (orchestrator.clone(), after.unwrap_or(START));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.worker
            .run(move |state| {
                let place = (after.time, after.arrival);
                let page = state.file.read(|transaction| transaction.page(&orchestrator, place, limit))?;
                Ok(page.into_iter().map(queued).collect())
            })
            .await
    }

    async fn purge(&self, orchestrator: &OrchestratorId) -> Result<u64> {
        let (orchestrator, now) = (orchestrator.clone(), clock::now().wall);
        self.worker
            .run(move |state| {
                Ok(state.file.durably(|transaction| rules::purge(transaction, &orchestrator, now))?)
            })
            .await
    }

    async fn ledger(&self, orchestrator: &OrchestratorId) -> Result<Ledger> {
        let orchestrator = orchestrator.clone();
        self.worker
            .run(move |state| Ok(ledger(&state.file.read(|transaction| transaction.ledger(&orchestrator))?)))
            .await
    }
}

//! Counting everything again, in the file of a hub that may be at work.

use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;
use parking_lot::Mutex;

use super::inspection::ledger;
use crate::{
    backplane::{
        Result,
        inspection::Ledger,
        recount::{Beside, Recount, Snapshot, Surroundings},
    },
    domain::ids::OrchestratorId,
    store::{
        self,
        queue_file::{QueueReader, Transaction},
    },
};

/// A queue file that is only read. Its calls block: it is for a command, not for a hub.
#[derive(Debug)]
pub struct EmbeddedRecount(Mutex<QueueReader>);

impl EmbeddedRecount {
    /// Opens the file at `path`, whoever else has it open.
    ///
    /// # Errors
    /// When there is none, or it is something else.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(Mutex::new(QueueReader::open(path)?)))
    }

    fn read<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> store::Result<T>) -> Result<T> {
        Ok(self.0.lock().read(work)?)
    }
}

impl Recount for EmbeddedRecount {
    async fn subjects(&self) -> Result<BTreeSet<OrchestratorId>> {
        std::future::ready(self.read(|transaction| transaction.known_orchestrators())).await
    }

    async fn snapshot(&self, orchestrator: &OrchestratorId) -> Result<Snapshot> {
        let snapshot = self.read(|transaction| {
            let books = transaction.ledger(orchestrator)?;
            let entries = transaction.waiting_ids(orchestrator)?;
            let counted = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            let by_the_books = ledger(&books);
            let claims = transaction.stray_claims(orchestrator)?.into_iter();
            Ok(Snapshot {
                beside: claims.map(|id| (Beside::Claim, id)).collect(),
                books: Ledger { queued: counted, ..by_the_books },
                booked: Some(by_the_books.queued),
                entries,
                remembered: transaction.waiting_though_taken(orchestrator)?,
                stale_deliveries: transaction.count_stale_deliveries(orchestrator)?,
                ..Snapshot::default()
            })
        });
        std::future::ready(snapshot).await
    }

    async fn bodies(&self, orchestrator: &OrchestratorId, ids: &[String]) -> Result<Vec<Option<Bytes>>> {
        let bodies = self.read(|transaction| {
            let body = |id: &String| Ok(transaction.body_by_text(orchestrator, id)?.map(Bytes::from));
            ids.iter().map(body).collect()
        });
        std::future::ready(bodies).await
    }

    async fn surroundings(&self) -> Result<Surroundings> {
        let unfiled = self.read(|transaction| transaction.count_unfiled());
        std::future::ready(unfiled.map(|unfiled| Surroundings { unfiled, ingress: None })).await
    }
}

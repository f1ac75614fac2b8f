//! Checking the books, in the file.

use super::{EmbeddedBackplane, inspection::ledger};
use crate::{
    backplane::{
        Result,
        books::{AwaitedPage, Books},
        inspection::Ledger,
    },
    domain::ids::OrchestratorId,
};

impl Books for EmbeddedBackplane {
    async fn awaited(&self, after: Option<&str>, limit: usize) -> Result<AwaitedPage> {
        let after = after.unwrap_or_default().to_owned();
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        self.worker
            .run(move |state| {
                let orchestrators = state.file.read(|transaction| transaction.awaited_after(&after, most))?;
                let next = orchestrators.last().filter(|_| orchestrators.len() >= limit);
                let next = next.map(|last| last.as_str().to_owned());
                Ok(AwaitedPage { orchestrators, next })
            })
            .await
    }

    async fn audit(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Ledger>> {
        let orchestrators = orchestrators.to_vec();
        self.worker
            .run(move |state| {
                let audited = state.file.read(|transaction| {
                    let counted = |id: &OrchestratorId| {
                        let books = transaction.ledger(id)?;
                        let queued = transaction.count_waiting(id)?;
                        Ok(Ledger { queued, ..ledger(&books) })
                    };
                    orchestrators.iter().map(counted).collect()
                })?;
                Ok(audited)
            })
            .await
    }
}

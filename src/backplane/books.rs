//! The books of many orchestrators beside what really waits for them, to see whether they balance.

use std::future::Future;

use super::{Result, inspection::Ledger};
use crate::domain::ids::OrchestratorId;

/// Some of the orchestrators that events wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwaitedPage {
    /// Them. One that is awaited all the while is in at least one page; it may be in two.
    pub orchestrators: Vec<OrchestratorId>,
    /// What to ask for the next page with; `None` after the last one.
    pub next: Option<String>,
}

/// What a check of the books reads. Nothing here changes anything.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Books {
    /// The orchestrators that events wait for, about `limit` at a time; `after` is what the page before
    /// said.
    fn awaited(&self, after: Option<&str>, limit: usize) -> impl Future<Output = Result<AwaitedPage>> + Send;

    /// The books of each of `orchestrators`, empty ones for those that have none. Unlike in
    /// [`super::inspection::Inspection::ledger`] what waits is always counted, never read from the books;
    /// the books of one orchestrator and that count are of the same moment.
    fn audit(&self, orchestrators: &[OrchestratorId]) -> impl Future<Output = Result<Vec<Ledger>>> + Send;
}

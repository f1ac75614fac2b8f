//! Who was heard of when, over all hubs: so that somebody notices who falls silent, whichever hub the
//! daemon talked to, and whether that hub still lives.

use std::future::Future;

use super::Result;
use crate::domain::{clock::Timestamp, ids::OrchestratorId};

/// Signs of life of orchestrators. Heartbeats and arrivals are noted by whoever writes them
/// ([`super::records::Records`]).
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Liveness {
    /// Watches orchestrators of which nothing was heard yet, as if they had been heard of at `at`.
    fn watch(
        &self,
        orchestrators: &[OrchestratorId],
        at: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// At most `limit` orchestrators that were last heard of before `before`. Each is handed to one
    /// caller; one that is not reported as [`Liveness::departed`] comes again after as long as it was
    /// silent for.
    fn silent(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OrchestratorId>>> + Send;

    /// Watches these no more, until they are heard of again.
    fn departed(&self, orchestrators: &[OrchestratorId]) -> impl Future<Output = Result<()>> + Send;
}

//! LedgerCheck: looks all the time whether the books of the queues balance.
//!
//! Responsibilities: go through the orchestrators that events wait for, and those with a connection here,
//! page by page; show the sum of what does not balance as a metric, and name the orchestrators in the
//! log. Does not: repair anything, or read more than the books; `neolith-hub fsck` recounts and explains.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::{Actor, Context, Supervised};

use super::{services::Shared, supervised::spawn_guarded};
use crate::{
    backplane::{Result, books::Books as _, inspection::Ledger},
    domain::ids::OrchestratorId,
};

/// How many orchestrators are looked at in one step.
const PAGE: usize = 100;
/// How long the backplane is left alone between two steps.
const BREATH: Duration = Duration::from_millis(20);
/// The longest time between two rounds.
const MAX_INTERVAL: Duration = Duration::from_secs(15);
/// How many orchestrators one round names in the log; the metric counts all.
const MAX_NAMED: usize = 20;

/// See the [module](self).
pub struct LedgerCheck {
    shared: Arc<Shared>,
    interval: Duration,
}

impl LedgerCheck {
    /// A check that begins a round every `interval`, and every 15 s at least.
    #[must_use]
    pub fn new(shared: Arc<Shared>, interval: Duration) -> Self {
        Self { shared, interval: interval.min(MAX_INTERVAL) }
    }
}

impl Actor for LedgerCheck {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (shared, interval) = (self.shared.clone(), self.interval);
        spawn_guarded(ctx, async move {
            loop {
                tokio::time::sleep(interval).await;
                match look_at_all(&shared).await {
                    Ok(round) => round.report(&shared),
                    // Somebody else says that the backplane is away; the last figure stands.
                    Err(error) => log::debug!(error:% = error; "the books could not be read"),
                }
            }
        });
    }
}

impl Supervised for LedgerCheck {}

/// What one round has found.
#[derive(Debug, Default)]
struct Round {
    checked: u64,
    imbalance: u64,
    named: usize,
}

impl Round {
    fn add(&mut self, orchestrator: &OrchestratorId, books: Ledger) {
        self.checked += 1;
        let imbalance = books.imbalance();
        if imbalance == 0 {
            return;
        }
        self.imbalance = self.imbalance.saturating_add(imbalance.unsigned_abs());
        self.named += 1;
        if self.named <= MAX_NAMED {
            let Ledger { accepted, acknowledged, expired, dropped, dead, queued } = books;
            log::error!(orchestrator = orchestrator.as_str(), imbalance, accepted, acknowledged, expired,
                dropped, dead, queued; "the books of a queue do not balance; neolith-hub fsck explains");
        }
    }

    fn report(&self, shared: &Shared) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        shared.metrics.ledger_imbalance.set(gauge(self.imbalance));
        shared.metrics.ledgers_checked.set(gauge(self.checked));
    }
}

async fn look_at_all(shared: &Shared) -> Result<Round> {
    let mut round = Round::default();
    let here: HashSet<OrchestratorId> = shared.connections.orchestrators().into_iter().collect();
    let mut after = None;
    loop {
        let mut page = shared.backplane.awaited(after.as_deref(), PAGE).await?;
        page.orchestrators.retain(|orchestrator| !here.contains(orchestrator));
        look_at(shared, &mut round, &page.orchestrators).await?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let here: Vec<OrchestratorId> = here.into_iter().collect();
    look_at(shared, &mut round, &here).await?;
    Ok(round)
}

async fn look_at(shared: &Shared, round: &mut Round, orchestrators: &[OrchestratorId]) -> Result<()> {
    for page in orchestrators.chunks(PAGE) {
        let audited = shared.backplane.audit(page).await?;
        for (orchestrator, books) in page.iter().zip(audited) {
            round.add(orchestrator, books);
        }
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

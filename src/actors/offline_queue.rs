//! OfflineQueue: writes group commits, drains what original publishers leave, expires and counts.
//!
//! Responsibilities: the only writer of queues; group commit with retry; the slow sweep; legacy lists.
//! Does not: hold anything that a restart would lose (the buffer is in [`QueueAccess`]), block the
//! router.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext as _, Context, Handler, Supervised};
use tokio::sync::mpsc;

use super::{
    intake::Intake,
    messages::{DrainLegacy, Sweep},
    queue_access::QueueAccess,
    services::Shared,
    supervised::{guarded, spawn_guarded},
};
use crate::{
    backplane::{
        commit::{CommitBatch, CommitOutcome, StoreOutcome},
        queue::{EventQueue as _, LegacySource},
        registry::ConnectionRegistry as _,
    },
    domain::{
        canary::is_reserved,
        clock::{Stopwatch, now},
        ids::OrchestratorId,
    },
    telemetry::metrics::DropReason,
};

mod legacy;

/// How long to wait before a failed commit is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How often events that are over are looked for: what an event says about its own time is in the
/// order of seconds.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
/// How many legacy lists wait to be drained at most; the sweep finds the others.
const LEGACY_CAPACITY: usize = 10_000;

/// When things are written and looked at.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How long changes are collected before they are written together.
    pub commit_interval: Duration,
    /// How often everything is looked through.
    pub sweep_interval: Duration,
}

/// See the [module](self).
pub struct OfflineQueue {
    shared: Arc<Shared>,
    schedule: Schedule,
    intake: Intake,
    legacy: Option<mpsc::Sender<LegacySource>>,
}

impl OfflineQueue {
    /// A queue that hands what it finds in legacy lists to `intake`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, schedule: Schedule, intake: Intake) -> Self {
        Self { shared, schedule, intake, legacy: None }
    }
}

impl Actor for OfflineQueue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        spawn_guarded(ctx, write_for_ever(self.shared.clone(), self.schedule.commit_interval));
        spawn_guarded(ctx, expire_for_ever(self.shared.clone()));
        let (sender, receiver) = mpsc::channel(LEGACY_CAPACITY);
        self.legacy = Some(sender);
        spawn_guarded(ctx, legacy::drain_for_ever(self.shared.clone(), self.intake.clone(), receiver));
        ctx.run_interval(self.schedule.sweep_interval, |_, ctx| ctx.notify(Sweep));
    }
}

impl Supervised for OfflineQueue {}

impl Handler<DrainLegacy> for OfflineQueue {
    type Result = ();

    fn handle(&mut self, DrainLegacy(sources): DrainLegacy, ctx: &mut Self::Context) {
        guarded(ctx, |_| {
            for source in sources {
                // A full channel loses nothing: the sweep comes by.
                let _ = self.legacy.as_ref().map(|drain| drain.try_send(source));
            }
        });
    }
}

impl Handler<Sweep> for OfflineQueue {
    type Result = ();

    fn handle(&mut self, _: Sweep, ctx: &mut Self::Context) {
        let shared = self.shared.clone();
        let legacy = self.legacy.clone();
        spawn_guarded(ctx, async move {
            if let Err(error) = sweep(&shared, legacy).await {
                log::warn!(error:% = error; "a sweep was cut short");
            }
        });
    }
}

/// Writes group commits until the actor ends. What could not be written is tried again for ever.
async fn write_for_ever(shared: Arc<Shared>, interval: Duration) {
    let queue = shared.queue.clone();
    loop {
        if queue.backlog() == 0 {
            queue.filled().await;
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = queue.urgent() => {}
        }
        write_once(&shared, &queue).await;
    }
}

async fn write_once(shared: &Shared, queue: &QueueAccess) {
    let batch = queue.take();
    let mut retry = RETRY.0;
    let mut unwritable = HashSet::new();
    while !batch.is_empty() {
        shared.metrics.commit_backlog.set(i64::try_from(queue.backlog()).unwrap_or(i64::MAX));
        let stopwatch = Stopwatch::start();
        match write(shared, &batch).await {
            Ok(outcome) => {
                shared.metrics.commit_latency.observe(stopwatch.seconds());
                unwritable = account(shared, &batch, &outcome);
                note_backplane(shared, true);
                shared.metrics.commit_backlog.set(0);
                break;
            }
            Err(error) => {
                if note_backplane(shared, false) {
                    log::error!(error:% = error; "the queue cannot be written; trying again until it can");
                }
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(RETRY.1);
            }
        }
    }
    queue.written(unwritable);
}

async fn write(shared: &Shared, batch: &CommitBatch) -> crate::backplane::Result<CommitOutcome> {
    if !batch.remembered.is_empty() {
        shared.backplane.save_subscriptions(&batch.remembered).await?;
    }
    if batch.groups.is_empty() { Ok(CommitOutcome::default()) } else { shared.backplane.commit(batch).await }
}

/// Notes whether the backplane answers. Whether that is news.
fn note_backplane(shared: &Shared, up: bool) -> bool {
    shared.metrics.backplane_up.set(i64::from(up));
    let news = shared.state.set_backplane(up);
    if news && up {
        log::info!("the backplane answers again");
    }
    news
}

/// Counts what a commit did. Returns whose queues could not be written.
fn account(shared: &Shared, batch: &CommitBatch, outcome: &CommitOutcome) -> HashSet<OrchestratorId> {
    let mut unwritable = HashSet::new();
    for (group, outcome) in batch.groups.iter().zip(&outcome.groups) {
        if is_reserved(&group.orchestrator) {
            // A canary: who sent it watches over it, and it counts for nobody.
            unwritable.extend(outcome.failure.as_ref().map(|_| group.orchestrator.clone()));
            continue;
        }
        let stored = outcome.stores.iter().filter(|store| **store == StoreOutcome::Stored).count();
        shared.metrics.queued.inc_by(u64::try_from(stored).unwrap_or_default());
        shared.metrics.acknowledged.inc_by(outcome.acknowledged);
        if !outcome.dropped.is_empty() {
            let count = u64::try_from(outcome.dropped.len()).unwrap_or_default();
            shared.metrics.dropped(DropReason::QueueFull, count);
            let orchestrator = group.orchestrator.as_str();
            log::warn!(orchestrator, count; "the queue is full; its oldest events are dropped");
        }
        if let Some(problem) = &outcome.failure {
            let count = u64::try_from(group.stores.len()).unwrap_or_default();
            shared.metrics.dropped(DropReason::Unwritable, count);
            let orchestrator = group.orchestrator.as_str();
            log::error!(orchestrator, count, problem = problem.as_str();
                "a queue cannot be written: one of its keys holds something else; its events are dropped");
            unwritable.insert(group.orchestrator.clone());
        }
    }
    unwritable
}

/// Removes what is over until the actor ends.
async fn expire_for_ever(shared: Arc<Shared>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(EXPIRE_EVERY).await;
        match shared.backplane.expire(now().wall).await {
            Ok(all) => {
                failing = false;
                for expired in all.into_iter().filter(|expired| !is_reserved(&expired.orchestrator)) {
                    shared.metrics.dropped(DropReason::Expired, expired.count);
                    let (orchestrator, count) = (expired.orchestrator.as_str(), expired.count);
                    log::warn!(orchestrator, count; "events have expired");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    log::warn!(error:% = error; "what has expired cannot be removed; trying again until it can");
                }
            }
        }
    }
}

/// Looks through everything: forgotten lists, connections that missed a hint.
async fn sweep(shared: &Shared, legacy: Option<mpsc::Sender<LegacySource>>) -> crate::backplane::Result<()> {
    let orchestrators = shared.connections.orchestrators();
    let depths = shared.backplane.depths(&orchestrators).await?;
    let waiting = orchestrators.iter().zip(&depths).filter(|(_, depth)| **depth > 0);
    let waiting: Vec<OrchestratorId> = waiting.map(|(orchestrator, _)| orchestrator.clone()).collect();
    // Before the connections here are told to look: what those of a dead hub had is theirs then.
    shared.backplane.forget_stale(&waiting).await?;
    for (orchestrator, depth) in orchestrators.iter().zip(depths) {
        if depth > 0 {
            shared.connections.for_orchestrator(orchestrator, |handle| handle.hint());
        }
        if let Some(legacy) = &legacy {
            for source in legacy::sources(shared, orchestrator) {
                let _ = legacy.try_send(source);
            }
        }
    }
    Ok(())
}

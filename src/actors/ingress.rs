//! IngressReader: takes what publishers append to the stream, and confirms it when it is durable.
//!
//! Responsibilities: read by the batch, each entry in exactly one hub; hand batches to the intake in
//! order; write verdicts and confirm; take over what dead hubs left. Does not: hold anything that a
//! restart would lose. Whatever was taken and not confirmed is still in the stream under this hub's
//! name, and is read again after every failure; an event that comes twice is known by its id.

mod batch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Context, Supervised};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::batch::{Size, replies};
use super::{
    intake::{Arrival, Handed, Intake, IntakeError, Status, Verdict},
    services::Shared,
    supervised::spawn_guarded,
};
use crate::{
    backplane::{
        self,
        ingress::{IngressEntry, IngressStream as _},
    },
    domain::clock::{Monotonic, monotonic},
};

/// How many batches are under way. Small ones, and many: of a large one the last event would be in the
/// store before the first was acknowledged.
const LANES: u32 = 24;
/// How long one call waits for entries.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How often to look for what dead hubs left, at most.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// How the stream is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// How many entries are taken at once, at most.
    pub batch: usize,
    /// How long a hub may hold an entry before another one takes it over.
    pub claim_after: Duration,
}

/// Why a batch is not confirmed.
#[derive(Debug, Error)]
enum FinishError {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Backplane(#[from] backplane::BackplaneError),
}

/// See the [module](self).
pub struct IngressReader {
    office: Arc<Office>,
}

/// What reading takes; shared by the tasks of one reader.
struct Office {
    shared: Arc<Shared>,
    intake: Intake,
    reading: Reading,
}

/// A batch on its way, and its right to be under way.
struct Batch {
    entries: Vec<IngressEntry>,
    lane: OwnedSemaphorePermit,
}

impl IngressReader {
    /// A reader that hands what it takes to `intake`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, intake: Intake, reading: Reading) -> Self {
        let intake = intake.patient();
        Self { office: Arc::new(Office { shared, intake, reading }) }
    }
}

impl Actor for IngressReader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if !self.office.shared.backplane.has_ingress() {
            return;
        }
        let (sender, receiver) = mpsc::channel(1);
        let uncertain = Arc::new(AtomicBool::new(true));
        spawn_guarded(ctx, self.office.clone().read_for_ever(sender, uncertain.clone()));
        spawn_guarded(ctx, self.office.clone().store_for_ever(receiver, uncertain));
    }
}

impl Supervised for IngressReader {}

impl Office {
    /// Reads until the hub drains. `uncertain`: entries may be this hub's that nobody here has in hand.
    async fn read_for_ever(self: Arc<Self>, batches: mpsc::Sender<Batch>, uncertain: Arc<AtomicBool>) {
        let lanes = Arc::new(Semaphore::new(usize::try_from(LANES).unwrap_or(1)));
        let mut size = Size::new(self.reading.batch);
        let mut inherited = false;
        let mut housekeeping = Monotonic::default();
        while !self.shared.state.is_draining() {
            let round = async {
                if monotonic() >= housekeeping {
                    // Nothing of this hub's is under way meanwhile, or it would claim it from itself.
                    let _all = lanes.acquire_many(LANES).await;
                    self.keep_house(&mut inherited, &uncertain).await?;
                    housekeeping = monotonic().plus(HOUSEKEEPING.min(self.reading.claim_after));
                }
                if uncertain.swap(false, Ordering::SeqCst) {
                    drop(lanes.acquire_many(LANES).await);
                    self.recover(&batches, &lanes, &mut size).await.inspect_err(|_| {
                        uncertain.store(true, Ordering::SeqCst);
                    })?;
                }
                let Ok(lane) = lanes.clone().acquire_owned().await else { return Ok(()) };
                let count = size.next();
                let entries = self.shared.backplane.read_new(&self.shared.node, count, PATIENCE).await;
                let entries = entries.inspect_err(|_| uncertain.store(true, Ordering::SeqCst))?;
                self.pass_on(entries, lane, &batches, &mut size).await;
                Ok::<_, backplane::BackplaneError>(())
            };
            if let Err(error) = round.await {
                size.shrink();
                log::log!(self.shared.first_of_its_kind("ingress_unreadable"), error:% = error;
                    "the ingress stream cannot be read; trying again until it can");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn pass_on(
        &self,
        entries: Vec<IngressEntry>,
        lane: OwnedSemaphorePermit,
        batches: &mpsc::Sender<Batch>,
        size: &mut Size,
    ) {
        if entries.is_empty() {
            return;
        }
        size.learn(&entries);
        self.shared.metrics.ingress.taken.inc_by(u64::try_from(entries.len()).unwrap_or_default());
        // Whoever stores them ends only together with this task.
        let _ = batches.send(Batch { entries, lane }).await;
    }

    /// Takes over what dead hubs left, what this hub left when it was started last, and looks how much
    /// waits.
    async fn keep_house(&self, inherited: &mut bool, uncertain: &AtomicBool) -> backplane::Result<()> {
        let Shared { backplane, node, predecessor, metrics, .. } = &*self.shared;
        if let Some(predecessor) = predecessor.as_ref().filter(|_| !*inherited) {
            backplane.inherit(node, predecessor).await?;
        }
        *inherited = true;
        let claimed = backplane.claim(node, self.reading.claim_after).await?;
        if claimed > 0 {
            log::info!(count = claimed; "entries of the stream that another hub left are taken over");
            metrics.ingress.claimed.inc_by(claimed);
            uncertain.store(true, Ordering::SeqCst);
        }
        let backlog = backplane.tidy(node).await?;
        metrics.ingress.backlog(backlog.waiting, backlog.pending);
        Ok(())
    }

    /// Passes everything on that this hub has taken and not confirmed.
    async fn recover(
        &self,
        batches: &mpsc::Sender<Batch>,
        lanes: &Arc<Semaphore>,
        size: &mut Size,
    ) -> backplane::Result<()> {
        let mut after = "0".to_owned();
        loop {
            let Ok(lane) = lanes.clone().acquire_owned().await else { return Ok(()) };
            let Shared { backplane, node, .. } = &*self.shared;
            let entries = backplane.read_unconfirmed(node, &after, size.next()).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after.clone_from(&last.id);
            self.pass_on(entries, lane, batches, size).await;
        }
    }

    /// Hands batches over in their order. Waiting until one is durable, and confirming it, goes beside
    /// handing over the next: events that are taken at once need no store then.
    async fn store_for_ever(self: Arc<Self>, mut batches: mpsc::Receiver<Batch>, uncertain: Arc<AtomicBool>) {
        // Ends, with or without a word, when the batch before is finished.
        let (_, mut earlier) = oneshot::channel::<()>();
        while let Some(Batch { entries, lane }) = batches.recv().await {
            let handed = self.hand_over(&entries).await;
            let (done, next) = oneshot::channel();
            let earlier = std::mem::replace(&mut earlier, next);
            let (office, uncertain) = (self.clone(), uncertain.clone());
            actix::spawn(async move {
                let _lane = lane;
                if let Err(error) = office.finish(&entries, handed, earlier).await {
                    log::debug!(error:%; "entries are not confirmed yet; they are read again");
                    uncertain.store(true, Ordering::SeqCst);
                }
                drop(done);
            });
        }
    }

    /// Hands a batch over, however long that takes. Those that find no room are tried again, in their
    /// order, before anything that comes later.
    async fn hand_over(&self, entries: &[IngressEntry]) -> Handed {
        let arrivals: Vec<_> = entries.iter().map(batch::arrival).collect();
        let mut handed = self.hand_over_all(&arrivals).await;
        loop {
            let places = handed.without_room();
            if places.is_empty() {
                return handed;
            }
            tokio::time::sleep(PAUSE).await;
            let again: Vec<_> = places.iter().filter_map(|place| arrivals.get(*place)).cloned().collect();
            handed.settle(&places, self.hand_over_all(&again).await);
        }
    }

    async fn hand_over_all(&self, arrivals: &[Arrival]) -> Handed {
        loop {
            match self.intake.hand_over(arrivals).await {
                Ok(handed) => return handed,
                Err(error) => {
                    log::log!(self.shared.first_of_its_kind("ingress_unstored"), error:%;
                        "entries of the stream are not taken in yet; trying again until they are");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Confirms a batch when it is durable, with its verdicts, after the one before.
    async fn finish(
        &self,
        entries: &[IngressEntry],
        handed: Handed,
        earlier: oneshot::Receiver<()>,
    ) -> Result<(), FinishError> {
        let mut verdicts = self.intake.verdicts(handed).await?;
        let asked = entries.iter().zip(&mut verdicts).filter(|(entry, _)| entry.reply.is_some());
        self.intake.find_places(asked.map(|(_, verdict)| verdict)).await;
        let _ended = earlier.await;
        Ok(self.confirm(entries, &verdicts).await?)
    }

    async fn confirm(&self, entries: &[IngressEntry], verdicts: &[Verdict]) -> backplane::Result<()> {
        let backplane = &self.shared.backplane;
        let rejected = verdicts.iter().filter(|verdict| matches!(verdict.status, Status::Rejected(_)));
        self.shared.metrics.ingress.rejected.inc_by(u64::try_from(rejected.count()).unwrap_or_default());
        let replies = replies(entries, verdicts, |stream| {
            let may = backplane.may_reply_to(stream);
            if !may {
                log::log!(self.shared.first_of_its_kind("ingress_reply"), stream;
                    "a publisher wants verdicts where they may not be written");
            }
            may
        });
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        backplane.confirm(&ids, &replies).await
    }
}

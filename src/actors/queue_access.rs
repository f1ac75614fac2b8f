//! How everybody reaches the queue: changes go into the shared buffer, reads wait for it.
//!
//! The worker threads put changes in under a short lock; [`super::offline_queue::OfflineQueue`] writes
//! them as group commits. Nothing here waits for the backplane unless it asks for an answer.

mod pending;

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore};

pub use self::pending::Unwritable;
use self::pending::{Pending, Written};
use super::{
    claims,
    ingress_rules::{IngressRules, Trust},
    resolver::Resolver,
};
use crate::{
    backplane::{
        Backplane, BackplaneError,
        buffer::{BufferFull, CommitBuffer},
        commit::{Ack, Claim, CommitBatch, DeadLetter, Sent},
        queue::{EventQueue as _, Loaded, Waiting},
    },
    domain::{
        attempt::{Attempt, Cause},
        clock::now,
        event::{Audience, Event, EventType},
        ids::{ChannelId, DaemonId, EventId, OrchestratorId, OrganizationId},
        subscription::Subscriptions,
    },
    protocol::event_frame::Delivery,
    session::effect::{DeliveryNote, FetchRequest, Fetched, Identity, Page, taken_together},
    telemetry::metrics::{DropReason, Metrics},
};

/// How many looks into queues run at once, over all connections: replay must not starve the rest.
const CONCURRENT_LOOKS: usize = 32;
/// How many events are read at once, before their size is known and at most.
const FIRST_CHUNK: usize = 16;
const MAX_CHUNK: usize = 128;
/// How many envelopes of unwanted events are remembered, so that nobody reads them again and again.
const ENVELOPES: usize = 65_536;
/// How many bytes of events one look brings back at most.
const MAX_PAGE_BYTES: usize = 512 * 1024;
/// How long somebody waits for a group commit before the backplane counts as unavailable.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the queue could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// The backplane did not answer.
    #[error(transparent)]
    Backplane(#[from] BackplaneError),
    /// What was to be committed is not yet; it still may be.
    #[error("the store did not answer in time")]
    Timeout,
}

struct Shared {
    pending: Mutex<Pending>,
    /// Something waits to be written.
    filled: Notify,
    /// Somebody waits for it to be written.
    urgent: Notify,
    looks: Semaphore,
    envelopes: Cache<(OrchestratorId, EventId), Envelope>,
    backplane: Arc<Backplane>,
    metrics: Arc<Metrics>,
    rules: Arc<IngressRules>,
    resolver: Arc<Resolver>,
    commit_size: usize,
    /// How long a first delivery waits for its acknowledgement.
    first_deadline: Duration,
}

/// What decides whom an event is for.
#[derive(Debug, Clone)]
struct Envelope {
    kind: EventType,
    channel: Option<ChannelId>,
    daemon: Option<DaemonId>,
    organization: Option<OrganizationId>,
}

impl Envelope {
    fn of(event: &Event) -> Self {
        Self {
            kind: event.kind.clone(),
            channel: event.channel.clone(),
            daemon: event.daemon.clone(),
            organization: event.organization.clone(),
        }
    }

    fn is_for(&self, who: &Identity, interest: &Subscriptions) -> bool {
        who.is_addressed(self.daemon.as_ref(), self.organization.as_ref())
            && interest.matches(&self.kind, self.channel.as_ref())
    }
}

/// A handle on the queue; all handles share one buffer.
#[derive(Clone)]
pub struct QueueAccess(Arc<Shared>);

impl std::fmt::Debug for QueueAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueAccess").finish_non_exhaustive()
    }
}

impl QueueAccess {
    /// An empty buffer before `backplane`. What is read is judged by `rules`; `resolver` knows whose it is.
    #[must_use]
    pub fn new(
        rules: Arc<IngressRules>,
        resolver: Arc<Resolver>,
        backplane: Arc<Backplane>,
        metrics: Arc<Metrics>,
        capacity: usize,
        commit_size: usize,
        first_deadline: Duration,
    ) -> Self {
        let pending = Pending::new(CommitBuffer::new(capacity));
        Self(Arc::new(Shared {
            pending: Mutex::new(pending),
            filled: Notify::new(),
            urgent: Notify::new(),
            looks: Semaphore::new(CONCURRENT_LOOKS),
            envelopes: Cache::new(ENVELOPES),
            backplane,
            metrics,
            rules,
            resolver,
            commit_size,
            first_deadline,
        }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut CommitBuffer) -> T) -> T {
        let (result, before, after) = {
            let mut pending = self.0.pending.lock();
            let before = pending.buffer.is_empty();
            let result = change(&mut pending.buffer);
            (result, before, pending.buffer.len())
        };
        if before {
            self.0.filled.notify_one();
        }
        if after >= self.0.commit_size {
            self.0.urgent.notify_one();
        }
        result
    }

    /// Takes events out of the queue, soon: `who` has them, each after as many attempts.
    pub fn acknowledge(&self, who: &Identity, ids: Vec<(EventId, u32)>) {
        let overtaken = self.change(|buffer| {
            let cancelled = |(id, attempts)| {
                let ack = Ack { id, daemon: who.daemon.clone(), attempts };
                buffer.acknowledge(&who.orchestrator, who.organization.as_ref(), ack)
            };
            ids.into_iter().map(cancelled).filter(|cancelled| *cancelled).count()
        });
        self.0.metrics.acknowledged.inc_by(u64::try_from(overtaken).unwrap_or_default());
    }

    /// Puts an event into its orchestrator's queue, soon; with a `claim`, for the one connection that is to
    /// have it.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn store(&self, event: Arc<Event>, claim: Option<Claim>) -> Result<(), BufferFull> {
        let stored = self.change(|buffer| {
            let orchestrator = event.orchestrator.clone();
            buffer.store(event)?;
            claim.into_iter().for_each(|claim| buffer.claim(&orchestrator, claim));
            Ok(())
        });
        if stored.is_err() {
            self.0.metrics.dropped(DropReason::BufferFull, 1);
        }
        stored
    }

    /// Puts a dead letter back into its queue, soon, as if it were new.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn redrive(&self, event: Arc<Event>) -> Result<(), BufferFull> {
        self.change(|buffer| buffer.redrive(event))
    }

    /// Takes events out of an orchestrator's queue, soon, on the word of a daemon that holds no socket.
    ///
    /// # Errors
    /// When the buffer has no room for all of them; then none was taken.
    pub fn acknowledge_over_http(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: Vec<EventId>,
    ) -> Result<(), BufferFull> {
        let overtaken = self.change(|buffer| {
            if !buffer.has_room_for_acks(orchestrator, ids.len()) {
                return Err(BufferFull);
            }
            let cancelled =
                |id| buffer.acknowledge(orchestrator, None, Ack { id, daemon: daemon.clone(), attempts: 0 });
            Ok(ids.into_iter().map(cancelled).filter(|cancelled| *cancelled).count())
        })?;
        self.0.metrics.acknowledged.inc_by(u64::try_from(overtaken).unwrap_or_default());
        Ok(())
    }

    /// Notes that an event was written to a socket of `who`.
    pub fn sent(&self, who: &Identity, note: DeliveryNote) {
        let DeliveryNote { id, attempts, at, crashes, history, shared } = note;
        let (daemon, connection) = (who.daemon.clone(), who.connection);
        let sent = Sent { id, daemon, connection, attempts, at, crashes, history, shared };
        self.change(|buffer| buffer.sent(&who.orchestrator, sent));
    }

    /// Gives an event up.
    pub fn bury(&self, who: &Identity, id: EventId, cause: Cause, attempts: u32, history: Vec<Attempt>) {
        let daemon = who.daemon.clone();
        let letter = DeadLetter { id, reason: cause.as_str(), attempts, daemon, history };
        self.0.metrics.dropped(DropReason::DeadLetter, 1);
        self.change(|buffer| buffer.bury(&who.orchestrator, who.organization.as_ref(), letter));
    }

    /// Remembers what a daemon is subscribed to, for its next connection.
    pub fn remember(&self, who: &Identity, subscriptions: Arc<Subscriptions>) {
        self.change(|buffer| buffer.remember(&who.orchestrator, &who.daemon, subscriptions));
    }

    /// Waits until everything that concerns `who` is written: events that were published just before,
    /// acknowledgements, and what it was subscribed to a moment ago.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn settled(&self, who: &Identity) -> Result<(), QueueError> {
        let concerned = {
            let pending = self.0.pending.lock();
            pending.is_writing(&who.orchestrator) || pending.buffer.concerns(&who.orchestrator, &who.daemon)
        };
        if concerned {
            self.durable().await?;
        }
        Ok(())
    }

    /// Waits until everything that was put in before this call is durable. Tells whose queues could not be
    /// written when that was tried last.
    ///
    /// # Errors
    /// When that takes too long; it still happens once the backplane is back.
    pub async fn durable(&self) -> Result<Unwritable, QueueError> {
        let written = self.0.pending.lock().wait();
        self.0.urgent.notify_one();
        self.told(written).await
    }

    /// The same with the group commit that comes anyway: who can wait a few milliseconds spares the store
    /// what is acknowledged meanwhile.
    ///
    /// # Errors
    /// As [`QueueAccess::durable`].
    pub async fn durable_in_turn(&self) -> Result<Unwritable, QueueError> {
        let written = self.0.pending.lock().wait();
        self.told(written).await
    }

    async fn told(&self, written: Written) -> Result<Unwritable, QueueError> {
        let waiter = match written {
            Written::Already(unwritable) => return Ok(unwritable),
            Written::Soon(waiter) => waiter,
        };
        self.0.filled.notify_one();
        match tokio::time::timeout(COMMIT_TIMEOUT, waiter).await {
            Ok(Ok(unwritable)) => Ok(unwritable),
            _ => Err(QueueError::Timeout),
        }
    }

    /// Waits until something wants to be written.
    pub(super) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Waits until somebody waits, or enough has come together.
    pub(super) async fn urgent(&self) {
        self.0.urgent.notified().await;
    }

    /// Takes the next batch. One that was taken and never reported as written comes again.
    pub(super) fn take(&self) -> Arc<CommitBatch> {
        self.0.pending.lock().take(now().wall)
    }

    /// What was taken is written, but for the queues of `failed`.
    pub(super) fn written(&self, failed: HashSet<OrchestratorId>) {
        let (told, unwritable) = self.0.pending.lock().written(failed);
        for waiter in told {
            let _ = waiter.send(unwritable.clone());
        }
    }

    /// How many changes wait.
    pub(super) fn backlog(&self) -> usize {
        self.0.pending.lock().len()
    }

    /// Looks for events that `who` wants and does not have yet, in the order of sending.
    ///
    /// # Errors
    /// When the backplane does not answer.
    pub async fn fetch(
        &self,
        who: &Identity,
        interest: &Subscriptions,
        request: &FetchRequest,
    ) -> Result<Page, QueueError> {
        self.settled(who).await?;
        self.0.resolver.learn_home(&who.orchestrator, who.organization.as_ref()).await;
        let _permit = self.0.looks.acquire().await;
        let waiting = self.0.backplane.waiting(&who.orchestrator).await?;
        let mut page = Page { waiting: waiting.len(), ..Page::default() };
        let excluded: HashSet<&EventId> = request.exclude.iter().collect();
        let mut candidates = waiting.into_iter().map(|Waiting { id, .. }| id).filter(|id| {
            let unwanted = || {
                let envelope = self.0.envelopes.get(&(who.orchestrator.clone(), id.clone()));
                envelope.is_some_and(|envelope| !envelope.is_for(who, interest))
            };
            !excluded.contains(id) && !unwanted()
        });
        let (mut wanted_bytes, mut chunk_size) = (0, FIRST_CHUNK);
        loop {
            let chunk: Vec<EventId> = candidates.by_ref().take(chunk_size).collect();
            if chunk.is_empty() {
                return Ok(page);
            }
            let loaded = self.0.backplane.load(&who.orchestrator, &who.daemon, &chunk).await?;
            let loaded_bytes: usize = loaded.iter().map(|loaded| loaded.body.len()).sum();
            let mut wanted = Vec::with_capacity(loaded.len());
            for fetched in loaded.into_iter().filter_map(|loaded| self.read(who, loaded)) {
                let event = &fetched.delivery.event;
                let envelope = Envelope::of(event);
                if envelope.is_for(who, interest) {
                    wanted_bytes += event.body.len();
                    wanted.push(fetched);
                } else {
                    self.0.envelopes.insert((who.orchestrator.clone(), event.id.clone()), envelope);
                }
            }
            while !wanted.is_empty() {
                let room = request.room.saturating_sub(page.events.len());
                let (asked, before) = (taken_together(&wanted, room), page.events.len());
                let rest = wanted.split_off(asked);
                page.events.extend(self.claimed(who, wanted, room).await?);
                wanted = rest;
                let granted = page.events.len() - before;
                if asked == 0 || granted < asked && page.events.len() >= request.room {
                    page.held_back = true;
                    return Ok(page);
                }
            }
            if page.events.len() >= request.limit || wanted_bytes >= MAX_PAGE_BYTES {
                page.more = candidates.next().is_some();
                return Ok(page);
            }
            // As many as fill a page at the size that these have.
            let average = (loaded_bytes / chunk.len()).max(1);
            chunk_size = (MAX_PAGE_BYTES / average).clamp(1, MAX_CHUNK);
        }
    }

    /// Claims what only one connection is to have, at most `room`, and leaves out what another one has.
    async fn claimed(
        &self,
        who: &Identity,
        mut events: Vec<Fetched>,
        room: usize,
    ) -> Result<Vec<Fetched>, QueueError> {
        let is_shared = |fetched: &Fetched| fetched.delivery.event.audience == Audience::Any;
        let shared = events.iter().filter(|fetched| is_shared(fetched));
        let ids: Vec<EventId> = shared.map(|fetched| fetched.delivery.event.id.clone()).collect();
        if ids.is_empty() {
            return Ok(events);
        }
        let (until, now) = (claims::until(self.0.first_deadline), now().wall);
        let claims =
            self.0.backplane.claim(&who.orchestrator, who.connection, &ids, room, until, now).await?;
        // Since these were read, whoever had them may have tried them.
        let granted_before = ids.iter().zip(&claims).filter(|(_, granted)| granted.is_some_and(|n| n > 0));
        let again: Vec<EventId> = granted_before.map(|(id, _)| id.clone()).collect();
        let tried = match again.as_slice() {
            [] => Vec::new(),
            again => self.0.backplane.load(&who.orchestrator, &who.daemon, again).await?,
        };
        let mut tried = tried.into_iter().peekable();
        let mut claims = claims.into_iter();
        events.retain_mut(|fetched| {
            if !is_shared(fetched) {
                return true;
            }
            if let Some(latest) = tried.next_if(|latest| latest.id == fetched.delivery.event.id) {
                (fetched.attempts, fetched.crashes) = (latest.attempts, latest.crashes);
                fetched.history = latest.history;
            }
            fetched.claimed_until = Some(until);
            claims.next().flatten().is_some()
        });
        Ok(events)
    }

    /// Reads events again that are still in the queue.
    ///
    /// # Errors
    /// When the backplane does not answer.
    pub async fn reload(&self, who: &Identity, ids: &[EventId]) -> Result<Vec<Fetched>, QueueError> {
        self.settled(who).await?;
        self.0.resolver.learn_home(&who.orchestrator, who.organization.as_ref()).await;
        let _permit = self.0.looks.acquire().await;
        let loaded = self.0.backplane.load(&who.orchestrator, &who.daemon, ids).await?;
        Ok(loaded.into_iter().filter_map(|loaded| self.read(who, loaded)).collect())
    }

    fn trust(&self, who: &Identity, event: &Event) -> Trust {
        let rules = &self.0.rules;
        if !rules.are_active() {
            return Trust::Yes;
        }
        let named = || event.organization.clone();
        let owner = rules.owner_of_queue(&who.orchestrator, who.organization.as_ref(), named);
        rules.trust(&who.orchestrator, &owner, &event.body, now())
    }

    fn read(&self, who: &Identity, loaded: Loaded) -> Option<Fetched> {
        match Event::from_body(&loaded.body, &who.orchestrator, now().wall) {
            Ok(event) => match self.trust(who, &event) {
                Trust::Yes => Some(Fetched {
                    delivery: Arc::new(Delivery::new(Arc::new(event))),
                    attempts: loaded.attempts,
                    crashes: loaded.crashes,
                    history: loaded.history,
                    claimed_until: None,
                }),
                Trust::No => {
                    let (event, orchestrator) = (loaded.id.as_str(), who.orchestrator.as_str());
                    log::warn!(event, orchestrator; "the queue holds what no hub has put there; it goes to the dead letters");
                    self.0.metrics.malformed("unsealed");
                    self.bury(who, loaded.id, Cause::Unsealed, loaded.attempts, loaded.history);
                    None
                }
                Trust::Undecided => {
                    let (event, orchestrator) = (loaded.id.as_str(), who.orchestrator.as_str());
                    log::debug!(event, orchestrator; "nobody can say whose it is; it stays in the queue");
                    None
                }
            },
            Err(error) => {
                let (event, orchestrator) = (loaded.id.as_str(), who.orchestrator.as_str());
                log::warn!(event, orchestrator, error:% = error; "the queue holds what is no event; it goes to the dead letters");
                self.0.metrics.malformed("queue");
                self.bury(who, loaded.id, Cause::Unreadable, loaded.attempts, loaded.history);
                None
            }
        }
    }
}

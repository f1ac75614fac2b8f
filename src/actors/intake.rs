//! The one room through which events come in that somebody waits for: over HTTP, from the stream, from
//! legacy lists, from messages and from routing. Each gets its verdict (delivery rule 10).
//!
//! Read, address, hand to the router, wait until it is durable, say what became of it. Everything happens
//! by the batch: what a batch needs to know is asked for at once, and one group commit is waited for.

mod reading;
mod verdict;

use std::{collections::HashMap, sync::Arc};

use actix::Addr;
use bytes::Bytes;
use futures_util::future::join_all;
use thiserror::Error;

pub use self::verdict::{Rejection, Status, Verdict};
use super::{
    event_router::EventRouter,
    ingress_rules::admission::Provenance,
    messages::{Forget, Origin, Publish, Routed},
    queue_access::{QueueError, Unwritable},
    services::Shared,
};
use crate::{
    backplane::queue::{EventQueue as _, RETENTION, queue_time},
    domain::{
        clock::{Timestamp, now},
        event::Event,
        ids::{EventId, OrchestratorId},
        ingress::unwrap_signed,
    },
};

/// Why nothing can be said of a batch. Publishing it again is always right: ids are known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntakeError {
    /// The router is starting again; nothing was accepted.
    #[error("the router is starting again")]
    Router,
    /// What was accepted is not durable yet; it still may be.
    #[error(transparent)]
    Store(#[from] QueueError),
}

/// What has come in, not looked at yet.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// One event, as its publisher wrote it.
    pub json: Bytes,
    /// Whom it is for if it names nobody: the owner of the list that it lay in.
    pub owner: Option<OrchestratorId>,
    /// How far it can be trusted.
    pub provenance: Provenance,
}

impl Arrival {
    /// From a publisher that has proved who it is.
    #[must_use]
    pub fn vouched(json: Bytes) -> Self {
        Self { json, owner: None, provenance: Provenance::Vouched }
    }

    /// From a place where anybody may write who reaches Redis; perhaps in a wrapper with a signature.
    #[must_use]
    pub fn open(json: Bytes, owner: Option<OrchestratorId>) -> Self {
        let (json, signed) = unwrap_signed(json);
        let provenance = Provenance::Open { signed, text: json.clone() };
        Self { json, owner, provenance }
    }
}

/// What is remembered of an event while the router has it.
struct Accepted {
    id: EventId,
    orchestrator: OrchestratorId,
    ends: Timestamp,
}

impl Accepted {
    fn of(event: &Event, now: Timestamp) -> Self {
        let kept_until = queue_time(event.timestamp, now).plus(RETENTION);
        Self {
            id: event.id.clone(),
            orchestrator: event.orchestrator.clone(),
            ends: event.expires_at.map_or(kept_until, |own| own.min(kept_until)),
        }
    }

    fn verdict(&self, status: Status) -> Verdict {
        Verdict { id: Some(self.id.to_string()), orchestrator: Some(self.orchestrator.clone()), status }
    }
}

/// A batch that the router has; nobody knows yet whether it is durable.
pub struct Handed(Vec<Fate>);

enum Fate {
    Refused(Verdict),
    Routed((Accepted, Routed)),
}

impl Handed {
    /// Which of the batch found no room: they can be handed over again.
    #[must_use]
    pub fn without_room(&self) -> Vec<usize> {
        let no_room = |fate: &Fate| matches!(fate, Fate::Routed((_, Routed::NoRoom)));
        self.0.iter().enumerate().filter(|(_, fate)| no_room(fate)).map(|(place, _)| place).collect()
    }

    /// What became of those at `places`, which were handed over again, in their order.
    pub fn settle(&mut self, places: &[usize], again: Self) {
        for (place, fate) in places.iter().zip(again.0) {
            if let Some(before) = self.0.get_mut(*place) {
                *before = fate;
            }
        }
    }
}

/// See the [module](self). Cloning one is cheap.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    router: Addr<EventRouter>,
    is_patient: bool,
}

impl Intake {
    /// An intake that hands events to `router`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, router: Addr<EventRouter>) -> Self {
        Self { shared, router, is_patient: false }
    }

    /// The same for somebody who would only hand everything in again: it waits for the group commit that
    /// comes anyway, and for however long that takes. What is handed in twice gets no better verdict than
    /// that it was known already.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    /// Takes a batch in. One verdict for each, in order; when this returns, whatever was accepted is
    /// durable, or was acknowledged already. Where events wait is left open: see [`Intake::find_places`].
    ///
    /// # Errors
    /// When nothing can be said of the batch.
    pub async fn take(&self, arrivals: &[Arrival]) -> Result<Vec<Verdict>, IntakeError> {
        let handed = self.hand_over(arrivals).await?;
        self.verdicts(handed).await
    }

    /// Takes in events of the hub's own. One verdict for each, in order.
    ///
    /// # Errors
    /// When nothing can be said of them.
    pub async fn store(&self, events: Vec<Event>) -> Result<Vec<Verdict>, IntakeError> {
        let routed = self.route(events, Origin::Direct).await?;
        self.verdicts(Handed(routed.into_iter().map(Fate::Routed).collect())).await
    }

    /// The first half of [`Intake::take`]: the router has the batch, in its order. What comes later can
    /// follow at once.
    ///
    /// # Errors
    /// When the router is starting again; nothing was accepted.
    pub async fn hand_over(&self, arrivals: &[Arrival]) -> Result<Handed, IntakeError> {
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(arrivals.len());
        let mut events = Vec::with_capacity(arrivals.len());
        for outcome in self.read(arrivals).await {
            match outcome {
                Ok(event) => {
                    events.push(event);
                    fates.push(None);
                }
                Err(refused) => fates.push(Some(Fate::Refused(refused))),
            }
        }
        let mut routed = self.route(events, Origin::Taken).await?.into_iter().map(Fate::Routed);
        // There are as many empty places as events.
        Ok(Handed(fates.into_iter().filter_map(|refused| refused.or_else(|| routed.next())).collect()))
    }

    async fn route(
        &self,
        events: Vec<Event>,
        origin: Origin,
    ) -> Result<Vec<(Accepted, Routed)>, IntakeError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let arrived = now().wall;
        let accepted: Vec<Accepted> = events.iter().map(|event| Accepted::of(event, arrived)).collect();
        let publish = Publish { events, origin };
        let routed = self.router.send(publish).await.map_err(|_| IntakeError::Router)?;
        if routed.len() != accepted.len() {
            return Err(IntakeError::Router);
        }
        Ok(accepted.into_iter().zip(routed).collect())
    }

    /// The second half of [`Intake::take`].
    ///
    /// # Errors
    /// When what was accepted is not durable in time; it still may be.
    pub async fn verdicts(&self, handed: Handed) -> Result<Vec<Verdict>, IntakeError> {
        let accepts = |fate: &Fate| matches!(fate, Fate::Routed(_));
        let unwritable =
            if handed.0.iter().any(accepts) { self.durable().await? } else { Unwritable::default() };
        let mut lost = Vec::new();
        let verdicts = handed.0.into_iter().map(|fate| {
            let (event, routed) = match fate {
                Fate::Refused(verdict) => return verdict,
                Fate::Routed(routed) => routed,
            };
            if unwritable.contains(&event.orchestrator) {
                lost.push((event.orchestrator.clone(), event.id.clone()));
                return event.verdict(Status::Rejected(Rejection::Unwritable));
            }
            event.verdict(match routed {
                Routed::Delivered(sessions) => Status::Delivered { sessions },
                Routed::Queued => Status::Queued { position: None, expires_at: event.ends },
                Routed::Duplicate => Status::Duplicate,
                Routed::NoRoom => Status::Rejected(Rejection::NoRoom),
                Routed::Rejected(reason) => Status::Rejected(Rejection::Refused(reason)),
            })
        });
        let verdicts = verdicts.collect();
        if !lost.is_empty() {
            self.router.do_send(Forget(lost));
        }
        Ok(verdicts)
    }

    /// Waits until what was handed in is durable. Whose queue could not be written meanwhile.
    async fn durable(&self) -> Result<Unwritable, QueueError> {
        let queue = &self.shared.queue;
        if !self.is_patient {
            return queue.durable().await;
        }
        loop {
            match queue.durable_in_turn().await {
                Err(error) => {
                    log::log!(self.shared.first_of_its_kind("unstored"), error:% = error;
                        "what was taken in is not stored yet; waiting until it is");
                }
                outcome => return outcome,
            }
        }
    }

    /// Says of those that wait where in their queue they do. Nobody waits for a backplane that does not
    /// know: the events are safe.
    pub async fn find_places(&self, verdicts: impl IntoIterator<Item = &mut Verdict>) {
        let mut waiting: HashMap<OrchestratorId, (Vec<EventId>, Vec<&mut Option<u64>>)> = HashMap::new();
        for verdict in verdicts {
            if let (Some(orchestrator), Status::Queued { position, .. }) =
                (&verdict.orchestrator, &mut verdict.status)
                && let Some(id) = verdict.id.as_deref().and_then(|id| EventId::parse(id).ok())
            {
                let (ids, places) = waiting.entry(orchestrator.clone()).or_default();
                ids.push(id);
                places.push(position);
            }
        }
        join_all(waiting.into_iter().map(async |(orchestrator, (ids, places))| {
            match self.shared.backplane.places(&orchestrator, &ids).await {
                Ok(found) => places.into_iter().zip(found).for_each(|(place, found)| *place = found),
                Err(error) => {
                    let orchestrator = orchestrator.as_str();
                    log::debug!(orchestrator, error:% = error; "nobody knows where events wait");
                }
            }
        }))
        .await;
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

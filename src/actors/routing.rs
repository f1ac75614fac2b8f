//! Routing of one message to an orchestrator, as the platform's own router does it (contract S4, 2.3
//! ROUTER, C42, C44, C56): try an online orchestrator a few times, queue for one that is offline.
//!
//! A message is one event however it comes to the orchestrator, because the event's id follows from the
//! message. While nobody has a socket nothing is put into the event queue: the message waits in the queue
//! that the platform's router knows, and whoever drains that first delivers it.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use thiserror::Error;

use super::{
    intake::{Arrival, Intake, IntakeError, Rejection, Status},
    messages::DrainLegacy,
    offline_queue::OfflineQueue,
    services::Shared,
};
use crate::{
    auth::seal::SEAL_BYTES,
    backplane::{
        BackplaneError,
        queue::LegacySource,
        routing::{QueueBounds, Reachability, RoutingRecords as _},
        trail::EventTrail as _,
    },
    domain::{
        clock::now,
        envelope::{Context, EnvelopeError, Published},
        event::MAX_EVENT_BYTES,
        ids::{EventId, OrchestratorId, SessionId},
        queued_message::QueuedMessage,
    },
    telemetry::metrics::{DropReason, RoutingEvent},
};

/// How another hub's delivery becomes known: it is noted within this time.
const DELIVERY_NOTED: Duration = Duration::from_millis(150);

/// How messages are routed.
#[derive(Debug, Clone)]
pub struct RoutingRules {
    /// How often delivery is tried.
    pub max_attempts: u32,
    /// How long to wait after the first failure; each wait that follows is longer.
    pub initial_delay: Duration,
    /// By how much.
    pub backoff_multiplier: u32,
    /// The longest wait.
    pub max_delay: Duration,
    /// Whether messages for who is away are queued at all.
    pub queue_enabled: bool,
    /// The bounds of that queue.
    pub queue: QueueBounds,
}

impl RoutingRules {
    /// How long to wait after the failed attempt `attempt`, counted from 1.
    fn wait(&self, attempt: u32) -> Duration {
        let factor = self.backoff_multiplier.saturating_pow(attempt.saturating_sub(1));
        self.initial_delay.saturating_mul(factor).min(self.max_delay)
    }
}

/// What became of a message, in S4's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteStatus {
    /// A session has it.
    Delivered,
    /// It is safe, and somebody is there who has not taken it yet.
    Pending,
    /// It is safe, and waits for somebody to come.
    Offline,
    /// It was not kept.
    Failed,
}

impl RouteStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Pending => "pending",
            Self::Offline => "offline",
            Self::Failed => "failed",
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its status.
    pub status: RouteStatus,
    /// Who has it.
    pub session: Option<SessionId>,
    /// How often delivery was tried.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<&'static str>,
}

/// Why a message was not routed; nothing was kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// Nobody is there, and the publisher wants nobody else.
    #[error("the orchestrator is not online")]
    Offline,
    /// Somebody is there, but holds no session that takes messages.
    #[error("no active daemon session found")]
    NoActiveSession,
    /// The message can be no event, or its queue cannot be written.
    #[error("the message cannot be routed: {0}")]
    Refused(String),
    /// The backplane does not answer.
    #[error(transparent)]
    Away(BackplaneError),
    /// The message was not stored in time; it may be yet.
    #[error(transparent)]
    Unstored(#[from] IntakeError),
}

impl From<BackplaneError> for RoutingError {
    fn from(error: BackplaneError) -> Self {
        match error {
            BackplaneError::Corrupt(problem) => Self::Refused(problem),
            BackplaneError::Unavailable(_) => Self::Away(error),
        }
    }
}

/// See the [module](self). Cloning one is cheap.
#[derive(Clone)]
pub struct MessageRouter {
    shared: Arc<Shared>,
    intake: Intake,
    offline_queue: Addr<OfflineQueue>,
    rules: Arc<RoutingRules>,
}

impl MessageRouter {
    /// A router that delivers through `intake`.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        intake: Intake,
        offline_queue: Addr<OfflineQueue>,
        rules: RoutingRules,
    ) -> Self {
        Self { shared, intake, offline_queue, rules: Arc::new(rules) }
    }

    /// Routes a message to whom `named` stands for: an orchestrator, or its user. With `online_only`
    /// nothing is kept for somebody who is away.
    ///
    /// # Errors
    /// When the message was not routed, and nothing was kept of it.
    pub async fn route(
        &self,
        message: QueuedMessage,
        named: &OrchestratorId,
        online_only: bool,
    ) -> Result<Route, RoutingError> {
        let orchestrator = self.shared.resolver.orchestrator(named, &self.shared.connections).await;
        let route = self.try_to_route(&message, &orchestrator, online_only).await;
        let (message, to) = (message.message_id.as_str(), orchestrator.as_str());
        let count = |event: RoutingEvent| self.shared.metrics.routing.happened(event);
        match &route {
            Ok(Route { status: RouteStatus::Delivered, session, attempts, .. }) => {
                let session = session.as_ref().map(SessionId::as_str).unwrap_or_default();
                log::debug!(message, orchestrator = to, session, attempts; "message.routed");
                count(RoutingEvent::Routed);
            }
            Ok(Route { status: RouteStatus::Failed, attempts, .. }) => {
                log::warn!(message, orchestrator = to, attempts; "message.routing_failed");
                count(RoutingEvent::RoutingFailed);
            }
            Ok(Route { attempts, .. }) => {
                log::debug!(message, orchestrator = to, attempts; "message.queued");
                count(RoutingEvent::Queued);
            }
            Err(RoutingError::Offline | RoutingError::NoActiveSession) => {
                log::debug!(message, orchestrator = to; "message.routing_failed");
                count(RoutingEvent::RoutingFailed);
            }
            Err(error) => {
                log::warn!(message, orchestrator = to, error:% = error; "message.routing_error");
                count(RoutingEvent::RoutingError);
            }
        }
        route
    }

    async fn try_to_route(
        &self,
        message: &QueuedMessage,
        orchestrator: &OrchestratorId,
        online_only: bool,
    ) -> Result<Route, RoutingError> {
        // Nothing is promised, or kept, of what could never be delivered.
        check(message, orchestrator)?;
        if !self.reachability(orchestrator).await?.is_online() {
            return if online_only {
                Err(RoutingError::Offline)
            } else {
                self.queue(message, orchestrator, 1).await
            };
        }
        let mut attempt = 1;
        let mut stored = false;
        loop {
            let reach = self.reachability(orchestrator).await?;
            if reach.sockets > 0 || stored {
                let session = match stored {
                    false => self.deliver(message, orchestrator, reach.session).await?,
                    true => self.taken_elsewhere(message, orchestrator, reach.session).await?,
                };
                stored = true;
                if let Some(session) = session {
                    let (id, at) = (message.message_id.as_str(), now().wall);
                    if let Err(error) = self.shared.backplane.note_delivered(id, session.as_ref(), at).await {
                        log::warn!(message = id, error:% = error; "a delivery was not noted");
                    }
                    let status = RouteStatus::Delivered;
                    return Ok(Route { status, session, attempts: attempt, error: None });
                }
            }
            if attempt >= self.rules.max_attempts {
                break;
            }
            tokio::time::sleep(self.rules.wait(attempt)).await;
            attempt += 1;
        }
        if stored {
            // It is in the event queue; nobody needs to try again.
            return Ok(Route { status: RouteStatus::Pending, session: None, attempts: attempt, error: None });
        }
        if online_only {
            return Err(RoutingError::NoActiveSession);
        }
        self.queue(message, orchestrator, attempt).await
    }

    /// What is known of who is there, the sockets of this hub included.
    async fn reachability(&self, orchestrator: &OrchestratorId) -> Result<Reachability, RoutingError> {
        let mut reach = self.shared.backplane.reachability(orchestrator).await?;
        let here = self.shared.connections.daemons(orchestrator);
        reach.sockets = reach.sockets.max(u64::try_from(here.len()).unwrap_or_default());
        if let (None, Some((_, session))) = (&reach.session, here.into_iter().next()) {
            reach.session = Some(session);
        }
        Ok(reach)
    }

    /// Takes the message in as an event. `Some` when somebody has it, with the session if that is known.
    async fn deliver(
        &self,
        message: &QueuedMessage,
        orchestrator: &OrchestratorId,
        session: Option<SessionId>,
    ) -> Result<Option<Option<SessionId>>, RoutingError> {
        match self.take_in(message, orchestrator, false).await? {
            Status::Delivered { sessions } => Ok(Some(sessions.into_iter().next().or(session))),
            Status::Queued { .. } | Status::Duplicate => {
                tokio::time::sleep(DELIVERY_NOTED).await;
                self.taken_elsewhere(message, orchestrator, session).await
            }
            Status::Rejected(rejection) => Err(RoutingError::Refused(rejection.to_string())),
        }
    }

    /// Whether the event that the message became was sent to a daemon, by whichever hub, or is
    /// acknowledged already.
    async fn taken_elsewhere(
        &self,
        message: &QueuedMessage,
        orchestrator: &OrchestratorId,
        session: Option<SessionId>,
    ) -> Result<Option<Option<SessionId>>, RoutingError> {
        let id = EventId::parse(&message.event_id()).map_err(|problem| refused(&problem))?;
        let waiting = self.shared.backplane.whereabouts(&id, Some(orchestrator)).await?;
        let waits_unsent = waiting.iter().any(|place| place.sends.is_empty());
        Ok((!waits_unsent).then_some(session))
    }

    async fn take_in(
        &self,
        message: &QueuedMessage,
        orchestrator: &OrchestratorId,
        ends: bool,
    ) -> Result<Status, RoutingError> {
        let expires_at = ends.then(|| now().wall.plus(self.rules.queue.lifetime));
        let arrival = Arrival::vouched(message.event(orchestrator, expires_at));
        let verdict = self.intake.take(&[arrival]).await?.into_iter().next();
        Ok(verdict.map_or(Status::Rejected(Rejection::Unwritable), |verdict| verdict.status))
    }

    /// Keeps the message for who is away.
    async fn queue(
        &self,
        message: &QueuedMessage,
        orchestrator: &OrchestratorId,
        attempts: u32,
    ) -> Result<Route, RoutingError> {
        if !self.rules.queue_enabled {
            let error = Some("Nobody takes the message, and the offline queue is disabled");
            return Ok(Route { status: RouteStatus::Failed, session: None, attempts, error });
        }
        let entry = QueuedMessage { queued_at: Some(serde_json::json!(now().wall)), ..message.clone() };
        let entry = serde_json::to_vec(&entry).map_err(|problem| refused(&problem))?.into();
        // Whoever drains it must see that a hub has put it there.
        let entry = match self.shared.rules.sealer_for(orchestrator) {
            Some(sealer) => sealer.seal(orchestrator, None, &entry),
            None => entry,
        };
        match self.shared.backplane.queue_message(orchestrator, &entry, self.rules.queue).await? {
            Some(dropped) => {
                self.report_dropped(orchestrator, &dropped);
                if self.reachability(orchestrator).await?.sockets > 0 {
                    // Somebody came meanwhile, whose drain may have been before this.
                    let source = LegacySource::Routing(orchestrator.clone());
                    self.offline_queue.do_send(DrainLegacy(vec![source]));
                }
            }
            None => {
                if let Status::Rejected(rejection) = self.take_in(message, orchestrator, true).await? {
                    return Err(RoutingError::Refused(rejection.to_string()));
                }
            }
        }
        Ok(Route { status: RouteStatus::Offline, session: None, attempts, error: None })
    }

    /// Messages that fell out of a full queue: counted, and each named in the log.
    fn report_dropped(&self, orchestrator: &OrchestratorId, dropped: &[bytes::Bytes]) {
        self.shared.metrics.dropped(DropReason::QueueFull, u64::try_from(dropped.len()).unwrap_or(u64::MAX));
        for entry in dropped {
            // Original routers write there too, and whatever they like.
            let message = serde_json::from_slice::<QueuedMessage>(entry).ok();
            let message = message.as_ref().map_or("unreadable", |message| message.message_id.as_str());
            log::warn!(orchestrator = orchestrator.as_str(), message;
                "a message was dropped, because the queue of messages is full");
        }
    }
}

/// Whether the message can be an event, also one that ends and is sealed.
fn check(message: &QueuedMessage, orchestrator: &OrchestratorId) -> Result<(), RoutingError> {
    let now = now().wall;
    let event = message.event(orchestrator, Some(now));
    if event.len().saturating_add(SEAL_BYTES) > MAX_EVENT_BYTES {
        return Err(refused(&EnvelopeError::TooLarge));
    }
    Published::parse(&event, &Context::default(), now).map(drop).map_err(|problem| refused(&problem))
}

fn refused(problem: &impl ToString) -> RoutingError {
    RoutingError::Refused(problem.to_string())
}

impl std::fmt::Debug for MessageRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageRouter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(created_at: Value, content: usize) -> QueuedMessage {
        QueuedMessage {
            message_id: "m1".to_owned(),
            channel_id: Some("c1".to_owned()),
            author_id: Some("u1".to_owned()),
            content: Some("x".repeat(content)),
            created_at: Some(created_at),
            queued_at: None,
        }
    }

    #[test]
    fn what_can_be_no_event_is_not_routed() {
        let vp = OrchestratorId::parse("vp_1").expect("an id");
        let at = || json!("2026-11-21T04:00:00Z");
        assert_eq!(check(&message(at(), 2), &vp), Ok(()));
        let bare = message(at(), 0).event(&vp, Some(now().wall)).len() + SEAL_BYTES;
        assert_eq!(check(&message(at(), MAX_EVENT_BYTES - bare), &vp), Ok(()));
        let refused = [
            message(json!("2026-11-21T04:00Z"), 2),
            message(json!({}), 2),
            message(at(), MAX_EVENT_BYTES - bare + 1),
        ];
        for message in refused {
            let checked = check(&message, &vp);
            assert!(matches!(checked, Err(RoutingError::Refused(_))), "{:?}", message.created_at);
        }
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let rules = RoutingRules {
            max_attempts: 3,
            initial_delay: Duration::from_secs(1),
            backoff_multiplier: 2,
            max_delay: Duration::from_secs(3),
            queue_enabled: true,
            queue: QueueBounds { size: 100, lifetime: Duration::from_secs(1) },
        };
        let waits: Vec<u64> = (1..=3).map(|attempt| rules.wait(attempt).as_secs()).collect();
        assert_eq!(waits, [1, 2, 3]);
        assert_eq!(rules.wait(u32::MAX), rules.max_delay);
    }
}

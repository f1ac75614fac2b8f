//! Canary: sends this hub an event now and then, on the way that all events take, and sees whether it
//! comes back.
//!
//! Responsibilities: publish as the platform does, or through the router where there is no other way;
//! look into the queue for what has come, as a connection does; acknowledge it, and see that it is gone.
//! Does not: judge (`telemetry/canary.rs` does), take part in anything that tenants see or that is
//! counted for them. The target is known to nobody else (`domain/canary.rs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Context, Supervised};
use bytes::Bytes;
use serde_json::json;
use thiserror::Error;
use tokio::sync::Notify;

use super::{
    event_router::EventRouter,
    messages::{Origin, Publish, Routed},
    queue_access::QueueError,
    services::Shared,
    supervised::spawn_guarded,
};
use crate::{
    backplane::{
        BackplaneError, buffer::BufferFull, bus::EventBus as _, inspection::Inspection as _,
        queue::EventQueue as _,
    },
    domain::{
        canary::canary_of,
        clock::{monotonic, now},
        envelope::{Context as Found, EnvelopeError, Published},
        ids::{DaemonId, EventId, IdError, OrchestratorId},
    },
    telemetry::canary::CanaryWatch,
};

/// What acknowledges a canary.
const RECIPIENT: &str = "hub_canary";
/// What the ids of canaries are called before the hub's name.
const ID_PREFIX: &str = "canary";
/// For how long a canary waits in the queue of a hub that died.
const KEPT: Duration = Duration::from_secs(600);

/// What the canary and everybody it meets on its way share.
#[derive(Debug)]
pub struct CanaryLine {
    /// Whom this hub's canaries are for.
    pub target: OrchestratorId,
    /// Whether they come back.
    pub watch: CanaryWatch,
    /// One has reached the queue, or will in a moment.
    pub arrived: Notify,
    next: AtomicU64,
}

impl CanaryLine {
    /// A line to `target`, over which `watch` watches.
    #[must_use]
    pub fn new(target: OrchestratorId, watch: CanaryWatch) -> Self {
        Self { target, watch, arrived: Notify::new(), next: AtomicU64::new(1) }
    }
}

/// Why a canary did not get through.
#[derive(Debug, Error)]
enum Lost {
    #[error(transparent)]
    Backplane(#[from] BackplaneError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Buffer(#[from] BufferFull),
    #[error("its envelope is wrong: {0}")]
    Envelope(#[from] EnvelopeError),
    #[error("an id {0}")]
    Id(#[from] IdError),
    #[error("its queue cannot be written")]
    Unwritable,
    #[error("the router did not take it: {0}")]
    Refused(&'static str),
}

/// See the [module](self).
pub struct Canary {
    shared: Arc<Shared>,
    router: Addr<EventRouter>,
    interval: Option<Duration>,
}

impl Canary {
    /// A canary every `interval`; without one, none.
    #[must_use]
    pub fn new(shared: Arc<Shared>, router: Addr<EventRouter>, interval: Option<Duration>) -> Self {
        Self { shared, router, interval }
    }
}

impl Actor for Canary {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(interval) = self.interval else { return };
        spawn_guarded(ctx, send_for_ever(self.shared.clone(), self.router.clone(), interval));
        spawn_guarded(ctx, take_for_ever(self.shared.clone(), interval));
    }
}

impl Supervised for Canary {}

async fn send_for_ever(shared: Arc<Shared>, router: Addr<EventRouter>, interval: Duration) {
    while !shared.state.is_draining() {
        let number = shared.canary.next.fetch_add(1, Ordering::Relaxed);
        shared.canary.watch.sent(number, monotonic());
        if let Err(error) = send(&shared, &router, number).await {
            log::debug!(number, error:% = error; "a canary was not sent");
        }
        tokio::time::sleep(interval).await;
    }
}

async fn send(shared: &Shared, router: &Addr<EventRouter>, number: u64) -> Result<(), Lost> {
    let at = now().wall;
    let event = json!({
        "id": format!("{ID_PREFIX}-{}-{number}", shared.node),
        "type": "hub.canary",
        "orchestratorId": shared.canary.target,
        "daemonId": "",
        "payload": { "number": number },
        "timestamp": at,
        "expiresAt": at.plus(KEPT),
        "requiresAck": true,
        "priority": 0,
    });
    let body = Bytes::from(event.to_string());
    if shared.backplane.publish(&body).await? {
        return Ok(());
    }
    let published = Published::parse(&body, &Found::default(), at)?;
    let publish = Publish { events: vec![published.event], origin: Origin::Canary };
    match router.send(publish).await.ok().and_then(|routed| routed.into_iter().next()) {
        Some(Routed::Rejected(reason)) => Err(Lost::Refused(reason)),
        Some(_) => Ok(()),
        None => Err(Lost::Refused("it is starting again")),
    }
}

/// Looks whenever one has come, and in every interval: like a connection, it does not rely on hints.
async fn take_for_ever(shared: Arc<Shared>, interval: Duration) {
    if let Some(Ok(before)) = shared.predecessor.as_ref().map(|node| canary_of(node.as_str()))
        && before != shared.canary.target
        && let Err(error) = shared.backplane.purge(&before).await
    {
        log::debug!(error:% = error; "the canaries of the last run stay until they expire");
    }
    loop {
        tokio::select! {
            () = shared.canary.arrived.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
        if let Err(error) = take(&shared).await {
            log::debug!(error:% = error; "canaries could not be taken");
        }
    }
}

/// Takes everything that waits for the canary, as a daemon would.
async fn take(shared: &Shared) -> Result<(), Lost> {
    let target = &shared.canary.target;
    if shared.queue.durable().await?.contains(target) {
        return Err(Lost::Unwritable);
    }
    let waiting = shared.backplane.waiting(target).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let recipient = DaemonId::parse(RECIPIENT)?;
    let ids: Vec<EventId> = waiting.into_iter().map(|waiting| waiting.id).collect();
    let loaded = shared.backplane.load(target, &recipient, &ids).await?;
    // Also what has lost its content, or never was a canary: nothing is to stay.
    shared.queue.acknowledge_over_http(target, &recipient, ids.clone())?;
    if shared.queue.durable().await?.contains(target) {
        return Err(Lost::Unwritable);
    }
    let places = shared.backplane.places(target, &ids).await?;
    let gone = ids.iter().zip(places).filter(|(_, place)| place.is_none()).map(|(id, _)| id);
    let readable = gone.filter(|id| loaded.iter().any(|loaded| loaded.id == **id));
    for number in readable.filter_map(|id| number_of(shared, id)) {
        if let Some(took) = shared.canary.watch.returned(number, monotonic()) {
            shared.metrics.canary_round_trip.observe(took.as_secs_f64());
        }
    }
    Ok(())
}

/// Which canary of this run it is.
fn number_of(shared: &Shared, id: &EventId) -> Option<u64> {
    let rest = id.as_str().strip_prefix(ID_PREFIX)?.strip_prefix('-')?;
    rest.strip_prefix(shared.node.as_str())?.strip_prefix('-')?.parse().ok()
}

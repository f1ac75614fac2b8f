//! EventRouter: the one way in for events, and the hand that gives them to connections.
//!
//! Responsibilities: listen to the backplane; resolve the target; tell duplicates; store; match and
//! hand out, encoded once. Does not: wait for the database (events whose target must be looked up
//! stand aside, in order), or for a slow peer (what it does not take is in the queue).

mod aside;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, Supervised, WeakAddr};
use bytes::Bytes;

use self::aside::Incoming;
use super::{
    claims,
    connection_manager::ConnectionManager,
    connections::ConnectionHandle,
    forwarding::{self, Forwarder},
    ingress_rules::{Proof, admission::Provenance},
    messages::{CheckRevocations, DrainLegacy, Forget, Obey, Origin, Publish, Routed, Sweep},
    offline_queue::OfflineQueue,
    reception::{TOO_LARGE_SEALED, malformed, read},
    resolver::{Name, Resolver},
    services::Shared,
    supervised::{guarded, spawn_guarded},
};
use crate::{
    backplane::{
        bus::{BusMessage, EventBus as _},
        queue::{EventQueue as _, LegacySource},
        registry::ConnectionRegistry as _,
    },
    domain::{
        canary,
        clock::now,
        envelope::Context as Found,
        event::{Audience, Event},
        ids::{DaemonId, EventId, OrchestratorId, SessionId},
        ingress::unwrap_signed,
        recent_ids::{RecentIds, Sighting},
    },
    protocol::event_frame::Delivery,
    telemetry::metrics::DropReason,
};

/// How many event ids are remembered, to tell duplicates without asking the store.
const RECENT_IDS: usize = 262_144;
/// Why an event is refused that came too late.
const OVER: &str = "it has expired";
/// How long to wait before the backplane is asked again for what happened without this hub.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);
/// How many bus messages are handled before other work gets its turn.
const BUS_BURST: usize = 64;

/// See the [module](self).
pub struct EventRouter {
    shared: Arc<Shared>,
    legacy: Option<WeakAddr<OfflineQueue>>,
    manager: Option<WeakAddr<ConnectionManager>>,
    recent: RecentIds,
    unresolved: HashMap<Name, Vec<Incoming>>,
    unresolved_count: usize,
    unresolved_bytes: usize,
    was_lost: bool,
    forwarder: Option<Forwarder>,
    to_look: Vec<claims::Look>,
}

/// To the router: messages from the bus.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct FromBus(Vec<BusMessage>);

/// To the router: who drains legacy lists. Sent once, when both exist.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LegacyIn(pub Addr<OfflineQueue>);

/// To the router: who closes connections. Sent once, when both exist.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CommandsTo(pub Addr<ConnectionManager>);

/// To the router: these were acknowledged before this hub started.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Prime(Vec<(OrchestratorId, EventId)>);

impl EventRouter {
    /// A router that remembers nothing yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            legacy: None,
            manager: None,
            recent: RecentIds::new(RECENT_IDS, now().wall),
            unresolved: HashMap::new(),
            unresolved_count: 0,
            unresolved_bytes: 0,
            was_lost: false,
            forwarder: None,
            to_look: Vec::new(),
        }
    }

    fn on_bus(&mut self, message: BusMessage, ctx: &mut Context<Self>) {
        match message {
            BusMessage::Published { context, body } => {
                if let Some(daemon) = context.daemon.clone() {
                    self.wake(&daemon);
                }
                self.published(&body, &context, Origin::Channel, ctx);
            }
            BusMessage::Forwarded(body) => self.published(&body, &Found::default(), Origin::Peer, ctx),
            BusMessage::Wake(daemon) => self.wake(&daemon),
            BusMessage::Command(command) => {
                if let Some(manager) = self.manager.as_ref().and_then(WeakAddr::upgrade) {
                    manager.do_send(Obey(command));
                }
            }
            BusMessage::Peer => self.shared.state.set_nodes(2),
            BusMessage::Lost => {
                self.was_lost = true;
                self.shared.state.set_bus(false);
            }
            BusMessage::Restored => self.on_restored(ctx),
        }
    }

    /// Everything may have happened while the bus was away: look through queues and lists.
    fn on_restored(&mut self, ctx: &mut Context<Self>) {
        self.shared.state.set_bus(true);
        self.recent.was_deaf_until(now().wall);
        if self.was_lost {
            self.shared.metrics.backplane_reconnects.inc();
        }
        self.shared.connections.for_each(|handle| handle.hint());
        if let Some(manager) = self.manager.as_ref().and_then(WeakAddr::upgrade) {
            manager.do_send(CheckRevocations);
        }
        if let Some(queue) = self.legacy.as_ref().and_then(WeakAddr::upgrade) {
            queue.do_send(Sweep);
        }
        let (shared, me) = (self.shared.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            while let Err(error) = catch_up(&shared, &me).await {
                log::warn!(error:% = error; "the hub has not caught up with the backplane yet");
                tokio::time::sleep(CATCH_UP_RETRY).await;
            }
        });
    }

    /// An original router has put something into a daemon's list.
    fn wake(&self, daemon: &DaemonId) {
        let Some(queue) = self.legacy.as_ref().and_then(WeakAddr::upgrade) else { return };
        let mut owners: Vec<OrchestratorId> = Vec::new();
        self.shared.connections.for_daemon(daemon, |identity| owners.push(identity.orchestrator.clone()));
        let sources = owners.into_iter().map(|owner| LegacySource::Daemon(daemon.clone(), owner));
        queue.do_send(DrainLegacy(sources.collect()));
    }

    fn published(&mut self, body: &Bytes, found: &Found, origin: Origin, ctx: &mut Context<Self>) {
        let (json, signed) = match origin {
            Origin::Channel => unwrap_signed(body.clone()),
            _ => (body.clone(), None),
        };
        let provenance = match origin {
            Origin::Channel => Provenance::Open { signed, text: json.clone() },
            _ => Provenance::Peer { text: json.clone() },
        };
        let published = match read(&json, found, &provenance, now().wall) {
            Ok(published) => published,
            Err(error) => {
                malformed(&self.shared, &error);
                return;
            }
        };
        let incoming = Incoming { published, origin, provenance };
        let question = Resolver::question(&incoming.published);
        let waiting = self.unresolved.contains_key(&question.name);
        match self.shared.resolver.cached(&question, &self.shared.connections).filter(|_| !waiting) {
            Some(answer) => self.addressed(incoming, answer),
            None => self.stand_aside(question, incoming, ctx),
        }
    }

    /// Takes one event in: the only place where that happens.
    fn route(&mut self, mut event: Event, origin: Origin) -> Routed {
        let is_own = matches!(origin, Origin::Direct | Origin::Ephemeral);
        if is_own && !self.shared.rules.seal(&mut event, &Proof::Hub) {
            return Routed::Rejected(TOO_LARGE_SEALED);
        }
        let is_over = event.expires_at.is_some_and(|end| end <= now().wall);
        let reserved = canary::is_reserved(&event.orchestrator);
        if reserved && !self.is_own_canary(&event, origin) {
            return Routed::Rejected("its orchestrator id is reserved for hubs");
        }
        let event = Arc::new(event);
        if origin == Origin::Ephemeral {
            if is_over {
                return Routed::Rejected(OVER);
            }
            self.forward(&event);
            return self.hand_out(&event);
        }
        let sighting = self.recent.observe(&event.orchestrator, &event.id, event.timestamp, now().wall);
        if sighting == Sighting::Seen {
            self.shared.metrics.duplicates.inc();
            return Routed::Duplicate;
        }
        if is_over {
            return self.over(&event, origin);
        }
        let chosen =
            if event.audience == Audience::Any { claims::choose(&self.shared, &event) } else { None };
        let (chosen, claim) = chosen.unzip();
        if origin != Origin::Peer && self.shared.queue.store(event.clone(), claim).is_err() {
            self.recent.forget(&event.orchestrator, &event.id, now().wall);
            log::log!(self.shared.first_of_its_kind("buffer_full"), event = event.id.as_str();
                "the buffer before the store is full; an event is dropped");
            return Routed::NoRoom;
        }
        if matches!(origin, Origin::Direct | Origin::Taken) {
            self.forward(&event);
        }
        if reserved {
            self.shared.canary.arrived.notify_one();
        }
        match (event.audience, sighting) {
            (Audience::Any, _) => {
                // Two hubs may have chosen somebody: the store knows whose choice holds.
                self.to_look.push(claims::Look(event.orchestrator.clone(), chosen.clone()));
                let session = chosen.and_then(|handle| Some(handle.identity()?.session.clone()));
                session.map_or(Routed::Queued, |session| Routed::Delivered(vec![session]))
            }
            (Audience::All, Sighting::Unsure) => {
                self.to_look.push(claims::Look(event.orchestrator.clone(), None));
                Routed::Queued
            }
            (Audience::All, _) => self.hand_out(&event),
        }
    }

    /// Refuses what came too late: its publisher may not be told, so it is counted.
    fn over(&mut self, event: &Event, origin: Origin) -> Routed {
        // It may come again with more time.
        self.recent.forget(&event.orchestrator, &event.id, now().wall);
        // Where it came from another hub, that one has taken it in.
        if origin != Origin::Peer && !canary::is_reserved(&event.orchestrator) {
            self.shared.metrics.dropped(DropReason::Expired, 1);
            let (event, orchestrator) = (event.id.as_str(), event.orchestrator.as_str());
            log::log!(self.shared.first_of_its_kind("expired"), event, orchestrator;
                "an event has expired before a hub took it in");
        }
        Routed::Rejected(OVER)
    }

    /// Whether an event is this hub's canary. Those of others come on the channel too; each is for its hub
    /// alone.
    fn is_own_canary(&self, event: &Event, origin: Origin) -> bool {
        event.orchestrator == self.shared.canary.target && matches!(origin, Origin::Channel | Origin::Canary)
    }

    /// Lets the store decide, once for all events that were taken in together.
    fn look_once_stored(&mut self) {
        claims::look_once_stored(&self.shared, std::mem::take(&mut self.to_look));
    }

    /// Hands what only this hub knows of to the others.
    fn forward(&self, event: &Arc<Event>) {
        if let Some(forwarder) = self.forwarder.as_ref().filter(|_| self.shared.state.has_peers()) {
            forwarder.forward(event.clone());
        }
    }

    fn hand_out(&self, event: &Arc<Event>) -> Routed {
        let mut sessions: Vec<SessionId> = Vec::new();
        let mut delivery: Option<Arc<Delivery>> = None;
        self.shared.connections.for_orchestrator(&event.orchestrator, |handle: &Arc<ConnectionHandle>| {
            let delivery = delivery.get_or_insert_with(|| Arc::new(Delivery::new(event.clone())));
            if handle.offer(delivery)
                && let Some(identity) = handle.identity()
            {
                sessions.push(identity.session.clone());
            }
        });
        if sessions.is_empty() {
            let (event, orchestrator) = (event.id.as_str(), event.orchestrator.as_str());
            log::debug!(event, orchestrator; "event:queued");
            return Routed::Queued;
        }
        Routed::Delivered(sessions)
    }
}

/// Tells the other hubs that this one is there, and learns what was acknowledged without it.
async fn catch_up(shared: &Shared, router: &Addr<EventRouter>) -> crate::backplane::Result<()> {
    if let Some(predecessor) = &shared.predecessor {
        // It may have been killed: its connections must not count until its lease runs out.
        shared.backplane.retire(predecessor).await?;
    }
    shared.backplane.greet(&shared.node).await?;
    router.do_send(Prime(shared.backplane.recently_acknowledged().await?));
    Ok(())
}

impl Actor for EventRouter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (forwarder, work) = forwarding::way();
        self.forwarder = Some(forwarder);
        spawn_guarded(ctx, forwarding::forward_for_ever(self.shared.clone(), work));
        let mut bus = self.shared.backplane.subscribe(&self.shared.node);
        let me = ctx.address();
        spawn_guarded(ctx, async move {
            loop {
                let mut burst = Vec::with_capacity(BUS_BURST);
                if bus.recv_many(&mut burst, BUS_BURST).await == 0 {
                    return;
                }
                if me.send(FromBus(burst)).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Supervised for EventRouter {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.give_up_unresolved();
    }
}

impl Handler<FromBus> for EventRouter {
    type Result = ();

    fn handle(&mut self, FromBus(messages): FromBus, ctx: &mut Self::Context) {
        guarded(ctx, |ctx| messages.into_iter().for_each(|message| self.on_bus(message, ctx)));
        self.look_once_stored();
    }
}

impl Handler<Prime> for EventRouter {
    type Result = ();

    fn handle(&mut self, Prime(ids): Prime, ctx: &mut Self::Context) {
        let now = now().wall;
        guarded(ctx, |_| ids.iter().for_each(|(orchestrator, id)| self.recent.prime(orchestrator, id, now)));
    }
}

impl Handler<Forget> for EventRouter {
    type Result = ();

    fn handle(&mut self, Forget(ids): Forget, ctx: &mut Self::Context) {
        let now = now().wall;
        guarded(ctx, |_| ids.iter().for_each(|(orchestrator, id)| self.recent.forget(orchestrator, id, now)));
    }
}

impl Handler<LegacyIn> for EventRouter {
    type Result = ();

    fn handle(&mut self, LegacyIn(queue): LegacyIn, _: &mut Self::Context) {
        self.legacy = Some(queue.downgrade());
    }
}

impl Handler<CommandsTo> for EventRouter {
    type Result = ();

    fn handle(&mut self, CommandsTo(manager): CommandsTo, _: &mut Self::Context) {
        self.manager = Some(manager.downgrade());
    }
}

impl Handler<Publish> for EventRouter {
    type Result = Vec<Routed>;

    fn handle(&mut self, Publish { events, origin }: Publish, ctx: &mut Self::Context) -> Self::Result {
        let mut routed = Vec::with_capacity(events.len());
        guarded(ctx, |_| routed.extend(events.into_iter().map(|event| self.route(event, origin))));
        self.look_once_stored();
        routed
    }
}

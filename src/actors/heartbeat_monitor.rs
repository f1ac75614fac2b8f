//! HeartbeatMonitor: one timer that watches over all connections.
//!
//! Responsibilities: remind connections of their deadlines; find those whose peer has stopped reading
//! (their actor is frozen and cannot find itself) and those that are dead; write heartbeats and
//! presence in batches; say that this hub lives. Does not: own a timer per socket.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Supervised, WeakAddr};

use super::{
    connection_manager::{Condemn, ConnectionManager},
    connections::ConnectionHandle,
    event_router::EventRouter,
    messages::{Beat, Came, DrainLegacy, Origin, Publish, Went},
    offline_queue::OfflineQueue,
    services::Shared,
    status_recorder::{Because, NoteStatus, StatusRecorder},
    supervised::{guarded, spawn_guarded},
};
use crate::{
    backplane::{
        queue::LegacySource,
        records::{HeartbeatRecord, Presence, PresenceChange, Records as _},
        registry::ConnectionRegistry as _,
    },
    domain::{
        clock::{Monotonic, monotonic, now},
        event::Event,
        ids::{ConnectionId, OrchestratorId},
        notice::status_changed,
    },
    protocol::codes::CloseReason,
    session::effect::Identity,
    telemetry::metrics::RoutingEvent,
};

/// How long heartbeats and presence changes are collected before they are written.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// How often this hub says that it lives.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the records of living connections are kept from expiring.
const TOUCH_INTERVAL: Duration = Duration::from_secs(40);
/// How much later than its own deadline a connection is ended from outside.
const GRACE: Duration = Duration::from_secs(2);
/// How many records wait to be written at most; a newer heartbeat replaces an older one.
const MAX_WAITING: usize = 50_000;

/// When the monitor looks.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// How often all connections are looked at.
    pub sweep: Duration,
    /// How long a peer may leave its connection without an answer.
    pub slow_consumer: Duration,
    /// How long an orchestrator without a connection still counts as online.
    pub offline_after: Duration,
}

/// See the [module](self).
pub struct HeartbeatMonitor {
    shared: Arc<Shared>,
    watch: Watch,
    manager: Option<WeakAddr<ConnectionManager>>,
    router: Option<WeakAddr<EventRouter>>,
    recorder: Option<WeakAddr<StatusRecorder>>,
    offline_queue: Option<WeakAddr<OfflineQueue>>,
    beats: HashMap<ConnectionId, HeartbeatRecord>,
    presence: Vec<Presence>,
    /// Orchestrators without a connection here, and when they count as offline.
    leaving: HashMap<OrchestratorId, (Monotonic, Arc<Identity>)>,
    writing: bool,
}

/// To the monitor: whom it works with. Sent once, when they exist.
#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub struct Colleagues {
    /// Who ends connections.
    pub manager: Addr<ConnectionManager>,
    /// Who takes events in.
    pub router: Addr<EventRouter>,
    /// Who keeps statuses.
    pub recorder: Addr<StatusRecorder>,
    /// Who drains what other routers queue.
    pub offline_queue: Addr<OfflineQueue>,
}

/// To the monitor: a batch was written, or some of it must be written again.
#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
struct Written {
    changes: Vec<PresenceChange>,
    again: Vec<Presence>,
}

impl HeartbeatMonitor {
    /// A monitor that has seen nobody yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        Self {
            shared,
            watch,
            manager: None,
            router: None,
            recorder: None,
            offline_queue: None,
            beats: HashMap::new(),
            presence: Vec::new(),
            leaving: HashMap::new(),
            writing: false,
        }
    }

    fn sweep(&mut self) {
        let now = monotonic();
        let mut condemned = Vec::new();
        self.shared.connections.for_each(|handle| {
            if let Some(reason) = self.judge(handle, now) {
                condemned.push(Condemn { handle: handle.clone(), reason });
            } else if handle.deadline() <= now || handle.has_missed() {
                handle.tick();
            }
        });
        if let Some(manager) = self.manager.as_ref().and_then(WeakAddr::upgrade) {
            condemned.into_iter().for_each(|condemn| manager.do_send(condemn));
        }
    }

    /// Whether a connection must be ended from outside.
    fn judge(&self, handle: &ConnectionHandle, now: Monotonic) -> Option<CloseReason> {
        if handle.evicted().is_some() {
            return None;
        }
        if !handle.is_admitted() {
            let silent = now.since(handle.last_seen()) >= self.shared.limits.auth_timeout + GRACE;
            return silent.then_some(CloseReason::AuthTimeout);
        }
        if handle.unanswered(now) >= self.watch.slow_consumer {
            return Some(CloseReason::SlowConsumer);
        }
        let patience = self.shared.limits.heartbeat_interval * 3 + GRACE;
        (now.since(handle.last_seen()) >= patience).then_some(CloseReason::HeartbeatTimeout)
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        self.expire_leaving();
        if self.writing || (self.beats.is_empty() && self.presence.is_empty()) {
            return;
        }
        self.writing = true;
        let beats: Vec<_> = std::mem::take(&mut self.beats).into_values().collect();
        let presence = std::mem::take(&mut self.presence);
        let (shared, me) = (self.shared.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            let changed = shared.backplane.presence(&presence).await;
            let again = if changed.is_err() { presence } else { Vec::new() };
            let written = shared.backplane.heartbeats(&beats).await;
            if let Some(error) = written.err().or(changed.as_ref().err().cloned()) {
                log::warn!(error:% = error; "heartbeats could not be written; the next ones will be");
            }
            me.do_send(Written { changes: changed.unwrap_or_default(), again });
        });
    }

    fn expire_leaving(&mut self) {
        let now = monotonic();
        let over: Vec<_> =
            self.leaving.iter().filter(|(_, (at, _))| *at <= now).map(|(id, _)| id.clone()).collect();
        for orchestrator in over {
            if let Some((_, identity)) = self.leaving.remove(&orchestrator)
                && !self.shared.connections.has(&orchestrator)
            {
                self.note_presence(&identity, false);
            }
        }
    }

    fn note_presence(&mut self, identity: &Identity, online: bool) {
        if self.presence.len() < MAX_WAITING {
            self.presence.push(Presence {
                orchestrator: identity.orchestrator.clone(),
                organization: identity.organization.clone(),
                daemon: identity.daemon.clone(),
                session: identity.session.clone(),
                online,
                at: now().wall,
            });
        }
    }

    fn announce(&self, ctx: &mut Context<Self>) {
        let shared = self.shared.clone();
        spawn_guarded(ctx, async move {
            let announced = shared.backplane.announce(&shared.node, now().wall).await;
            let up = announced.is_ok();
            shared.metrics.backplane_up.set(i64::from(up));
            if shared.state.set_backplane(up) {
                if up {
                    log::info!("the backplane answers");
                } else {
                    log::error!("the backplane does not answer");
                }
            }
            if let Ok(nodes) = announced {
                shared.state.set_nodes(nodes);
                shared.metrics.nodes.set(i64::try_from(nodes).unwrap_or(i64::MAX));
            }
        });
    }

    fn touch(&self, ctx: &mut Context<Self>) {
        let mut ids = Vec::new();
        self.shared.connections.for_each(|handle| ids.extend(handle.identity().map(|_| handle.id)));
        let shared = self.shared.clone();
        spawn_guarded(ctx, async move {
            if let Err(error) = shared.backplane.touch(&ids).await {
                log::warn!(error:% = error; "connection records could not be kept alive");
            }
        });
    }
}

impl Actor for HeartbeatMonitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.writing = false;
        self.announce(ctx);
        ctx.run_interval(self.watch.sweep, |monitor, ctx| guarded(ctx, |_| monitor.sweep()));
        ctx.run_interval(WRITE_INTERVAL, |monitor, ctx| monitor.write(ctx));
        ctx.run_interval(ANNOUNCE_INTERVAL, |monitor, ctx| monitor.announce(ctx));
        ctx.run_interval(TOUCH_INTERVAL, |monitor, ctx| monitor.touch(ctx));
    }
}

impl Supervised for HeartbeatMonitor {}

impl Handler<Colleagues> for HeartbeatMonitor {
    type Result = ();

    fn handle(&mut self, colleagues: Colleagues, _: &mut Self::Context) {
        let Colleagues { manager, router, recorder, offline_queue } = colleagues;
        self.manager = Some(manager.downgrade());
        self.router = Some(router.downgrade());
        self.recorder = Some(recorder.downgrade());
        self.offline_queue = Some(offline_queue.downgrade());
    }
}

impl Handler<Beat> for HeartbeatMonitor {
    type Result = ();

    fn handle(&mut self, Beat(record): Beat, _: &mut Self::Context) {
        let connection = record.via.as_ref().map(|via| via.id);
        if let Some(queue) = self.offline_queue.as_ref().and_then(WeakAddr::upgrade) {
            queue.do_send(DrainLegacy(vec![LegacySource::Routing(record.orchestrator.clone())]));
        }
        if let Some(recorder) = self.recorder.as_ref().and_then(WeakAddr::upgrade) {
            recorder.do_send(NoteStatus {
                orchestrator: record.orchestrator.clone(),
                organization: record.organization.clone(),
                status: match record.status {
                    "idle" => "AWAY",
                    "busy" => "BUSY",
                    _ => "ONLINE",
                },
                because: Because::Heartbeat,
            });
        }
        if let Some(connection) = connection.filter(|_| self.beats.len() < MAX_WAITING) {
            self.beats.insert(connection, record);
        }
    }
}

impl Handler<Came> for HeartbeatMonitor {
    type Result = ();

    fn handle(&mut self, Came(identity): Came, _: &mut Self::Context) {
        self.leaving.remove(&identity.orchestrator);
        self.shared.metrics.routing.happened(RoutingEvent::SessionRegistered);
        log::debug!(orchestrator = identity.orchestrator.as_str(); "session.registered");
        self.note_presence(&identity, true);
        if let Some(recorder) = self.recorder.as_ref().and_then(WeakAddr::upgrade) {
            recorder.do_send(NoteStatus {
                orchestrator: identity.orchestrator.clone(),
                organization: identity.organization.clone(),
                status: "ONLINE",
                because: Because::Arrival,
            });
        }
    }
}

impl Handler<Went> for HeartbeatMonitor {
    type Result = ();

    fn handle(&mut self, Went(identity): Went, _: &mut Self::Context) {
        self.shared.metrics.routing.happened(RoutingEvent::SessionUnregistered);
        log::debug!(orchestrator = identity.orchestrator.as_str(); "session.unregistered");
        if self.leaving.len() < MAX_WAITING {
            let at = monotonic().plus(self.watch.offline_after);
            self.leaving.insert(identity.orchestrator.clone(), (at, identity));
        }
    }
}

impl Handler<Written> for HeartbeatMonitor {
    type Result = ();

    fn handle(&mut self, Written { changes, mut again }: Written, _: &mut Self::Context) {
        self.writing = false;
        // Before what has changed since, so that the newest word is the last one.
        again.append(&mut self.presence);
        again.truncate(MAX_WAITING);
        self.presence = again;
        for gone in changes.iter().filter(|change| change.status == "OFFLINE") {
            if let Some(recorder) = self.recorder.as_ref().and_then(WeakAddr::upgrade) {
                recorder.do_send(NoteStatus {
                    orchestrator: gone.orchestrator.clone(),
                    organization: gone.organization.clone(),
                    status: "OFFLINE",
                    because: Because::Silence,
                });
            }
        }
        // A daemon whose own arrival or leaving changed the status knows that already.
        let connections = &self.shared.connections;
        let events: Vec<Event> = changes
            .into_iter()
            .filter(|change| connections.daemons(&change.orchestrator).len() > 1)
            .filter_map(|change| {
                status_changed(&change.orchestrator, change.organization.as_ref(), change.status, now().wall)
            })
            .collect();
        if let Some(router) = self.router.as_ref().and_then(WeakAddr::upgrade).filter(|_| !events.is_empty())
        {
            router.do_send(Publish { events, origin: Origin::Ephemeral });
        }
    }
}

//! What the actors and routes of one hub share. It outlives every actor, so that one that is started
//! again finds everything where it was.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use actix::Addr;
use dashmap::DashSet;
use log::Level;

use super::{
    announcer::Announcer,
    canary::{Canary, CanaryLine},
    connection_manager::ConnectionManager,
    connections::Connections,
    dead_letter_keeper::DeadLetterKeeper,
    event_router::EventRouter,
    heartbeat_monitor::HeartbeatMonitor,
    ingress::IngressReader,
    ingress_rules::{IngressRules, keeper::RuleKeeper},
    intake::Intake,
    ledger_check::LedgerCheck,
    offline_queue::OfflineQueue,
    queue_access::QueueAccess,
    resolver::Resolver,
    routing::MessageRouter,
    status_recorder::StatusRecorder,
};
use crate::{
    auth::{failures::AuthFailures, token::TokenVerifier},
    backplane::Backplane,
    domain::ids::NodeId,
    session::effect::Limits,
    telemetry::metrics::Metrics,
};

/// What does not depend on any actor.
pub struct Shared {
    /// This hub.
    pub node: NodeId,
    /// What this hub was called before it was started again.
    pub predecessor: Option<NodeId>,
    /// What hubs share.
    pub backplane: Arc<Backplane>,
    /// The way to the queue.
    pub queue: QueueAccess,
    /// Who is connected here.
    pub connections: Connections,
    /// Who must sign what.
    pub rules: Arc<IngressRules>,
    /// Whom an event is for.
    pub resolver: Arc<Resolver>,
    /// Who a token belongs to.
    pub verifier: TokenVerifier,
    /// Who failed to authenticate lately.
    pub failures: AuthFailures,
    /// The numbers that sessions obey.
    pub limits: Arc<Limits>,
    /// How many connections one orchestrator may have.
    pub max_connections_per_orchestrator: u32,
    /// Whether events get through.
    pub canary: CanaryLine,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How the hub is.
    pub state: HubState,
    /// The kinds of malformed publishes that were logged.
    pub malformed_kinds: DashSet<&'static str>,
}

impl Shared {
    /// How loudly to log a malformed publish: each kind once aloud, then quietly, so that nobody can
    /// flood the log.
    #[must_use]
    pub fn first_of_its_kind(&self, kind: &'static str) -> Level {
        if self.malformed_kinds.insert(kind) { Level::Warn } else { Level::Debug }
    }
}

/// How the hub is, for readiness and for those who want to come in.
#[derive(Debug, Default)]
pub struct HubState {
    draining: AtomicBool,
    backplane_up: AtomicBool,
    bus_up: AtomicBool,
    peers: AtomicUsize,
}

impl HubState {
    /// The hub lets nobody in any more.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the hub lets nobody in any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Notes whether the backplane answers. Whether that is news.
    pub fn set_backplane(&self, up: bool) -> bool {
        self.backplane_up.swap(up, Ordering::SeqCst) != up
    }

    /// Notes whether published events arrive.
    pub fn set_bus(&self, up: bool) {
        self.bus_up.store(up, Ordering::SeqCst);
    }

    /// Whether the backplane answers and published events arrive.
    #[must_use]
    pub fn is_backplane_up(&self) -> bool {
        self.backplane_up.load(Ordering::SeqCst) && self.bus_up.load(Ordering::SeqCst)
    }

    /// Notes how many hubs live, this one included.
    pub fn set_nodes(&self, nodes: usize) {
        self.peers.store(nodes.saturating_sub(1), Ordering::Relaxed);
    }

    /// Whether there are other hubs.
    #[must_use]
    pub fn has_peers(&self) -> bool {
        self.peers.load(Ordering::Relaxed) > 0
    }
}

/// Everything that a connection or a route reaches.
pub struct Services {
    /// What does not depend on any actor.
    pub shared: Arc<Shared>,
    /// Who admits and evicts.
    pub manager: Addr<ConnectionManager>,
    /// The way in for events that somebody waits for.
    pub intake: Intake,
    /// The way in for messages to one orchestrator.
    pub messages: MessageRouter,
    /// Who reads the rules of signed events.
    pub rule_keeper: Addr<RuleKeeper>,
    /// Who reads the stream.
    pub ingress: Addr<IngressReader>,
    /// Who routes events.
    pub router: Addr<EventRouter>,
    /// Who watches.
    pub monitor: Addr<HeartbeatMonitor>,
    /// Who writes.
    pub offline_queue: Addr<OfflineQueue>,
    /// Who brings messages to daemons.
    pub announcer: Addr<Announcer>,
    /// Who keeps statuses.
    pub recorder: Addr<StatusRecorder>,
    /// Who files what was given up.
    pub keeper: Addr<DeadLetterKeeper>,
    /// Who looks whether the books balance. Held so that it goes on; nobody asks it anything.
    pub ledger_check: Addr<LedgerCheck>,
    /// Who sees whether events get through. Held for the same reason.
    pub canary: Addr<Canary>,
}

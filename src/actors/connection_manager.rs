//! ConnectionManager: who may come in, who is here, and who must go.
//!
//! Responsibilities: admit with quota and take-over; register; evict, from outside where the actor is
//! frozen; clean up, however a connection ended; drain. Does not: touch events.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, ResponseFuture, Supervised};
use rand::seq::SliceRandom as _;
use uuid::Uuid;

use super::{
    claims,
    connections::{ConnectionHandle, Credential},
    heartbeat_monitor::HeartbeatMonitor,
    messages::{Admit, Came, CheckRevocations, Closed, DrainAll, DrainLegacy, Obey, Went},
    offline_queue::OfflineQueue,
    revocation,
    services::Shared,
    supervised::{guarded, spawn_guarded},
};
use crate::{
    backplane::{
        bus::{EventBus as _, NodeCommand},
        queue::LegacySource,
        registry::{Attach, AttachOutcome, Attached, ConnectionRegistry as _, Detach, Replaced},
        revocations::{Revocations as _, TokenIdentity},
    },
    domain::{
        clock::{Monotonic, Timestamp, monotonic, now},
        ids::{DaemonId, OrchestratorId, SessionId},
    },
    protocol::codes::CloseReason,
    session::effect::{Admission, Identity, Refusal},
};

/// How long a connection has to end itself before its socket is shut down from outside.
const GRACE: Duration = Duration::from_secs(2);
/// How long attaches are collected before the backplane is asked.
const ATTACH_INTERVAL: Duration = Duration::from_millis(1);
/// How long gone connections are collected before the backplane is told.
const DETACH_INTERVAL: Duration = Duration::from_millis(20);
/// How long the backplane may be away before gone connections are forgotten; their records expire.
const MAX_DETACHED: usize = 100_000;
/// How long to wait before the backplane is asked again which tokens were revoked.
const CHECK_RETRY: Duration = Duration::from_secs(1);
/// The shortest time that a draining client is given.
const MIN_DRAIN_DELAY: Duration = Duration::from_millis(250);

/// See the [module](self).
pub struct ConnectionManager {
    shared: Arc<Shared>,
    colleagues: Arc<Colleagues>,
    drain_rate: u32,
    gone: Vec<Detach>,
    /// Whose connections have gone before they had read what was claimed for them.
    bereft: Vec<OrchestratorId>,
    /// Connections that were told to end, and when their socket is shut down.
    condemned: Vec<(Arc<ConnectionHandle>, Monotonic)>,
}

/// Whom the manager works with. Shared by every admission that is under way.
struct Colleagues {
    monitor: Addr<HeartbeatMonitor>,
    offline_queue: Addr<OfflineQueue>,
}

/// To the manager: the backplane counts these although they are gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct StillAttached(Vec<Detach>);

/// To the manager: end this connection from inside, and if that does not help, from outside.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Condemn {
    /// Which.
    pub handle: Arc<ConnectionHandle>,
    /// Why.
    pub reason: CloseReason,
}

impl ConnectionManager {
    /// A manager that lets `drain_rate` connections per second go when the hub stops.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        monitor: Addr<HeartbeatMonitor>,
        offline_queue: Addr<OfflineQueue>,
        drain_rate: u32,
    ) -> Self {
        let colleagues = Arc::new(Colleagues { monitor, offline_queue });
        Self { shared, colleagues, drain_rate, gone: Vec::new(), bereft: Vec::new(), condemned: Vec::new() }
    }

    fn condemn(&mut self, handle: Arc<ConnectionHandle>, reason: CloseReason) {
        handle.evict(reason);
        self.condemned.push((handle, monotonic().plus(GRACE)));
    }

    fn execute(&mut self) {
        let now = monotonic();
        self.condemned.retain(|(handle, at)| {
            let over = *at <= now;
            if over {
                handle.shut_down();
            }
            !over && Arc::strong_count(handle) > 1
        });
    }

    fn detach(&mut self, ctx: &mut Context<Self>) {
        if self.gone.is_empty() {
            return;
        }
        let (gone, bereft) = (std::mem::take(&mut self.gone), std::mem::take(&mut self.bereft));
        let (shared, me) = (self.shared.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            if shared.backplane.detach(&gone).await.is_err() {
                me.do_send(StillAttached(gone));
                return;
            }
            for orchestrator in bereft {
                claims::offer(&shared, orchestrator).await;
            }
        });
    }
}

impl Actor for ConnectionManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(DETACH_INTERVAL, |manager, ctx| {
            manager.detach(ctx);
            manager.execute();
        });
    }
}

impl Supervised for ConnectionManager {}

impl Handler<Admit> for ConnectionManager {
    type Result = ResponseFuture<Result<Admission, Refusal>>;

    fn handle(&mut self, admit: Admit, ctx: &mut Self::Context) -> Self::Result {
        let (shared, me) = (self.shared.clone(), ctx.address());
        let colleagues = self.colleagues.clone();
        Box::pin(async move {
            let (identity, attached) = match admit.handle.identity().filter(|_| admit.handle.is_admitted()) {
                Some(known) => (known.clone(), renew(&shared, &admit, known).await?),
                None => {
                    let identity = identify(&admit)?;
                    let attached = enter(&shared, &admit, &identity).await?;
                    if shared.connections.get(identity.connection).is_none() {
                        me.do_send(StillAttached(vec![detach(&identity)]));
                        return Err(Refusal::Unavailable);
                    }
                    admit.handle.admit();
                    shared.metrics.authenticated.inc();
                    colleagues.monitor.do_send(Came(identity.clone()));
                    (identity, attached)
                }
            };
            if let Some(replaced) = &attached.replaced {
                take_over(&shared, &me, replaced).await;
            }
            if attached.legacy {
                colleagues
                    .offline_queue
                    .do_send(DrainLegacy(legacy_sources(&identity.daemon, &identity.orchestrator)));
            }
            Ok(Admission {
                identity,
                scopes: admit.token.scopes,
                expires_at: admit.token.expires_at,
                subscriptions: attached.subscriptions,
                backlog: attached.depth > 0 || attached.legacy,
                depth: attached.depth,
                gap: attached.gap,
                node: shared.node.clone(),
            })
        })
    }
}

fn detach(identity: &Identity) -> Detach {
    Detach {
        connection: identity.connection,
        orchestrator: identity.orchestrator.clone(),
        daemon: identity.daemon.clone(),
    }
}

/// Who the client is, by its token and its own word; they must not contradict each other.
fn identify(admit: &Admit) -> Result<Arc<Identity>, Refusal> {
    let token = &admit.token;
    if admit.orchestrator.as_ref().is_some_and(|claimed| *claimed != token.orchestrator) {
        return Err(Refusal::Failed("the token belongs to another orchestrator"));
    }
    if !token.scopes.opens_socket() {
        return Err(Refusal::NoScope);
    }
    let session = match &token.session {
        Some(session) => session.clone(),
        None => new_session(&token.orchestrator)?,
    };
    let daemon = match &admit.daemon {
        Some(daemon) => daemon.clone(),
        None => DaemonId::parse(session.as_str()).map_err(|_| Refusal::Failed("daemonId is required"))?,
    };
    Ok(Arc::new(Identity {
        connection: admit.handle.id,
        orchestrator: token.orchestrator.clone(),
        daemon,
        session,
        organization: token.organization.clone(),
        connected_at: now().wall,
    }))
}

fn new_session(orchestrator: &OrchestratorId) -> Result<SessionId, Refusal> {
    let name = format!("daemon_session_{orchestrator}_{}", Uuid::new_v4().simple());
    SessionId::parse(&name)
        .or_else(|_| SessionId::parse(&format!("daemon_session_{}", Uuid::new_v4().simple())))
        .map_err(|_| Refusal::Unavailable)
}

/// Counts the connection, here first: what is published while the backplane is asked is then noted as
/// missed, not lost.
async fn enter(shared: &Shared, admit: &Admit, identity: &Arc<Identity>) -> Result<Attached, Refusal> {
    // Before the backplane is asked: a revocation that it does not know yet will find the connection.
    admit.handle.set_credential(credential(admit, identity));
    if !shared.connections.identify(&admit.handle, identity) {
        return Err(Refusal::Unavailable);
    }
    if let Err(error) = shared.queue.settled(identity).await {
        log::error!(connection:% = identity.connection, error:% = error; "a connection cannot be attached");
        return Err(Refusal::Unavailable);
    }
    // Attaches of the same millisecond travel together: a storm of them costs the backplane, and this
    // thread, a fraction of what each alone would.
    tokio::time::sleep(ATTACH_INTERVAL).await;
    let mut outcome = shared.backplane.attach(&attach(shared, admit, identity, now().wall)).await;
    if matches!(outcome, Ok(AttachOutcome::QuotaExceeded)) {
        // Who left a moment ago may still be counted.
        tokio::time::sleep(DETACH_INTERVAL * 2).await;
        outcome = shared.backplane.attach(&attach(shared, admit, identity, now().wall)).await;
    }
    match outcome {
        Ok(AttachOutcome::Attached(attached)) => Ok(attached),
        Ok(AttachOutcome::QuotaExceeded) => Err(Refusal::TooMany),
        Ok(AttachOutcome::Revoked) => Err(Refusal::Failed("the token was revoked")),
        Err(error) => {
            log::error!(connection:% = identity.connection, error:% = error; "a connection cannot be attached");
            Err(Refusal::Unavailable)
        }
    }
}

fn attach(shared: &Shared, admit: &Admit, identity: &Identity, now: Timestamp) -> Attach {
    Attach {
        connection: identity.connection,
        node: shared.node.clone(),
        orchestrator: identity.orchestrator.clone(),
        daemon: identity.daemon.clone(),
        session: identity.session.clone(),
        organization: identity.organization.clone(),
        jti: admit.token.jti.clone(),
        issued_at: admit.token.issued_at,
        scopes: admit.token.scopes,
        limit: shared.max_connections_per_orchestrator,
        now,
    }
}

/// A new token on a live socket: it must be unrevoked and the same orchestrator's.
async fn renew(shared: &Shared, admit: &Admit, known: &Identity) -> Result<Attached, Refusal> {
    if known.orchestrator != admit.token.orchestrator {
        return Err(Refusal::Failed("the token belongs to another orchestrator"));
    }
    if !admit.token.scopes.opens_socket() {
        return Err(Refusal::NoScope);
    }
    // As on entering: whatever is revoked from here on finds the connection by one or the other.
    let before = admit.handle.set_credential(credential(admit, known));
    let token = TokenIdentity {
        jti: admit.token.jti.clone(),
        session: admit.token.session.clone().or_else(|| Some(known.session.clone())),
        orchestrator: known.orchestrator.clone(),
        issued_at: admit.token.issued_at,
    };
    let refusal = match shared.backplane.is_revoked(&token).await {
        Ok(false) => return Ok(Attached::default()),
        Ok(true) => Refusal::Failed("the token was revoked"),
        Err(_) => Refusal::Unavailable,
    };
    admit.handle.set_credential(before);
    Err(refusal)
}

/// What the new token of a connection can be revoked by.
fn credential(admit: &Admit, identity: &Identity) -> Credential {
    Credential {
        jti: admit.token.jti.as_deref().map(Box::from),
        session: Some(admit.token.session.clone().unwrap_or_else(|| identity.session.clone())),
        issued_at: admit.token.issued_at,
    }
}

/// Ends the older connection of the same daemon instance, wherever it is.
async fn take_over(shared: &Shared, me: &Addr<ConnectionManager>, replaced: &Replaced) {
    if let Some(handle) = shared.connections.get(replaced.connection) {
        me.do_send(Condemn { handle, reason: CloseReason::SessionTerminated });
        return;
    }
    let command = NodeCommand::Evict { connection: replaced.connection.to_string() };
    if let Err(error) = shared.backplane.command(&replaced.node, &command).await {
        log::warn!(node = replaced.node.as_str(), error:% = error; "a replaced connection was not told");
    }
}

fn legacy_sources(daemon: &DaemonId, orchestrator: &OrchestratorId) -> Vec<LegacySource> {
    vec![
        LegacySource::Orchestrator(orchestrator.clone()),
        LegacySource::Daemon(daemon.clone(), orchestrator.clone()),
        LegacySource::Routing(orchestrator.clone()),
    ]
}

impl Handler<Closed> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Closed { handle, reason }: Closed, ctx: &mut Self::Context) {
        guarded(ctx, |_| {
            if !self.shared.connections.close(&handle) {
                return;
            }
            self.shared.metrics.open.dec();
            self.shared.metrics.closed(reason);
            let connection = handle.id;
            let Some(identity) = handle.identity().filter(|_| handle.is_admitted()) else {
                log::info!(connection:%, code = reason.code(); "connection:closed");
                return;
            };
            let (orchestrator, daemon) = (identity.orchestrator.as_str(), identity.daemon.as_str());
            log::info!(connection:%, orchestrator, daemon, code = reason.code(), reason = reason.text(); "connection:closed");
            self.shared.metrics.authenticated.dec();
            if self.gone.len() < MAX_DETACHED {
                self.gone.push(detach(identity));
                if handle.keep_promises() {
                    self.bereft.push(identity.orchestrator.clone());
                }
            }
            if !self.shared.connections.has(&identity.orchestrator) {
                self.colleagues.monitor.do_send(Went(identity.clone()));
            }
        });
    }
}

impl Handler<StillAttached> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, StillAttached(gone): StillAttached, _: &mut Self::Context) {
        let room = MAX_DETACHED.saturating_sub(self.gone.len());
        self.gone.extend(gone.into_iter().take(room));
    }
}

impl Handler<Condemn> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Condemn { handle, reason }: Condemn, ctx: &mut Self::Context) {
        guarded(ctx, |_| self.condemn(handle, reason));
    }
}

impl Handler<Obey> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Obey(command): Obey, ctx: &mut Self::Context) {
        if let NodeCommand::Look { orchestrator } = &command {
            self.shared.connections.for_orchestrator(orchestrator, |handle| handle.hint());
            return;
        }
        let (shared, me) = (self.shared.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            let search = move || revocation::concerned(&shared.connections, &command);
            match tokio::task::spawn_blocking(search).await {
                Ok(found) => found.into_iter().for_each(|handle| {
                    me.do_send(Condemn { handle, reason: CloseReason::SessionTerminated });
                }),
                Err(error) => log::error!(error:% = error; "a command was not carried out"),
            }
        });
    }
}

impl Handler<CheckRevocations> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, _: CheckRevocations, ctx: &mut Self::Context) {
        let (shared, me) = (self.shared.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            while let Err(error) = revocation::check_all(&shared, &me).await {
                log::warn!(error:% = error; "it is not known yet which tokens were revoked meanwhile");
                tokio::time::sleep(CHECK_RETRY).await;
            }
        });
    }
}

impl Handler<DrainAll> for ConnectionManager {
    type Result = ResponseFuture<()>;

    /// Lets everybody go in slots (delivery section 5), and closes the rest at the deadline.
    fn handle(&mut self, DrainAll { deadline }: DrainAll, ctx: &mut Self::Context) -> Self::Result {
        let (shared, me) = (self.shared.clone(), ctx.address());
        let rate = self.drain_rate.max(1);
        Box::pin(async move {
            let mut handles = shared.connections.all();
            handles.shuffle(&mut rand::rng());
            shared.metrics.draining(i64::try_from(handles.len()).unwrap_or(i64::MAX));
            let room = deadline.saturating_sub(MIN_DRAIN_DELAY * 4);
            let told: HashSet<_> = handles.iter().map(|handle| handle.id).collect();
            for (index, handle) in handles.iter().enumerate() {
                let slot =
                    Duration::from_secs(1).saturating_mul(u32::try_from(index).unwrap_or(u32::MAX)) / rate;
                handle.drain(slot.min(room).max(MIN_DRAIN_DELAY));
            }
            drop(handles);
            let end = monotonic().plus(deadline.saturating_sub(MIN_DRAIN_DELAY * 2));
            while !shared.connections.is_empty() && monotonic() < end {
                tokio::time::sleep(Duration::from_millis(20)).await;
                for handle in shared.connections.all().into_iter().filter(|late| !told.contains(&late.id)) {
                    me.do_send(Condemn { handle, reason: CloseReason::GoingAway });
                }
            }
            shared.connections.close_all().await;
            shared.metrics.draining(0);
        })
    }
}

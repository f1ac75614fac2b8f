//! Every connection of this hub, as the other actors see it.
//!
//! The worker threads and the main thread share this for reading; nothing here waits. A connection
//! whose peer stops reading freezes its own actor, so everything needed to judge it and to end it lies
//! here, outside.

mod load;

use std::{
    hash::Hash,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use dashmap::DashMap;
use parking_lot::RwLock;
use socket2::Socket;

use self::load::Load;
use super::{
    connection::Connection,
    messages::{Deliver, Drain, Evict, Hint, Tick},
};
use crate::{
    domain::{
        clock::{Monotonic, Timestamp, monotonic},
        event::Event,
        ids::{ConnectionId, DaemonId, OrchestratorId, SessionId},
        subscription::Subscriptions,
    },
    protocol::{codes::CloseReason, event_frame::Delivery},
    session::effect::{Flow, Identity},
};

/// How many bytes of events may wait in a connection's mailbox.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// How long peers have to take the close frame of a hub that stops.
const CLOSING: Duration = Duration::from_millis(250);
/// How many messages may wait in a connection's mailbox.
pub const MAILBOX_CAPACITY: usize = 1024;

/// What the token that a connection lives on can be revoked by. Nothing, before there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub jti: Option<Box<str>>,
    /// Its session.
    pub session: Option<SessionId>,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
}

/// One connection, from outside.
#[derive(Debug)]
pub struct ConnectionHandle {
    /// Which.
    pub id: ConnectionId,
    actor: OnceLock<Addr<Connection>>,
    socket: Option<Socket>,
    identity: OnceLock<Arc<Identity>>,
    credential: RwLock<Credential>,
    interest: RwLock<Arc<Subscriptions>>,
    last_seen: AtomicU64,
    deadline: AtomicU64,
    queued_bytes: AtomicUsize,
    load: Load,
    /// Since when the mailbox holds something that the actor has not looked at; 0 when it does not.
    unanswered_since: AtomicU64,
    behind: AtomicBool,
    missed: AtomicBool,
    unwanted: AtomicBool,
    admitted: AtomicBool,
    evicted: OnceLock<CloseReason>,
}

impl ConnectionHandle {
    /// A connection on `socket`, which is a second handle of the transport's descriptor.
    #[must_use]
    pub fn new(socket: Option<Socket>) -> Self {
        Self {
            id: ConnectionId::random(),
            actor: OnceLock::new(),
            socket,
            identity: OnceLock::new(),
            credential: RwLock::default(),
            interest: RwLock::default(),
            last_seen: AtomicU64::new(monotonic().0),
            deadline: AtomicU64::new(Monotonic::NEVER.0),
            queued_bytes: AtomicUsize::new(0),
            load: Load::default(),
            unanswered_since: AtomicU64::new(0),
            behind: AtomicBool::new(true),
            missed: AtomicBool::new(false),
            unwanted: AtomicBool::new(false),
            admitted: AtomicBool::new(false),
            evicted: OnceLock::new(),
        }
    }

    /// The actor has started.
    pub fn bind(&self, actor: Addr<Connection>) {
        let _ = self.actor.set(actor);
    }

    /// Who is at the other end, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.get()
    }

    /// The connection lives on this token now. Returns what it lived on before.
    pub fn set_credential(&self, credential: Credential) -> Credential {
        std::mem::replace(&mut self.credential.write(), credential)
    }

    /// Whether `condition` holds of the token that the connection lives on.
    pub fn credential(&self, condition: impl FnOnce(&Credential) -> bool) -> bool {
        condition(&self.credential.read())
    }

    /// Why the hub ended the connection, if it did so from outside.
    #[must_use]
    pub fn evicted(&self) -> Option<CloseReason> {
        self.evicted.get().copied()
    }

    /// The backplane counts the connection.
    pub fn admit(&self) {
        self.admitted.store(true, Ordering::SeqCst);
    }

    /// Whether the backplane counts the connection.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::SeqCst)
    }

    /// Takes note of a sign of life and of the next deadline.
    pub fn seen(&self, now: Monotonic, deadline: Monotonic) {
        self.last_seen.store(now.0, Ordering::Relaxed);
        self.deadline.store(deadline.0, Ordering::Relaxed);
    }

    /// Takes note of the next deadline.
    pub fn set_deadline(&self, deadline: Monotonic) {
        self.deadline.store(deadline.0, Ordering::Relaxed);
    }

    /// When the connection's next deadline is.
    #[must_use]
    pub fn deadline(&self) -> Monotonic {
        Monotonic(self.deadline.load(Ordering::Relaxed))
    }

    /// When the peer gave its last sign of life.
    #[must_use]
    pub fn last_seen(&self) -> Monotonic {
        Monotonic(self.last_seen.load(Ordering::Relaxed))
    }

    /// For how long the actor has not looked into its mailbox although something is there.
    #[must_use]
    pub fn unanswered(&self, now: Monotonic) -> Duration {
        match self.unanswered_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.since(Monotonic(since)),
        }
    }

    fn asked(&self) {
        let now = monotonic().0.max(1);
        let _ = self.unanswered_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The actor has looked into its mailbox and taken `bytes` of events out.
    pub fn answered(&self, bytes: usize) {
        let left = self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
        let since = if left == 0 { 0 } else { monotonic().0.max(1) };
        self.unanswered_since.store(since, Ordering::Relaxed);
    }

    /// Changes what the connection is interested in.
    pub fn set_interest(&self, interest: Arc<Subscriptions>) {
        *self.interest.write() = interest;
    }

    /// What the connection is interested in.
    #[must_use]
    pub fn interest(&self) -> Arc<Subscriptions> {
        self.interest.read().clone()
    }

    /// The connection waits for the queue; live events would overtake it.
    pub fn set_behind(&self) {
        self.behind.store(true, Ordering::SeqCst);
    }

    /// The connection has caught up. Whether it missed something meanwhile, and is behind again.
    pub fn set_live(&self) -> bool {
        self.behind.store(false, Ordering::SeqCst);
        let missed = self.missed.swap(false, Ordering::SeqCst);
        if missed {
            self.set_behind();
        }
        missed
    }

    /// Whether events were published that this connection did not want then; forgets it. They wait in
    /// the queue for a subscription.
    pub fn take_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed) && self.unwanted.swap(false, Ordering::SeqCst)
    }

    /// Whether events were published that this connection could not be offered; forgets it.
    pub fn take_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed) && self.missed.swap(false, Ordering::SeqCst)
    }

    /// Whether events were published that this connection could not be offered.
    #[must_use]
    pub fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// Takes note of how events flow now.
    pub fn set_flow(&self, flow: Flow) {
        self.load.set(flow);
    }

    /// How events flow, as the connection last said.
    #[must_use]
    pub fn flow(&self) -> Flow {
        self.load.flow()
    }

    /// How many events the connection has or was promised, if it can take another.
    #[must_use]
    pub fn load(&self) -> Option<u32> {
        self.load.with_room()
    }

    /// An event is claimed for the connection.
    pub fn promise(&self) {
        self.load.promise();
    }

    /// The connection has read what was claimed for it, or will not any more. Whether there was anything.
    pub fn keep_promises(&self) -> bool {
        self.load.keep_promises()
    }

    /// Whether an event is for this connection, and subscribed to.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let addressed = self.identity().is_some_and(|identity| {
            identity.is_addressed(event.daemon.as_ref(), event.organization.as_ref())
        });
        addressed && self.interest.read().matches(&event.kind, event.channel.as_ref())
    }

    /// Offers a live event; whether it is on its way. What is not taken is in the queue, and the
    /// connection knows that there is something.
    pub fn offer(&self, delivery: &Arc<Delivery>) -> bool {
        let accepted = self.identity().is_some_and(|identity| {
            identity.is_addressed(delivery.event.daemon.as_ref(), delivery.event.organization.as_ref())
        });
        if !accepted {
            return false;
        }
        {
            let interest = self.interest.read();
            if !interest.matches(&delivery.event.kind, delivery.event.channel.as_ref()) {
                // Under the lock: whoever changes the interest looks at this note afterwards.
                self.unwanted.store(true, Ordering::SeqCst);
                return false;
            }
        }
        // After something was missed, a later event would overtake it.
        let taken = self.is_live() && !self.has_missed() && self.push(delivery);
        if !taken {
            self.missed.store(true, Ordering::SeqCst);
            // It may have caught up between the look at `behind` and this note.
            if self.is_live() {
                self.hint();
            }
        }
        taken
    }

    fn is_live(&self) -> bool {
        !self.behind.load(Ordering::SeqCst)
    }

    fn push(&self, delivery: &Arc<Delivery>) -> bool {
        let size = delivery.size();
        if self.queued_bytes.load(Ordering::Relaxed) + size > MAX_QUEUED_BYTES {
            return false;
        }
        self.queued_bytes.fetch_add(size, Ordering::Relaxed);
        // Before sending: the actor may answer before this returns.
        self.asked();
        let sent = self.actor.get().is_some_and(|actor| actor.try_send(Deliver(delivery.clone())).is_ok());
        if !sent {
            self.queued_bytes.fetch_sub(size, Ordering::Relaxed);
        }
        sent
    }

    /// Reminds the connection of its deadline. A full mailbox needs no reminder.
    pub fn tick(&self) {
        if let Some(actor) = self.actor.get() {
            self.asked();
            let _ = actor.try_send(Tick);
        }
    }

    /// Tells the connection to look into the queue.
    pub fn hint(&self) {
        self.missed.store(true, Ordering::SeqCst);
        if let Some(actor) = self.actor.get() {
            self.asked();
            let _ = actor.try_send(Hint);
        }
    }

    /// Tells the connection that the hub stops.
    pub fn drain(&self, delay: Duration) {
        if let Some(actor) = self.actor.get() {
            let _ = actor.try_send(Drain { delay });
        }
    }

    /// Asks the connection to end for `reason`; [`ConnectionHandle::shut_down`] makes sure of it.
    pub fn evict(&self, reason: CloseReason) {
        let _ = self.evicted.set(reason);
        if let Some(actor) = self.actor.get() {
            let _ = actor.try_send(Evict(reason));
        }
    }

    /// Ends the transport from outside. The actor notices, frozen or not.
    pub fn shut_down(&self) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// All connections of this hub.
#[derive(Debug, Default)]
pub struct Connections {
    all: DashMap<ConnectionId, Arc<ConnectionHandle>>,
    by_orchestrator: DashMap<OrchestratorId, Vec<Arc<ConnectionHandle>>>,
    by_daemon: DashMap<DaemonId, Vec<Arc<ConnectionHandle>>>,
}

impl Connections {
    /// Counts a connection whose handshake is done.
    pub fn open(&self, handle: &Arc<ConnectionHandle>) {
        self.all.insert(handle.id, handle.clone());
    }

    /// Counts a connection as `identity`'s. A connection has one identity for life; whether it is
    /// this one.
    pub fn identify(&self, handle: &Arc<ConnectionHandle>, identity: &Arc<Identity>) -> bool {
        if handle.identity.set(identity.clone()).is_err() {
            return handle.identity().is_some_and(|known| known == identity);
        }
        self.by_orchestrator.entry(identity.orchestrator.clone()).or_default().push(handle.clone());
        self.by_daemon.entry(identity.daemon.clone()).or_default().push(handle.clone());
        true
    }

    /// Stops counting a connection. Whether it was counted.
    pub fn close(&self, handle: &Arc<ConnectionHandle>) -> bool {
        let known = self.all.remove(&handle.id).is_some();
        if let Some(identity) = handle.identity() {
            take_out(&self.by_orchestrator, &identity.orchestrator, handle);
            take_out(&self.by_daemon, &identity.daemon, handle);
        }
        known
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// One connection.
    #[must_use]
    pub fn get(&self, id: ConnectionId) -> Option<Arc<ConnectionHandle>> {
        self.all.get(&id).map(|handle| handle.clone())
    }

    /// Every connection, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<ConnectionHandle>> {
        self.all.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Ends every connection because the hub stops: first from inside, so that the peers learn why,
    /// then from outside.
    pub async fn close_all(&self) {
        self.for_each(|handle| handle.evict(CloseReason::GoingAway));
        let end = monotonic().plus(CLOSING);
        while !self.is_empty() && monotonic() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.for_each(|handle| handle.shut_down());
    }

    /// Calls `visit` with each connection.
    pub fn for_each(&self, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.all.iter().for_each(|entry| visit(entry.value()));
    }

    /// Calls `visit` with each connection of an orchestrator. Whether it has any.
    pub fn for_orchestrator(
        &self,
        orchestrator: &OrchestratorId,
        mut visit: impl FnMut(&Arc<ConnectionHandle>),
    ) -> bool {
        let handles = self.by_orchestrator.get(orchestrator);
        handles.is_some_and(|handles| {
            handles.iter().for_each(&mut visit);
            true
        })
    }

    /// Whether the orchestrator has a connection here.
    #[must_use]
    pub fn has(&self, orchestrator: &OrchestratorId) -> bool {
        self.by_orchestrator.contains_key(orchestrator)
    }

    /// The orchestrators that have a connection here.
    #[must_use]
    pub fn orchestrators(&self) -> Vec<OrchestratorId> {
        self.by_orchestrator.iter().map(|entry| entry.key().clone()).collect()
    }

    /// Calls `visit` with the identity of each connection of a daemon instance.
    pub fn for_daemon(&self, daemon: &DaemonId, mut visit: impl FnMut(&Arc<Identity>)) {
        for handle in self.by_daemon.get(daemon).iter().flat_map(|handles| handles.iter()) {
            if let Some(identity) = handle.identity() {
                visit(identity);
            }
        }
    }

    /// The daemons of an orchestrator that are connected here, with their sessions.
    #[must_use]
    pub fn daemons(&self, orchestrator: &OrchestratorId) -> Vec<(DaemonId, SessionId)> {
        let mut daemons = Vec::new();
        self.for_orchestrator(orchestrator, |handle| {
            if let Some(identity) = handle.identity() {
                daemons.push((identity.daemon.clone(), identity.session.clone()));
            }
        });
        daemons
    }
}

fn take_out<K: Eq + Hash>(
    index: &DashMap<K, Vec<Arc<ConnectionHandle>>>,
    key: &K,
    handle: &Arc<ConnectionHandle>,
) {
    if let Some(mut handles) = index.get_mut(key) {
        handles.retain(|other| other.id != handle.id);
    }
    index.remove_if(key, |_, handles| handles.is_empty());
}

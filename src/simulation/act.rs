//! Everything that can happen, and who takes it.

use std::sync::Arc;

use super::{Number, facts::Moment, world::World};
use crate::domain::subscription::Subscriptions;
use crate::{
    domain::ids::EventId,
    session::effect::{FetchRequest, Fetched, Page},
};

/// What travels between hubs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    /// A publish on the channel; when it was published.
    Channel(Number, Moment),
    /// From the hub that took it in; when it was published.
    Peer(Number, Moment),
    /// A connection has been replaced.
    Evict(Number),
    /// Something in this orchestrator's queue is free again.
    Look(Number),
}

/// What a client says.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Auth,
    Subscribe(&'static str),
    Unsubscribe(&'static str),
    Ack(Vec<Number>),
    Nack { event: Number, delay: Option<u64>, terminal: bool },
    Progress { event: Number, extend: u64 },
    Flow(usize),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Kill(Number),
    Drain(Number),
    LoseBus(Number),
    RestoreBus(Number, u32),
    StoreAway,
    StoreBack,
    Redrive,
}

/// What a daemon does by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Connect,
    /// Its connection breaks.
    Break,
    /// It stops reading for so long.
    Stall(u64),
    ChangeOfMind,
    /// It wants less at once, for a while.
    Flow,
    Open,
    Ack(Number),
    AckOverHttp(Number),
}

/// One thing that happens. Connections, hubs and daemons are numbers; a hub that died since, or a
/// connection that ended, lets it fall.
#[derive(Debug)]
pub(super) enum Act {
    Publish { publication: Number, copy: u32 },
    Hear { hub: Number, life: u32, wire: Wire },
    Write { hub: Number, life: u32 },
    Written { hub: Number, life: u32, retry: u64 },
    Restart { hub: Number },
    Prime { hub: Number, life: u32 },
    Retire { hub: Number },
    Lease { connections: Vec<Number> },
    Mail(Number),
    Frame { connection: Number, frame: Frame },
    Enter { connection: Number, due: u64, until: u64 },
    Look { connection: Number, request: FetchRequest, interest: Arc<Subscriptions>, due: u64, until: u64 },
    Page { connection: Number, page: Option<Page>, read: Moment },
    Reread { connection: Number, ids: Vec<EventId>, due: u64, until: u64 },
    Reloaded { connection: Number, ids: Vec<EventId>, found: Option<Vec<Fetched>>, read: Moment },
    Taken(Number),
    Thaw(Number),
    Close(Number),
    Receive { connection: Number, event: Number, attempt: u32 },
    Greeted { connection: Number },
    Evicted(Number),
    Released { orchestrator: Number, from: Number },
    Lost { daemon: Number, connection: Number },
    Deed { daemon: Number, deed: Deed },
    Fault(Fault),
    Watch,
    Sweep,
    Expire,
}

impl World {
    pub(super) fn perform(&mut self, act: Act) {
        match act {
            Act::Publish { publication, copy } => self.publish(publication, copy),
            Act::Hear { hub, life, wire } => self.hear(hub, life, wire),
            Act::Write { hub, life } => self.write(hub, life),
            Act::Written { hub, life, retry } => self.written(hub, life, retry),
            Act::Restart { hub } => self.restart(hub),
            Act::Prime { hub, life } => self.prime(hub, life),
            Act::Retire { hub } => self.retire(hub),
            Act::Lease { connections } => self.lease_ends(&connections),
            Act::Mail(connection) => self.empty_mailbox(connection),
            Act::Frame { connection, frame } => self.frame(connection, &frame),
            Act::Enter { connection, due, until } => self.enter(connection, due, until),
            Act::Look { connection, request, interest, due, until } => {
                self.look(connection, request, interest, due, until);
            }
            Act::Page { connection, page, read } => self.page(connection, page, read),
            Act::Reread { connection, ids, due, until } => self.reread(connection, ids, due, until),
            Act::Reloaded { connection, ids, found, read } => self.reloaded(connection, &ids, found, read),
            Act::Taken(connection) => self.taken(connection),
            Act::Thaw(connection) => self.thaw(connection),
            Act::Close(connection) => self.close_for_drain(connection),
            Act::Receive { connection, event, attempt } => self.receive(connection, event, attempt),
            Act::Greeted { connection } => self.greeted(connection),
            Act::Evicted(connection) => self.evict(connection),
            Act::Released { orchestrator, from } => self.released(orchestrator, from),
            Act::Lost { daemon, connection } => self.lost(daemon, connection),
            Act::Deed { daemon, deed } => self.deed(daemon, deed),
            Act::Fault(fault) => self.fault(fault),
            Act::Watch => self.watch(),
            Act::Sweep => self.sweep(),
            Act::Expire => self.expire(),
        }
    }
}

//! Which connections there are, whether their peers read, and how they end.

use std::mem::take;

use super::{Number, act::Act, daemon::Daemon, invariant::Invariant, shell, world::World};
use crate::session::Session;

/// How long a peer may leave its connection without an answer.
const SLOW_CONSUMER: u64 = 5_000;

impl World {
    /// The socket has taken everything.
    pub(super) fn taken(&mut self, connection: Number) {
        let link = &mut self.links[connection];
        if !link.open || link.stalled {
            return;
        }
        link.outbound = 0;
        self.flushed(connection);
        self.drive(connection, Session::on_drained);
    }

    /// The peer reads again.
    pub(super) fn thaw(&mut self, connection: Number) {
        let link = &mut self.links[connection];
        (link.stalled, link.frozen_since) = (false, None);
        let held = take(&mut link.held);
        if link.open {
            self.taken(connection);
            self.empty_mailbox(connection);
            held.into_iter().for_each(|act| self.perform(act));
        }
    }

    /// One timer watches over all connections.
    pub(super) fn watch(&mut self) {
        for connection in self.open_links() {
            let now = self.now();
            let link = &mut self.links[connection];
            if let Some(since) = link.frozen_since {
                if self.at.saturating_sub(since) >= SLOW_CONSUMER {
                    self.end(connection, true);
                }
                continue;
            }
            if link.session.next_deadline() > now.mono && !link.missed {
                continue;
            }
            let missed = take(&mut link.missed);
            self.drive(connection, |session, now, out| {
                if missed {
                    session.on_hint(now, out);
                }
                session.on_tick(now, out);
            });
            let link = &self.links[connection];
            if link.open && link.session.next_deadline() <= now.mono {
                let what = format!("connection {connection}: a tick leaves its own deadline behind");
                self.oracle.fail(Invariant::Bounded, what, None);
            }
        }
        self.after(if self.links.len() > 500 { 1_000 } else { 250 }, Act::Watch);
    }

    /// The connections that are open, in order.
    pub(super) fn open_links(&self) -> Vec<Number> {
        let open = |daemon: &Daemon| daemon.links.clone();
        let mut open: Vec<Number> = self.daemons.iter().flat_map(open).collect();
        open.retain(|connection| self.links[*connection].open);
        open
    }

    /// A connection is over, and its hub knows.
    pub(super) fn end(&mut self, connection: Number, crashed: bool) {
        if !self.links[connection].open {
            return;
        }
        self.drive(connection, |session, now, out| shell::gone(session, crashed, now, out));
        self.cut(connection);
        self.soon(5, 60, Act::Lease { connections: vec![connection] });
    }

    /// A connection is over; nobody but its daemon notices.
    pub(super) fn cut(&mut self, connection: Number) {
        let link = &mut self.links[connection];
        link.open = false;
        link.mailbox.clear();
        link.held.clear();
        link.unflushed.clear();
        link.told.clear();
        let (daemon, hub, orchestrator) = (link.daemon, link.hub, link.orchestrator);
        if let Some(links) = self.hubs[hub].links.get_mut(&orchestrator) {
            links.retain(|other| *other != connection);
        }
        self.daemons[daemon].links.retain(|other| *other != connection);
        self.soon(1, 60, Act::Lost { daemon, connection });
    }
}

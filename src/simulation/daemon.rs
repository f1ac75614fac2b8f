//! Daemons: what they connect to, and what they do with what they get.

use std::sync::Arc;

use super::{
    Number,
    act::{Act, Deed, Frame},
    connection::Link,
    plan::{Plan, Shape},
    random::Random,
    world::World,
};
use crate::{
    domain::ids::{ConnectionId, DaemonId, SessionId},
    session::{Session, effect::Identity},
};

/// What daemons may subscribe to, and events may be.
pub(super) const KINDS: [&str; 3] = ["message.received", "channel.joined", "vp.mentioned"];

/// One daemon instance.
pub(super) struct Daemon {
    pub(super) id: DaemonId,
    pub(super) orchestrator: Number,
    /// A client of the original platform: no protocol 1.1, and its token names no organization.
    pub(super) legacy: bool,
    /// It is subscribed to everything, always.
    pub(super) steady: bool,
    /// Its connections that are open, oldest first.
    pub(super) links: Vec<Number>,
    /// The one that it uses.
    pub(super) link: Option<Number>,
    connecting: bool,
    /// Whether it stays away until everybody is healthy.
    absent: bool,
    connections: u64,
}

impl Daemon {
    pub(super) fn draw(number: Number, orchestrator: Number, plan: &Plan, random: &mut Random) -> Self {
        let absent = match plan.shape {
            Shape::Small => random.chance(80),
            Shape::Flood => true,
            Shape::Heavy | Shape::Crowd => false,
        };
        Self {
            id: DaemonId::parse(&format!("d{number}")).expect("an id"),
            orchestrator,
            legacy: random.chance(500),
            steady: random.chance(600),
            links: Vec::new(),
            link: None,
            connecting: false,
            absent,
            connections: 0,
        }
    }
}

impl World {
    pub(super) fn deed(&mut self, daemon: Number, deed: Deed) {
        match deed {
            Deed::Connect => self.connect(daemon),
            Deed::Break => {
                if let Some(connection) = self.daemons[daemon].link.filter(|_| !self.calm) {
                    let crashed = self.random.chance(500);
                    self.end(connection, crashed);
                }
            }
            Deed::Stall(span) => self.stall(daemon, span),
            Deed::ChangeOfMind => self.change_mind(daemon),
            Deed::Flow => {
                if !self.calm && !self.daemons[daemon].legacy {
                    let most = self.random.index(self.plan.window * 2);
                    self.say(daemon, Frame::Flow(most));
                    self.soon(200, 2_000, Act::Deed { daemon, deed: Deed::Open });
                }
            }
            Deed::Open => self.say(daemon, Frame::Flow(self.plan.window)),
            Deed::Ack(event) => self.acknowledge(daemon, event),
            Deed::AckOverHttp(event) => self.acknowledge_over_http(daemon, event),
        }
    }

    /// Opens a connection to some hub that takes it.
    fn connect(&mut self, daemon: Number) {
        if self.daemons[daemon].absent && !self.calm {
            return;
        }
        self.daemons[daemon].connecting = false;
        let hubs: Vec<Number> =
            (0..self.hubs.len()).filter(|hub| self.hubs[*hub].up && !self.hubs[*hub].draining).collect();
        if hubs.is_empty() || self.store.away {
            return self.reconnect(daemon, 500, 1_500);
        }
        let hub = self.random.pick(&hubs);
        let identity = Arc::new(self.identity(daemon));
        let session = Session::new(self.limits.clone(), self.now());
        let connection = self.links.len();
        let mut link = Link::new(hub, daemon, identity, session);
        link.orchestrator = self.daemons[daemon].orchestrator;
        self.links.push(link);
        self.daemons[daemon].links.push(connection);
        self.daemons[daemon].link = Some(connection);
        self.say(daemon, Frame::Auth);
    }

    fn identity(&mut self, daemon: Number) -> Identity {
        let number = self.links.len();
        let connected_at = self.now().wall;
        let who = &mut self.daemons[daemon];
        who.connections += 1;
        let orchestrator = &self.orchestrators[who.orchestrator];
        Identity {
            connection: ConnectionId::parse(&format!("{number:032x}")).expect("a UUID"),
            orchestrator: orchestrator.id.clone(),
            daemon: who.id.clone(),
            session: SessionId::parse(&format!("s{daemon}")).expect("an id"),
            organization: (!who.legacy).then(|| orchestrator.organization.clone()),
            connected_at,
        }
    }

    pub(super) fn reconnect(&mut self, daemon: Number, low: u64, high: u64) {
        if !self.daemons[daemon].connecting {
            self.daemons[daemon].connecting = true;
            self.soon(low, high, Act::Deed { daemon, deed: Deed::Connect });
        }
    }

    /// The hub has greeted it: it subscribes, as the client in the field does, every time.
    pub(super) fn greeted(&mut self, connection: Number) {
        let daemon = self.links[connection].daemon;
        if self.daemons[daemon].link != Some(connection) {
            return;
        }
        if self.daemons[daemon].steady || self.calm {
            self.say(daemon, Frame::Subscribe("*"));
        } else {
            let kind = self.random.pick(&KINDS);
            self.say(daemon, Frame::Subscribe(kind));
        }
    }

    /// A connection of it is over.
    pub(super) fn lost(&mut self, daemon: Number, connection: Number) {
        if self.daemons[daemon].link == Some(connection) {
            self.daemons[daemon].link = None;
            self.reconnect(daemon, 100, 2_000);
        }
    }

    /// Sends a frame over the connection that it uses.
    pub(super) fn say(&mut self, daemon: Number, frame: Frame) {
        let Some(connection) = self.daemons[daemon].link else { return };
        let delay = self.random.between(1, 8);
        let link = &mut self.links[connection];
        let at = (self.at + delay).max(link.last_up);
        link.last_up = at;
        self.after(at - self.at, Act::Frame { connection, frame });
    }

    /// It reads nothing for a while; its connection may stand still with it.
    fn stall(&mut self, daemon: Number, span: u64) {
        let Some(connection) = self.daemons[daemon].link.filter(|_| !self.calm) else { return };
        let freezes = self.random.chance(500);
        let at = self.at;
        let link = &mut self.links[connection];
        link.stalled = true;
        if freezes {
            link.frozen_since = Some(at);
        }
        self.after(span, Act::Thaw(connection));
    }

    fn change_mind(&mut self, daemon: Number) {
        if self.daemons[daemon].steady || self.calm {
            return;
        }
        let kind = self.random.pick(&KINDS);
        if self.random.chance(500) {
            self.say(daemon, Frame::Subscribe(kind));
        } else {
            self.say(daemon, Frame::Unsubscribe(kind));
        }
    }
}

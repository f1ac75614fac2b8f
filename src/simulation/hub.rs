//! A hub around the real memory of ids and the real commit buffer: the router, the writer of group
//! commits, the bus, and what happens to hubs.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Number,
    act::{Act, Wire},
    connection::Link,
    facts::{Moment, Note},
    plan::Plan,
    world::World,
};
use crate::{
    backplane::{
        buffer::CommitBuffer,
        commit::{Claim, CommitBatch},
    },
    domain::{
        clock::Timestamp,
        event::{Audience, Event},
        recent_ids::{RecentIds, Sighting},
    },
    protocol::event_frame::Delivery,
};

/// How late the bus is, in milliseconds.
const BUS: (u64, u64) = (1, 15);

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Channel,
    Direct,
    Peer,
}

/// See the [module](self).
pub(super) struct Hub {
    pub(super) up: bool,
    pub(super) draining: bool,
    pub(super) life: u32,
    pub(super) recent: RecentIds,
    pub(super) buffer: CommitBuffer,
    pub(super) committing: Option<Arc<CommitBatch>>,
    /// How many batches were taken out of the buffer, and how many of them are written.
    pub(super) taken: u64,
    pub(super) written: u64,
    pub(super) write_is_due: bool,
    pub(super) bus_up: bool,
    pub(super) last_heard: u64,
    pub(super) links: BTreeMap<Number, Vec<Number>>,
    /// What is to be done once a batch is written.
    pub(super) forwards: Vec<(u64, Number, Moment)>,
    pub(super) hints: Vec<(u64, Number, Option<Number>)>,
    pub(super) answers: Vec<(u64, Number)>,
    /// What was put into the buffer since it was last emptied.
    pub(super) given_acks: Vec<Number>,
    pub(super) given_stores: Vec<Number>,
}

impl Hub {
    pub(super) fn new(plan: &Plan, now: Timestamp) -> Self {
        Self {
            up: true,
            draining: false,
            life: 0,
            recent: RecentIds::new(plan.recent, now),
            buffer: CommitBuffer::new(plan.buffer),
            committing: None,
            taken: 0,
            written: 0,
            write_is_due: false,
            bus_up: true,
            last_heard: 0,
            links: BTreeMap::new(),
            forwards: Vec::new(),
            hints: Vec::new(),
            answers: Vec::new(),
            given_acks: Vec::new(),
            given_stores: Vec::new(),
        }
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.committing.is_none()
            && self.buffer.is_empty()
            && self.forwards.is_empty()
            && self.hints.is_empty()
    }
}

impl World {
    /// Says something to a hub over the bus, in order.
    pub(super) fn tell(&mut self, hub: Number, wire: Wire) {
        let delay = self.random.between(BUS.0, BUS.1);
        let at = (self.at + delay).max(self.hubs[hub].last_heard);
        self.hubs[hub].last_heard = at;
        let life = self.hubs[hub].life;
        self.after(at - self.at, Act::Hear { hub, life, wire });
    }

    pub(super) fn hear(&mut self, hub: Number, life: u32, wire: Wire) {
        let hears = self.hubs[hub].up && self.hubs[hub].life == life;
        if let (Wire::Channel(event, _) | Wire::Peer(event, _), false) =
            (wire, hears && self.hubs[hub].bus_up)
        {
            // Some hubs know of it, and some do not.
            self.oracle.facts.all[event].out_of_line = true;
        }
        if !hears {
            return;
        }
        match wire {
            Wire::Evict(connection) => self.evict(connection),
            Wire::Look(orchestrator) => self.hint_all(hub, orchestrator),
            // A hub that lost the bus has lost this, and knows that it may have.
            Wire::Channel(..) | Wire::Peer(..) if !self.hubs[hub].bus_up => {}
            Wire::Channel(event, published) => {
                self.route(hub, event, Origin::Channel, published);
            }
            Wire::Peer(event, published) => {
                self.route(hub, event, Origin::Peer, published);
            }
        }
    }

    /// Takes one event in, as the router does. Whether it was accepted or known.
    pub(super) fn route(&mut self, number: Number, event: Number, origin: Origin, published: Moment) -> bool {
        let (fact, now) = (&self.oracle.facts.all[event], self.now());
        let (what, orchestrator) = (fact.event.clone(), fact.orchestrator);
        if what.expires_at.is_some_and(|end| end <= now.wall) {
            return true;
        }
        let hub = &mut self.hubs[number];
        let sighting = hub.recent.observe(&what.orchestrator, &what.id, what.timestamp, now.wall);
        let as_what = match sighting {
            Sighting::Seen => "seen",
            Sighting::New => "new",
            Sighting::Unsure => "unsure",
        };
        self.note(event, Note::Heard { hub: number, as_what });
        if sighting == Sighting::Seen {
            return true;
        }
        let chosen = if what.audience == Audience::Any { self.choose(number, &what) } else { None };
        let hub = &mut self.hubs[number];
        if origin != Origin::Peer {
            if hub.buffer.store(what.clone()).is_err() {
                hub.recent.forget(&what.orchestrator, &what.id, now.wall);
                self.oracle.facts.all[event].out_of_line = true;
                self.note(event, Note::Refused { hub: number });
                return false;
            }
            if let Some((_, claim)) = chosen.clone() {
                hub.buffer.claim(&what.orchestrator, claim);
            }
            hub.given_stores.push(event);
            self.filled(number);
        }
        let next = self.hubs[number].taken + 1;
        if origin == Origin::Direct && self.plan.hubs > 1 {
            self.hubs[number].forwards.push((next, event, published));
        }
        if what.audience == Audience::Any || sighting == Sighting::Unsure {
            let chosen = chosen.map(|(connection, _)| connection);
            self.hubs[number].hints.push((next, orchestrator, chosen));
            self.filled(number);
        } else {
            let delivery = Arc::new(Delivery::new(what));
            for connection in self.hubs[number].links.get(&orchestrator).cloned().unwrap_or_default() {
                self.offer(connection, event, &delivery, published);
            }
        }
        true
    }

    /// The connection that a new event for any daemon is for: the least loaded that wants it.
    fn choose(&self, hub: Number, event: &Event) -> Option<(Number, Claim)> {
        let orchestrator = self.oracle.facts.orchestrators[&event.orchestrator];
        let links = self.hubs[hub].links.get(&orchestrator)?;
        let wants = |link: &Link| {
            link.identity.is_addressed(event.daemon.as_ref(), event.organization.as_ref())
                && link.interest.matches(&event.kind, event.channel.as_ref())
        };
        let free = links.iter().copied().filter(|connection| {
            let link = &self.links[*connection];
            let flow = link.session.flow();
            wants(link) && flow.blocked.is_none() && flow.room > 0
        });
        let chosen = free.min_by_key(|connection| self.links[*connection].session.flow().in_flight)?;
        let until = self.claimed_until(self.limits.redelivery_after(1));
        Some((chosen, Claim { id: event.id.clone(), connection: self.links[chosen].id, until }))
    }

    pub(super) fn hint_all(&mut self, hub: Number, orchestrator: Number) {
        for connection in self.hubs[hub].links.get(&orchestrator).cloned().unwrap_or_default() {
            self.hint(connection);
        }
    }
}

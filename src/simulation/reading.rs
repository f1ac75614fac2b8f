//! How a connection comes in, and how it reads the queue: always after what its hub knows is written.

use std::{collections::HashSet, sync::Arc};

use super::{
    Number,
    act::{Act, Wire},
    world::World,
};
use crate::{
    backplane::queue::Loaded,
    domain::{
        event::{Audience, Event},
        ids::EventId,
        subscription::Subscriptions,
    },
    protocol::event_frame::Delivery,
    session::effect::{Admission, FetchRequest, Fetched, Page, Refusal, taken_together},
};

/// How long the store takes to answer, in milliseconds.
const ANSWER: (u64, u64) = (1, 6);

/// How far a reader has come.
enum Turn {
    Wait,
    Fail,
    Read,
}

impl World {
    fn turn(&mut self, connection: Number, due: u64, until: u64) -> Turn {
        let hub = self.links[connection].hub;
        if self.hubs[hub].written < due {
            let life = self.hubs[hub].life;
            self.after(0, Act::Write { hub, life });
            if self.at >= until { Turn::Fail } else { Turn::Wait }
        } else if self.store.away {
            Turn::Fail
        } else {
            Turn::Read
        }
    }

    /// A connection is counted, once what concerns it is written.
    pub(super) fn enter(&mut self, connection: Number, due: u64, until: u64) {
        if !self.links[connection].open {
            return;
        }
        let answer = match self.turn(connection, due, until) {
            Turn::Wait => return self.after(8, Act::Enter { connection, due, until }),
            Turn::Fail => Err(Refusal::Unavailable),
            Turn::Read => Ok(self.attach(connection)),
        };
        self.drive(connection, |session, now, out| session.on_admitted(answer, None, now, out));
    }

    fn attach(&mut self, connection: Number) -> Admission {
        let (identity, daemon) = (self.links[connection].identity.clone(), self.links[connection].daemon);
        let now = self.now().wall;
        let counted = (connection, identity.connection);
        let (replaced, gap) =
            self.store.attach(daemon, &identity.daemon, counted, &identity.orchestrator, now);
        self.links[connection].gap = self.expected_gap(daemon);
        self.counts.most_at_once =
            self.counts.most_at_once.max(u64::try_from(self.open_links().len()).expect("a count"));
        if let Some(older) = replaced.filter(|older| self.links[*older].open) {
            if self.links[older].hub == self.links[connection].hub {
                self.soon(0, 3, Act::Evicted(older));
            } else {
                self.tell(self.links[older].hub, Wire::Evict(older));
            }
        }
        let key = (identity.orchestrator.clone(), identity.daemon.clone());
        let subscriptions = self.store.subscriptions.get(&key).map(|known| Subscriptions::clone(known));
        let depth = self.store.waiting(&identity.orchestrator).len();
        self.admission(connection, subscriptions, depth, gap)
    }

    /// Looks into the queue.
    pub(super) fn look(
        &mut self,
        connection: Number,
        request: FetchRequest,
        interest: Arc<Subscriptions>,
        due: u64,
        until: u64,
    ) {
        if !self.links[connection].open {
            return;
        }
        let page = match self.turn(connection, due, until) {
            Turn::Wait => return self.after(8, Act::Look { connection, request, interest, due, until }),
            Turn::Fail => None,
            Turn::Read => Some(self.read_page(connection, &request, &interest)),
        };
        let read = self.moment();
        self.soon(ANSWER.0, ANSWER.1, Act::Page { connection, page, read });
    }

    fn read_page(&mut self, connection: Number, request: &FetchRequest, interest: &Subscriptions) -> Page {
        let identity = self.links[connection].identity.clone();
        let orchestrator = self.links[connection].orchestrator;
        let waiting: Vec<EventId> =
            self.store.waiting(&identity.orchestrator).into_iter().map(|waiting| waiting.id).collect();
        let excluded: HashSet<&EventId> = request.exclude.iter().collect();
        let facts = &self.oracle.facts;
        let is_wanted = |id: &&EventId| {
            let known = facts.find(orchestrator, id).map(|event| facts.all[event].event.clone());
            known.is_some_and(|event| {
                identity.is_addressed(event.daemon.as_ref(), event.organization.as_ref())
                    && interest.matches(&event.kind, event.channel.as_ref())
            })
        };
        let mut candidates = waiting.iter().filter(|id| !excluded.contains(id)).filter(is_wanted);
        let limit = request.limit.min(self.plan.page);
        let ids: Vec<EventId> = candidates.by_ref().take(limit).cloned().collect();
        let more = candidates.next().is_some();
        let loaded = self.store.load(&identity.orchestrator, &identity.daemon, &ids);
        let mut wanted: Vec<Fetched> =
            loaded.into_iter().map(|loaded| self.fetched(orchestrator, loaded)).collect();
        let mut page = Page { more, waiting: waiting.len(), ..Page::default() };
        while !wanted.is_empty() {
            let room = request.room.saturating_sub(page.events.len());
            let (asked, before) = (taken_together(&wanted, room), page.events.len());
            let rest = wanted.split_off(asked);
            page.events.extend(self.claim(connection, wanted, room));
            wanted = rest;
            let granted = page.events.len() - before;
            if asked == 0 || granted < asked && page.events.len() >= request.room {
                (page.more, page.held_back) = (false, true);
                break;
            }
        }
        page
    }

    fn fetched(&self, orchestrator: Number, loaded: Loaded) -> Fetched {
        let event = self.oracle.facts.find(orchestrator, &loaded.id).expect("an event that was published");
        let event: &Arc<Event> = &self.oracle.facts.all[event].event;
        Fetched {
            delivery: Arc::new(Delivery::new(event.clone())),
            attempts: loaded.attempts,
            crashes: loaded.crashes,
            history: loaded.history,
            claimed_until: None,
        }
    }

    /// Claims what only one connection is to have, and leaves out what another one has.
    fn claim(&mut self, connection: Number, mut events: Vec<Fetched>, room: usize) -> Vec<Fetched> {
        let is_shared = |fetched: &Fetched| fetched.delivery.event.audience == Audience::Any;
        let shared = events.iter().filter(|fetched| is_shared(fetched));
        let ids: Vec<EventId> = shared.map(|fetched| fetched.delivery.event.id.clone()).collect();
        if ids.is_empty() {
            return events;
        }
        let (until, now) = (self.claimed_until(self.limits.redelivery_after(1)), self.now().wall);
        let identity = self.links[connection].identity.clone();
        let granted = self.store.claim(&identity.orchestrator, identity.connection, &ids, room, until, now);
        self.claimed(connection, &ids, &granted, until);
        let mut claims = granted.into_iter();
        events.retain_mut(|fetched| {
            if !is_shared(fetched) {
                return true;
            }
            fetched.claimed_until = Some(until);
            claims.next().flatten().is_some()
        });
        events
    }

    /// Reads events again that may still be in the queue.
    pub(super) fn reread(&mut self, connection: Number, ids: Vec<EventId>, due: u64, until: u64) {
        if !self.links[connection].open {
            return;
        }
        let found = match self.turn(connection, due, until) {
            Turn::Wait => return self.after(8, Act::Reread { connection, ids, due, until }),
            Turn::Fail => None,
            Turn::Read => {
                let (identity, orchestrator) =
                    (&self.links[connection].identity, self.links[connection].orchestrator);
                let loaded = self.store.load(&identity.orchestrator, &identity.daemon, &ids);
                Some(loaded.into_iter().map(|loaded| self.fetched(orchestrator, loaded)).collect())
            }
        };
        let read = self.moment();
        self.soon(ANSWER.0, ANSWER.1, Act::Reloaded { connection, ids, found, read });
    }

    /// Lets go of claimed events, and tells everybody who could have them once the delay is over.
    pub(super) fn release(&mut self, connection: Number, ids: &[EventId], delay: u64) {
        if self.store.away {
            return;
        }
        let identity = self.links[connection].identity.clone();
        let not_before = self.now().wall.plus(std::time::Duration::from_millis(delay));
        self.store.release(&identity.orchestrator, identity.connection, ids, not_before);
        let (orchestrator, from) = (self.links[connection].orchestrator, self.links[connection].hub);
        self.after(delay, Act::Released { orchestrator, from });
    }

    pub(super) fn released(&mut self, orchestrator: Number, from: Number) {
        self.hint_all(from, orchestrator);
        for other in (0..self.hubs.len()).filter(|other| *other != from) {
            self.tell(other, Wire::Look(orchestrator));
        }
    }

    /// An older connection of the same daemon ends.
    pub(super) fn evict(&mut self, connection: Number) {
        if self.links[connection].open {
            let reason = crate::protocol::codes::CloseReason::SessionTerminated;
            if self.links[connection].frozen_since.is_some() {
                self.end(connection, false);
            } else {
                self.drive(connection, |session, now, out| session.close(reason, now, out));
            }
        }
    }

    /// A connection's slot has come.
    pub(super) fn close_for_drain(&mut self, connection: Number) {
        if self.runs(connection, || Act::Close(connection)) {
            let reason = crate::protocol::codes::CloseReason::GoingAway;
            self.drive(connection, |session, now, out| session.close(reason, now, out));
        }
    }

    /// Connections that are gone count no more.
    pub(super) fn lease_ends(&mut self, connections: &[Number]) {
        if self.store.away {
            return self.after(200, Act::Lease { connections: connections.to_vec() });
        }
        for connection in connections {
            self.store.detach(self.links[*connection].daemon, *connection);
        }
    }

    /// Whatever is due leaves the queues.
    pub(super) fn expire(&mut self) {
        if !self.store.away {
            let now = self.now().wall;
            let counted = self.store.expire(now);
            self.expired(&counted);
        }
        self.after(1_000, Act::Expire);
    }
}

//! What must hold whenever an event is sent, taken, claimed or given up.

use super::{
    Number,
    act::Act,
    facts::{Fate, Note},
    invariant::Invariant,
    world::World,
};
use crate::{
    backplane::queue::Expired,
    domain::{clock::Timestamp, event::Event, gap::Gap, ids::EventId},
};

impl World {
    /// A session sends an event.
    pub(super) fn deliver(&mut self, connection: Number, event: &Event, attempt: u32, size: usize) {
        let (orchestrator, daemon) = (self.links[connection].orchestrator, self.links[connection].daemon);
        let Some(number) = self.oracle.facts.find(orchestrator, &event.id) else {
            let what = format!("connection {connection} is sent {} of another orchestrator", event.id);
            return self.oracle.fail(Invariant::TenantsApart, what, None);
        };
        self.counts.sent += 1;
        let hub = self.links[connection].hub;
        self.note(number, Note::Sent { connection, daemon, hub, attempt });
        self.check_address(connection, number);
        self.check_end(connection, number);
        self.check_attempt(connection, number, attempt);
        self.check_order(connection, number);
        self.check_holder(connection, number);
        let now = self.moment();
        let fact = &mut self.oracle.facts.all[number];
        fact.sent.entry(daemon).or_insert(now);
        let life = fact.life;
        let link = &mut self.links[connection];
        link.attempts.insert(number, (life, attempt));
        if event.requires_ack {
            let is_new = link.in_flight.insert(number);
            self.check_window(connection, number, is_new);
        }
        self.on_the_wire(connection, number, attempt, size);
    }

    /// The event travels to the daemon; once the socket has taken it, that is known.
    fn on_the_wire(&mut self, connection: Number, event: Number, attempt: u32, _: usize) {
        let delay = self.random.between(1, 10);
        let link = &mut self.links[connection];
        let at = (self.at + delay).max(link.last_down);
        link.last_down = at;
        self.after(1, Act::Taken(connection));
        self.after(at - self.at, Act::Receive { connection, event, attempt });
    }

    /// What was granted to a connection, until when.
    pub(super) fn claimed(
        &mut self,
        connection: Number,
        ids: &[EventId],
        granted: &[Option<u32>],
        until: Timestamp,
    ) {
        let orchestrator = self.links[connection].orchestrator;
        for (id, _) in ids.iter().zip(granted).filter(|(_, granted)| granted.is_some()) {
            let Some(event) = self.oracle.facts.find(orchestrator, id) else { continue };
            if let Some(holder) = self.is_held_by_another(connection, event) {
                let what = format!("connection {connection} is granted what connection {holder} has");
                self.oracle.fail(Invariant::OneHolder, what, Some(event));
            }
            self.oracle.facts.all[event].holder = Some((connection, until));
        }
    }

    /// What the connection wants no more may have left its window.
    pub(super) fn forget_unwanted(&mut self, connection: Number) {
        let facts = &self.oracle.facts.all;
        let link = &mut self.links[connection];
        let interest = link.interest.clone();
        link.in_flight.retain(|event| {
            let event = &facts[*event].event;
            interest.matches(&event.kind, event.channel.as_ref())
        });
    }

    /// A hub has taken an acknowledgement; `kept` says whether its buffer had room.
    pub(super) fn ack_taken(&mut self, hub: Number, connection: Number, event: Number, kept: bool) {
        self.note(event, Note::AckTaken { hub });
        let life = self.oracle.facts.all[event].life;
        let link = &mut self.links[connection];
        link.in_flight.remove(&event);
        if kept {
            link.taken.insert(event, life);
        } else {
            // A full buffer forgets acknowledgements and attempts.
            link.attempts.remove(&event);
            self.oracle.facts.all[event].forgotten = true;
        }
        if kept {
            self.hubs[hub].given_acks.push(event);
        }
    }

    /// A session gives an event up.
    pub(super) fn given_up(&mut self, connection: Number, id: &EventId, reason: &'static str) {
        let Some(event) = self.oracle.facts.find(self.links[connection].orchestrator, id) else { return };
        self.links[connection].in_flight.remove(&event);
        self.note(event, Note::GivenUp { connection, reason });
    }

    /// A session lets go of an event that others could have.
    pub(super) fn let_go(&mut self, connection: Number, id: &EventId) {
        let Some(event) = self.oracle.facts.find(self.links[connection].orchestrator, id) else { return };
        let link = &mut self.links[connection];
        link.in_flight.remove(&event);
        if link.unflushed.iter().any(|sent| sent.id == *id) {
            // What has not left for the socket is no attempt.
            link.attempts.remove(&event);
        }
        if self.oracle.facts.all[event].holder.is_some_and(|(holder, _)| holder == connection) {
            self.oracle.facts.all[event].holder = None;
        }
    }

    /// What the store counted as expired.
    pub(super) fn expired(&mut self, counted: &[Expired]) {
        let now = self.moment();
        for expired in counted {
            let orchestrator = self.oracle.facts.orchestrators[&expired.orchestrator];
            let left: std::collections::HashSet<EventId> =
                self.store.waiting(&expired.orchestrator).into_iter().map(|waiting| waiting.id).collect();
            let waiting: Vec<Number> =
                self.oracle.facts.books[orchestrator].waiting.iter().copied().collect();
            for event in waiting {
                let what = &self.oracle.facts.all[event].event;
                if !left.contains(&what.id) && what.expires_at.is_some_and(|end| end <= self.now().wall) {
                    self.oracle.end(event, Fate::Expired, now);
                }
            }
            self.compare(orchestrator);
        }
    }

    /// What a daemon must be told now that it lost, by the books; from here on it is told.
    pub(super) fn expected_gap(&mut self, daemon: Number) -> Option<Gap> {
        let orchestrator = self.daemons[daemon].orchestrator;
        let book = &mut self.oracle.facts.books[orchestrator];
        let lost = (book.dropped, book.expired);
        let before = book.told.insert(daemon, lost).unwrap_or(book.told_anybody);
        book.told_anybody = lost;
        let (dropped, expired) = (lost.0 - before.0, lost.1 - before.1);
        (dropped + expired > 0).then_some(Gap { dropped, expired })
    }
}

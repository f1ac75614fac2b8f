//! What must hold whenever an event is sent to a connection.

use super::{Number, facts::Fate, invariant::Invariant, world::World};
use crate::domain::event::{Audience, Event};

impl World {
    pub(super) fn check_address(&mut self, connection: Number, number: Number) {
        let (link, event) = (&self.links[connection], &self.oracle.facts.all[number].event);
        let who = &link.identity;
        let tenant = match (&event.organization, &who.organization) {
            (Some(of_event), Some(own)) => of_event == own,
            _ => true,
        };
        let instance = event
            .daemon
            .as_ref()
            .is_none_or(|named| *named == who.daemon || named.as_str() == who.session.as_str());
        if !tenant || !instance || event.orchestrator != who.orchestrator {
            let what = format!("connection {connection} of {who:?} is sent what is not for it");
            self.oracle.fail(Invariant::TenantsApart, what, Some(number));
        }
        let event = &self.oracle.facts.all[number].event;
        if event.expires_at.is_some_and(|end| end <= self.now().wall) {
            let what = format!("connection {connection} is sent an expired event");
            self.oracle.fail(Invariant::ExpiredStays, what, Some(number));
        }
        if !self.links[connection].open {
            let what = format!("connection {connection} has ended and is sent an event");
            self.oracle.fail(Invariant::OneConnection, what, Some(number));
        }
    }

    /// What has ended is not sent again by anybody who could know.
    pub(super) fn check_end(&mut self, connection: Number, number: Number) {
        let (link, fact) = (&self.links[connection], &self.oracle.facts.all[number]);
        if link.taken.get(&number).is_some_and(|life| *life == fact.life) && !fact.forgotten {
            let what = format!("connection {connection} is sent what was acknowledged on it");
            return self.oracle.fail(Invariant::TakenIsTaken, what, Some(number));
        }
        let told = link.told.get(&number).copied().unwrap_or_default();
        let again = fact.sent.contains_key(&link.daemon);
        if let Some((fate @ (Fate::Acknowledged | Fate::Dead), at)) = fact.ended
            && told > at
            && again
            && !fact.untold
        {
            let what =
                format!("connection {connection} is sent what was {fate:?} {} ms before", self.at - at.at);
            self.oracle.fail(Invariant::TakenIsTaken, what, Some(number));
        }
    }

    pub(super) fn check_attempt(&mut self, connection: Number, number: Number, attempt: u32) {
        let (link, fact) = (&self.links[connection], &self.oracle.facts.all[number]);
        // What has not left for the socket is no attempt; this one is among it already.
        let unflushed = link.unflushed.iter().filter(|sent| sent.id == fact.event.id).count() > 1;
        let counts = |life: u32| life == fact.life && !fact.forgotten && !unflushed;
        let here = link.attempts.get(&number).filter(|(life, _)| counts(*life));
        let told = link.told.get(&number).copied().unwrap_or_default();
        let noted = fact.noted.get(&link.daemon).filter(|(_, at)| *at < told && !fact.untold);
        if let Some((_, before)) = here.filter(|(_, before)| *before >= attempt) {
            let invariant = if attempt == 1 && !fact.event.requires_ack {
                Invariant::OnceIsEnough
            } else {
                Invariant::AttemptsGrow
            };
            let what = format!("connection {connection} is sent attempt {attempt} after attempt {before}");
            self.oracle.fail(invariant, what, Some(number));
        } else if let Some((before, _)) = noted.filter(|(before, _)| *before >= attempt) {
            let what = format!("connection {connection}: attempt {attempt}, but {before} were written down");
            self.oracle.fail(Invariant::AttemptsGrow, what, Some(number));
        } else if attempt > self.limits.max_attempts {
            let what = format!("attempt {attempt} of at most {}", self.limits.max_attempts);
            self.oracle.fail(Invariant::AttemptsGrow, what, Some(number));
        }
    }

    /// Nothing that was in the queue before this event was published still waits for its first sending.
    pub(super) fn check_order(&mut self, connection: Number, number: Number) {
        let (link, facts) = (&self.links[connection], &self.oracle.facts);
        let fact = &facts.all[number];
        let shared = |event: &Event| event.audience == Audience::Any;
        if !self.daemons[link.daemon].steady || fact.sent.contains_key(&link.daemon) || shared(&fact.event) {
            return;
        }
        let now = self.now().wall;
        let overtaken = facts.books[fact.orchestrator].waiting.range(..number).copied().find(|earlier| {
            let other = &facts.all[*earlier];
            other.event.priority == fact.event.priority
                && other.route == fact.route
                && !other.out_of_line
                && !other.sent.contains_key(&link.daemon)
                && other.stored.is_some_and(|stored| stored < fact.published)
                && !shared(&other.event)
                && other.event.expires_at.is_none_or(|end| end > now)
                && link.identity.is_addressed(other.event.daemon.as_ref(), other.event.organization.as_ref())
        });
        if let Some(earlier) = overtaken.filter(|_| !fact.out_of_line) {
            let story = facts.story(earlier);
            let what = format!("connection {connection} is sent an event before an earlier one:\n{story}");
            self.oracle.fail(Invariant::FirstInFirstOut, what, Some(number));
        }
    }

    /// An event for any daemon is not with somebody else.
    pub(super) fn check_holder(&mut self, connection: Number, number: Number) {
        let fact = &self.oracle.facts.all[number];
        // One that was replaced, and has not heard of it, sends what it had read.
        let counts = self.store.is_attached(self.links[connection].daemon, connection);
        if fact.event.audience != Audience::Any || !counts {
            return;
        }
        let held = fact.holder;
        if let Some(holder) = self.is_held_by_another(connection, number) {
            let what = format!("connection {connection} is sent what connection {holder} has");
            self.oracle.fail(Invariant::OneHolder, what, Some(number));
        }
        let until = self.claimed_until(self.limits.redelivery_after(1));
        let granted = held.filter(|(holder, _)| *holder == connection);
        let until = granted.map_or(until, |(_, until)| until);
        self.oracle.facts.all[number].holder = Some((connection, until));
    }

    /// Who has the event, if that is another connection, which counts, and whose time is not over.
    pub(super) fn is_held_by_another(&self, connection: Number, event: Number) -> Option<Number> {
        let (holder, until) = self.oracle.facts.all[event].holder?;
        let link = &self.links[holder];
        let counts = self.store.is_attached(link.daemon, holder) && link.in_flight.contains(&event);
        (holder != connection && until > self.now().wall && counts).then_some(holder)
    }

    pub(super) fn check_window(&mut self, connection: Number, number: Number, is_new: bool) {
        let link = &self.links[connection];
        if !is_new || link.in_flight.len() <= link.window {
            return;
        }
        let facts = &self.oracle.facts.all;
        let now = self.now().wall;
        let counts = |event: &&Number| {
            let fact = &facts[**event];
            // What came back from the dead letters is another sending.
            let same = link.attempts.get(*event).is_none_or(|(life, _)| *life == fact.life);
            same && fact.ended.is_none() && fact.event.expires_at.is_none_or(|end| end > now)
        };
        let in_flight: Vec<Number> = link.in_flight.iter().filter(counts).copied().collect();
        if in_flight.len() > link.window {
            let others: String = in_flight.iter().map(|event| self.oracle.facts.story(*event)).collect();
            let what = format!(
                "connection {connection} has {} in flight, {} may:\n{others}",
                in_flight.len(),
                link.window
            );
            self.oracle.fail(Invariant::WindowHolds, what, Some(number));
        }
    }
}

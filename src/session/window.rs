//! Which events wait for their acknowledgement on one connection, and when each is to be looked at again
//! (delivery rules 3 to 5).
//!
//! ```text
//!          due                 read again
//!   Sent ───────► Reloading ───────────────► Sent
//!    │ nack                                   ▲
//!    ▼      due         room                  │
//!   Delayed ────► Ripe ────► Returning ───────┘
//! ```
//!
//! `Sent`, `Reloading` and `Returning` fill the window; what waits on a `nack` has left it. Every operation costs
//! O(log n), and there is one moment to wake up at, not a timer for each event.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

use super::effect::{DeliveryNote, Identity};
use crate::domain::{
    attempt::{Attempt, Ended, MAX_HISTORY},
    clock::{Monotonic, Timestamp},
    ids::EventId,
    mutant::{Mutant, planted},
};

/// One event that was sent and is not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    /// Which.
    pub(super) id: EventId,
    /// How often it was sent, over all connections of the daemon.
    pub(super) attempt: u32,
    /// How many bytes it takes on its way to a socket.
    pub(super) size: usize,
    /// When it was sent last, on both clocks.
    pub(super) sent_at: (Monotonic, Timestamp),
    /// Its place among everything that the connection was sent.
    pub(super) order: u64,
    /// Whether another connection gets it when this one does not take it.
    pub(super) any: bool,
    /// How often a connection broke within seconds of it.
    pub(super) crashes: u32,
    /// How the earlier attempts ended, oldest first.
    pub(super) history: Vec<Attempt>,
}

impl InFlight {
    /// What is written down of it.
    pub(super) fn note(&self) -> DeliveryNote {
        DeliveryNote {
            id: self.id.clone(),
            attempts: self.attempt,
            at: self.sent_at.1,
            crashes: self.crashes,
            history: self.history.clone(),
            shared: self.any,
        }
    }

    /// Notes how the latest attempt ended, once.
    pub(super) fn end(&mut self, who: &Identity, outcome: Ended, reason: Option<Box<str>>) {
        if self.history.last().is_some_and(|last| last.attempt >= self.attempt) {
            return;
        }
        if self.history.len() >= MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(Attempt {
            attempt: self.attempt,
            sent_at: self.sent_at.1,
            daemon_id: who.daemon.clone(),
            connection_id: who.connection,
            outcome,
            reason,
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Written to the socket.
    Sent,
    /// Being read again, to be sent again to a daemon that may have it.
    Reloading,
    /// Being read again, to be sent again to a daemon that refused it.
    Returning,
    /// Put off by the daemon.
    Delayed,
    /// Put off, and the time is over: it waits for room.
    Ripe,
}

impl State {
    fn fills(self) -> bool {
        matches!(self, Self::Sent | Self::Reloading | Self::Returning)
    }
}

#[derive(Debug)]
struct Entry {
    flight: InFlight,
    state: State,
    /// The agenda's line that counts; others of this event are out of date.
    ticket: u64,
}

/// The events that a connection has to account for.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: HashMap<EventId, Entry>,
    agenda: BinaryHeap<Reverse<(Monotonic, u64, EventId)>>,
    ripe: VecDeque<EventId>,
    in_flight: usize,
    tickets: u64,
}

impl Window {
    /// How many events are in flight.
    pub(super) fn len(&self) -> usize {
        self.in_flight
    }

    /// Whether the event is known here, in flight or put off.
    pub(super) fn contains(&self, id: &EventId) -> bool {
        self.entries.contains_key(id)
    }

    /// What is known of an event, and its state.
    pub(super) fn get(&mut self, id: &EventId) -> Option<(&mut InFlight, State)> {
        self.entries.get_mut(id).map(|entry| (&mut entry.flight, entry.state))
    }

    /// Adds an event that was just sent, or renews it after another attempt.
    pub(super) fn sent(&mut self, flight: InFlight, due: Monotonic) {
        let id = flight.id.clone();
        self.remove(&id);
        self.in_flight += 1;
        self.entries.insert(id.clone(), Entry { flight, state: State::Sent, ticket: 0 });
        if !planted(Mutant::RedeliveryForgotten) {
            self.schedule(&id, due);
        }
    }

    /// Removes an event and tells what was known of it.
    pub(super) fn remove(&mut self, id: &EventId) -> Option<InFlight> {
        let entry = self.entries.remove(id)?;
        let leaks = entry.state == State::Reloading && planted(Mutant::WindowLeaks);
        self.in_flight -= usize::from(entry.state.fills() && !leaks);
        if entry.state == State::Ripe {
            self.ripe.retain(|ripe| ripe != id);
        }
        self.forget_outdated();
        Some(entry.flight)
    }

    /// Takes note of when an event in flight is to be looked at again.
    pub(super) fn postpone(&mut self, id: &EventId, due: Monotonic) {
        self.change(id, State::Sent);
        self.schedule(id, due);
    }

    /// The event is being read again.
    pub(super) fn reload(&mut self, id: &EventId) {
        self.change(id, State::Reloading);
    }

    /// Puts an event off until `due`: it leaves the window.
    pub(super) fn delay(&mut self, id: &EventId, due: Monotonic) {
        self.change(id, State::Delayed);
        self.schedule(id, due);
    }

    /// The delay of an event is over: it waits for room.
    pub(super) fn ripen(&mut self, id: &EventId) {
        self.change(id, State::Ripe);
        self.ripe.push_back(id.clone());
    }

    /// The next event whose delay is over; it is in the window again, being read.
    pub(super) fn next_ripe(&mut self) -> Option<EventId> {
        let id = self.ripe.pop_front()?;
        self.change(&id, State::Returning);
        Some(id)
    }

    /// The next event whose time has come; its time is not noted any more.
    pub(super) fn take_due(&mut self, now: Monotonic) -> Option<EventId> {
        while self.next_due() <= now {
            let Reverse((_, ticket, id)) = self.agenda.pop()?;
            if self.entries.get(&id).is_some_and(|entry| entry.ticket == ticket) {
                return Some(id);
            }
        }
        None
    }

    /// When the next event is due.
    pub(super) fn next_due(&self) -> Monotonic {
        self.agenda.peek().map_or(Monotonic::NEVER, |Reverse((due, ..))| *due)
    }

    /// The ids known here.
    pub(super) fn ids(&self) -> impl Iterator<Item = &EventId> {
        self.entries.keys()
    }

    /// Everything that is in flight, in the order of sending.
    pub(super) fn drain(&mut self) -> Vec<InFlight> {
        let fills = |entry: Entry| entry.state.fills().then_some(entry.flight);
        let mut flights: Vec<_> = std::mem::take(self).entries.into_values().filter_map(fills).collect();
        flights.sort_by_key(|flight| flight.order);
        flights
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        if self.entries.is_empty() {
            *self = Self { tickets: self.tickets, ..Self::default() };
        }
    }

    fn change(&mut self, id: &EventId, state: State) {
        if let Some(entry) = self.entries.get_mut(id) {
            self.in_flight -= usize::from(entry.state.fills());
            self.in_flight += usize::from(state.fills());
            entry.state = state;
            entry.ticket = 0;
        }
    }

    fn schedule(&mut self, id: &EventId, due: Monotonic) {
        if let Some(entry) = self.entries.get_mut(id) {
            self.tickets += 1;
            entry.ticket = self.tickets;
            self.agenda.push(Reverse((due, self.tickets, id.clone())));
            self.forget_outdated();
        }
    }

    /// Lines of the agenda that count no more go when they come to the top, or when they are most of it.
    fn forget_outdated(&mut self) {
        let entries = &self.entries;
        let counts = |ticket: u64, id: &EventId| entries.get(id).is_some_and(|entry| entry.ticket == ticket);
        if self.agenda.len() > 2 * entries.len() + 16 {
            self.agenda.retain(|Reverse((_, ticket, id))| counts(*ticket, id));
        }
        while self.agenda.peek().is_some_and(|Reverse((_, ticket, id))| !counts(*ticket, id)) {
            self.agenda.pop();
        }
    }
}

//! Which events wait for their acknowledgement on one connection (delivery rules 3 to 5).

use std::collections::VecDeque;

use crate::domain::{clock::Monotonic, ids::EventId};

/// One event in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InFlight {
    /// Which.
    pub(super) id: EventId,
    /// How often it was sent, over all connections of the daemon.
    pub(super) attempt: u32,
    /// How many bytes it takes on its way to a socket.
    pub(super) size: usize,
    /// When it was sent last.
    pub(super) sent_at: Monotonic,
    /// When it is sent again; [`Monotonic::NEVER`] while it is read for that.
    pub(super) due: Monotonic,
}

/// The events in flight, oldest first. Acknowledgements mostly come in the order of sending, so the
/// search from the front is short; the window's bound limits it in any case.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<InFlight>);

impl Window {
    /// How many events are in flight.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the event is in flight.
    pub(super) fn contains(&self, id: &EventId) -> bool {
        self.position(id).is_some()
    }

    fn position(&self, id: &EventId) -> Option<usize> {
        self.0.iter().position(|entry| entry.id == *id)
    }

    /// Adds an event that was just sent, or renews it after another attempt.
    pub(super) fn sent(&mut self, renewed: InFlight) {
        match self.0.iter_mut().find(|entry| entry.id == renewed.id) {
            Some(entry) => *entry = renewed,
            None => self.0.push_back(renewed),
        }
    }

    /// Removes an event and tells what was known of it.
    pub(super) fn remove(&mut self, id: &EventId) -> Option<InFlight> {
        let position = self.position(id)?;
        self.0.remove(position)
    }

    /// The attempt that an event in flight is on.
    pub(super) fn attempt(&self, id: &EventId) -> Option<u32> {
        self.0.iter().find(|entry| entry.id == *id).map(|entry| entry.attempt)
    }

    /// Takes note of when an event is to be looked at again.
    pub(super) fn postpone(&mut self, id: &EventId, due: Monotonic) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.id == *id) {
            entry.due = due;
        }
    }

    /// The events whose time has come.
    pub(super) fn due(&self, now: Monotonic) -> Vec<InFlight> {
        self.0.iter().filter(|entry| entry.due <= now).cloned().collect()
    }

    /// When the next event is due.
    pub(super) fn next_due(&self) -> Monotonic {
        self.0.iter().map(|entry| entry.due).min().unwrap_or(Monotonic::NEVER)
    }

    /// The ids in flight.
    pub(super) fn ids(&self) -> impl Iterator<Item = &EventId> {
        self.0.iter().map(|entry| &entry.id)
    }
}

//! What was published and what came back: every event is accounted for by its number.

use anyhow::{Result, bail};

use crate::event::Mark;

/// Who is meant to get an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Event `n` goes to connection `n` modulo the number of connections.
    InTurn,
    /// Every event goes to every connection.
    Everyone,
}

/// The account of one run.
#[derive(Debug)]
pub(crate) struct Ledger {
    audience: Audience,
    connections: usize,
    /// Deliveries seen, by event number.
    seen: Vec<u16>,
    /// First deliveries so far, counted once per event and receiver.
    pub(crate) deliveries: u64,
    /// Events that all who should get them have got.
    pub(crate) complete: u64,
    /// Deliveries beyond the first.
    pub(crate) repeated: u64,
    /// Events that came to the wrong connection, or that nobody here published.
    pub(crate) strange: u64,
    /// Nanoseconds from publishing to receiving, while [`Ledger::timing`] is on.
    pub(crate) latencies: Vec<u64>,
    /// Whether latencies are kept.
    pub(crate) timing: bool,
}

impl Ledger {
    /// An empty account for this many connections.
    #[must_use]
    pub(crate) fn new(audience: Audience, connections: usize) -> Self {
        Self {
            audience,
            connections: connections.max(1),
            seen: Vec::new(),
            deliveries: 0,
            complete: 0,
            repeated: 0,
            strange: 0,
            latencies: Vec::new(),
            timing: false,
        }
    }

    /// The index of the orchestrator that event `number` is published to.
    #[must_use]
    pub(crate) fn target(&self, number: u64) -> usize {
        match self.audience {
            Audience::InTurn => usize::try_from(number).unwrap_or_default() % self.connections,
            Audience::Everyone => 0,
        }
    }

    /// Enters that `connection` received the event with this id at `now`.
    pub(crate) fn record(&mut self, connection: usize, id: &[u8], now: u64) {
        let Some(mark) = Mark::read(id) else {
            self.strange += 1;
            return;
        };
        let copies = match self.audience {
            Audience::InTurn if self.target(mark.number) != connection => {
                self.strange += 1;
                return;
            }
            Audience::InTurn => 1,
            Audience::Everyone => u16::try_from(self.connections).unwrap_or(u16::MAX),
        };
        let place = usize::try_from(mark.number).unwrap_or_default();
        if place >= self.seen.len() {
            self.seen.resize(place + 1, 0);
        }
        let Some(seen) = self.seen.get_mut(place) else { return };
        if *seen >= copies {
            self.repeated += 1;
            return;
        }
        *seen += 1;
        self.deliveries += 1;
        self.complete += u64::from(*seen == copies);
        if self.timing {
            self.latencies.push(now.saturating_sub(mark.sent));
        }
    }

    /// # Errors
    /// When something went astray; a repeated delivery is allowed by the protocol and is none.
    pub(crate) fn settle(&self, published: u64) -> Result<()> {
        if self.strange > 0 {
            bail!("{} events came to somebody they were not meant for", self.strange);
        }
        if self.complete != published {
            bail!("{published} events were published, but only {} arrived in full", self.complete);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Vec<u8> {
        format!("event_1732159200000_{:020}-{number:015}", 100).into_bytes()
    }

    #[test]
    fn events_in_turn_count_once_and_only_where_they_belong() {
        let mut ledger = Ledger::new(Audience::InTurn, 2);
        ledger.record(0, &id(0), 0);
        ledger.record(0, &id(0), 0);
        assert_eq!((ledger.complete, ledger.repeated), (1, 1));
        assert!(ledger.settle(1).is_ok() && ledger.settle(2).is_err());
        ledger.record(0, &id(1), 0);
        assert_eq!(ledger.strange, 1);
        assert!(ledger.settle(1).is_err());
    }

    #[test]
    fn an_event_for_everyone_is_complete_when_everyone_has_it() {
        let mut ledger = Ledger::new(Audience::Everyone, 3);
        ledger.record(0, &id(0), 0);
        ledger.record(1, &id(0), 0);
        assert_eq!((ledger.deliveries, ledger.complete), (2, 0));
        ledger.record(2, &id(0), 0);
        assert_eq!((ledger.deliveries, ledger.complete), (3, 1));
    }

    #[test]
    fn latencies_are_kept_on_request() {
        let mut ledger = Ledger::new(Audience::InTurn, 1);
        ledger.record(0, &id(0), 500);
        ledger.timing = true;
        ledger.record(0, &id(1), 500);
        assert_eq!(ledger.latencies, [400]);
    }
}

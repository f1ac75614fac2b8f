//! How busy a connection is, as others see it.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::{protocol::server_frame::Blocked, session::effect::Flow};

/// No place in [`Blocked::ALL`].
const NOT_BLOCKED: u8 = u8::MAX;

/// What a connection last said about its flow, and what it was promised since.
#[derive(Debug)]
pub(super) struct Load {
    in_flight: AtomicU32,
    room: AtomicU32,
    /// Events that were claimed for it and that it has not read yet.
    promised: AtomicU32,
    /// The place of the reason in [`Blocked::ALL`], or [`NOT_BLOCKED`].
    blocked: AtomicU8,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            room: AtomicU32::new(0),
            promised: AtomicU32::new(0),
            blocked: AtomicU8::new(NOT_BLOCKED),
        }
    }
}

impl Load {
    /// Takes note of how events flow now.
    pub(super) fn set(&self, flow: Flow) {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.in_flight.store(number(flow.in_flight), Ordering::Relaxed);
        self.room.store(number(flow.room), Ordering::Relaxed);
        let place = flow.blocked.and_then(|reason| Blocked::ALL.iter().position(|known| *known == reason));
        let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(NOT_BLOCKED);
        self.blocked.store(place, Ordering::Relaxed);
    }

    /// How events flow, as the connection last said.
    pub(super) fn flow(&self) -> Flow {
        let number = |count: &AtomicU32| usize::try_from(count.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let blocked = Blocked::ALL.get(usize::from(self.blocked.load(Ordering::Relaxed))).copied();
        Flow { in_flight: number(&self.in_flight), room: number(&self.room), blocked }
    }

    /// How many events the connection has, those included that it was promised, if it can take another.
    pub(super) fn with_room(&self) -> Option<u32> {
        let promised = self.promised.load(Ordering::Relaxed);
        let free = self.blocked.load(Ordering::Relaxed) == NOT_BLOCKED
            && promised < self.room.load(Ordering::Relaxed);
        free.then(|| self.in_flight.load(Ordering::Relaxed).saturating_add(promised))
    }

    /// Another event is claimed for the connection.
    pub(super) fn promise(&self) {
        self.promised.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection has looked into its queue: what it was promised is in flight. Whether there was
    /// anything.
    pub(super) fn keep_promises(&self) -> bool {
        self.promised.load(Ordering::Relaxed) > 0 && self.promised.swap(0, Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(in_flight: usize, room: usize, blocked: Option<Blocked>) -> Flow {
        Flow { in_flight, room, blocked }
    }

    #[test]
    fn what_was_promised_counts_until_the_connection_has_looked() {
        let load = Load::default();
        assert_eq!(load.with_room(), None, "it has not said that it takes anything");
        load.set(flow(3, 2, None));
        assert_eq!(load.with_room(), Some(3));
        load.promise();
        assert_eq!(load.with_room(), Some(4));
        load.promise();
        assert_eq!(load.with_room(), None, "that was all its room");
        load.set(flow(5, 1, None));
        assert!(load.keep_promises());
        assert!(!load.keep_promises());
        assert_eq!(load.with_room(), Some(5));
    }

    #[test]
    fn who_stands_still_takes_nothing() {
        let load = Load::default();
        for blocked in Blocked::ALL {
            load.set(flow(0, 9, Some(blocked)));
            assert_eq!(load.with_room(), None);
            assert_eq!(load.flow(), flow(0, 9, Some(blocked)));
        }
    }
}

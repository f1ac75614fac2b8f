//! Whether the events that this hub sends itself come back. Pure but for a lock.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;

use crate::domain::clock::Monotonic;

/// How many canaries are remembered that have not come back; of more, the oldest count.
const MOST_UNDER_WAY: usize = 64;

/// What is known of the canaries.
#[derive(Debug)]
pub struct CanaryWatch {
    /// How long a canary may take; `None` when none are sent.
    timeout: Option<Duration>,
    flights: Mutex<Flights>,
}

#[derive(Debug, Default)]
struct Flights {
    /// Number and time of sending of those that are not back, oldest first.
    under_way: VecDeque<(u64, Monotonic)>,
    last_round_trip: Option<Duration>,
}

/// How the canaries fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryHealth {
    /// None are sent.
    Off,
    /// They come back, or have not had the time yet. How long the last one took.
    Well(Option<Duration>),
    /// None has come back for too long: the oldest has been under way for this long.
    Late(Duration),
}

impl CanaryWatch {
    /// A watch over canaries that may take `timeout`; without one none are sent.
    #[must_use]
    pub fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, flights: Mutex::default() }
    }

    /// Canary `number` sets out. Numbers grow.
    pub fn sent(&self, number: u64, now: Monotonic) {
        let mut flights = self.flights.lock();
        if flights.under_way.len() < MOST_UNDER_WAY {
            flights.under_way.push_back((number, now));
        }
    }

    /// Canary `number` is back: the way is open, so those before it need not be waited for. How long it
    /// took; `None` when it was given up before.
    pub fn returned(&self, number: u64, now: Monotonic) -> Option<Duration> {
        let mut flights = self.flights.lock();
        let place = flights.under_way.iter().position(|(sent, _)| *sent == number);
        let took = place.and_then(|place| Some(now.since(flights.under_way.get(place)?.1)));
        flights.under_way.retain(|(sent, _)| *sent > number);
        if took.is_some() {
            flights.last_round_trip = took;
        }
        took
    }

    /// How they fare at `now`.
    #[must_use]
    pub fn health(&self, now: Monotonic) -> CanaryHealth {
        let Some(timeout) = self.timeout else { return CanaryHealth::Off };
        let flights = self.flights.lock();
        let oldest = flights.under_way.front().map(|(_, sent)| now.since(*sent));
        match oldest {
            Some(waited) if waited >= timeout => CanaryHealth::Late(waited),
            _ => CanaryHealth::Well(flights.last_round_trip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn watch() -> CanaryWatch {
        CanaryWatch::new(Some(MS(15_000)))
    }

    #[test]
    fn a_canary_that_comes_back_in_time_is_well() {
        let watch = watch();
        assert_eq!(watch.health(Monotonic(0)), CanaryHealth::Well(None));
        watch.sent(1, Monotonic(0));
        assert_eq!(watch.health(Monotonic(14_999)), CanaryHealth::Well(None));
        assert_eq!(watch.returned(1, Monotonic(14_999)), Some(MS(14_999)));
        assert_eq!(watch.health(Monotonic(99_000)), CanaryHealth::Well(Some(MS(14_999))));
    }

    #[test]
    fn one_that_does_not_come_back_fails_until_it_or_a_later_one_does() {
        for back in [1, 3] {
            let watch = watch();
            for number in 1..=3 {
                watch.sent(number, Monotonic(5_000 * number));
            }
            assert_eq!(watch.health(Monotonic(20_000)), CanaryHealth::Late(MS(15_000)));
            watch.returned(back, Monotonic(20_001));
            assert!(matches!(watch.health(Monotonic(20_002)), CanaryHealth::Well(Some(_))), "{back}");
        }
    }

    #[test]
    fn a_late_one_does_not_answer_for_those_after_it() {
        let watch = watch();
        watch.sent(1, Monotonic(0));
        watch.sent(2, Monotonic(5_000));
        watch.returned(1, Monotonic(20_000));
        assert_eq!(watch.health(Monotonic(20_001)), CanaryHealth::Late(MS(15_001)));
    }

    #[test]
    fn a_long_outage_takes_bounded_memory_and_ends_with_the_first_return() {
        let watch = watch();
        for number in 0..10_000 {
            watch.sent(number, Monotonic(number));
        }
        assert_eq!(watch.flights.lock().under_way.len(), MOST_UNDER_WAY);
        assert_eq!(watch.returned(9_999, Monotonic(100_000)), None, "it is forgotten when it set out");
        assert_eq!(watch.health(Monotonic(100_001)), CanaryHealth::Well(None));
    }

    #[test]
    fn without_canaries_nothing_is_said() {
        let watch = CanaryWatch::new(None);
        assert_eq!(watch.health(Monotonic(99_000)), CanaryHealth::Off);
    }
}

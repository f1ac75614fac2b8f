//! How long to wait before the next connection: exponential, with full jitter.

use std::time::Duration;

/// The wait after the first failure, before jitter.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts failures since the last successful authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// Forgets failures. Only a successful authentication deserves it: a hub that accepts sockets and
    /// then refuses everybody would otherwise be hammered every second.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// The next wait; `random` is uniform in 0..1. Never shorter than `at_least`, which is what a hub
    /// asked for.
    pub(super) fn next(&mut self, random: f64, at_least: Duration) -> Duration {
        let wait = self.ceiling.mul_f64(random.clamp(0.0, 1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        at_least.saturating_add(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new();
        let seconds: Vec<u64> = (0..8).map(|_| backoff.next(1.0, Duration::ZERO).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(1.0, Duration::ZERO), Duration::from_secs(1));
    }

    #[test]
    fn jitter_covers_the_whole_wait_on_top_of_what_the_hub_asked_for() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(0.0, Duration::ZERO), Duration::ZERO);
        assert_eq!(backoff.next(0.5, Duration::ZERO), Duration::from_secs(1));
        assert_eq!(backoff.next(0.25, Duration::from_secs(30)), Duration::from_secs(31));
    }
}

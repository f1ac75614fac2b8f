//! How often somebody failed to authenticate lately, and how long to make them wait.
//!
//! The client in the field reconnects with the same dead token at once (delivery section 1), so the
//! hub supplies the spacing.

use std::{net::IpAddr, time::Duration};

use quick_cache::sync::Cache;

use crate::domain::{clock::Monotonic, ids::DaemonId};

/// How many addresses and daemons are remembered.
const CAPACITY: usize = 10_000;
/// After this long without a failure, somebody starts anew.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// Counts failures per address and daemon, in bounded memory.
#[derive(Debug)]
pub struct AuthFailures(Cache<(Option<IpAddr>, Option<DaemonId>), (u32, Monotonic)>);

impl Default for AuthFailures {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl AuthFailures {
    /// Counts a failure and tells how long to delay its answer: a quarter of a second, doubling to
    /// eight.
    pub fn count(&self, address: Option<IpAddr>, daemon: Option<&DaemonId>, now: Monotonic) -> Duration {
        let key = (address, daemon.cloned());
        let earlier = self.0.get(&key).filter(|(_, last)| now.since(*last) < FORGIVEN_AFTER);
        let failures = earlier.map_or(0, |(failures, _)| failures);
        self.0.insert(key, (failures.saturating_add(1), now));
        FIRST_DELAY.saturating_mul(1 << failures.min(8)).min(LONGEST_DELAY)
    }

    /// Forgets the failures of somebody who succeeded.
    pub fn forgive(&self, address: Option<IpAddr>, daemon: &DaemonId) {
        self.0.remove(&(address, Some(daemon.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_delay_up_to_eight_seconds() {
        let failures = AuthFailures::default();
        let delays: Vec<_> =
            (0..7).map(|_| failures.count(None, None, Monotonic(1_000)).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 8000]);
    }

    #[test]
    fn success_and_time_forgive() {
        let failures = AuthFailures::default();
        let daemon = DaemonId::parse("d").expect("an id");
        failures.count(None, Some(&daemon), Monotonic(0));
        failures.forgive(None, &daemon);
        assert_eq!(failures.count(None, Some(&daemon), Monotonic(1)).as_millis(), 250);
        assert_eq!(failures.count(None, Some(&daemon), Monotonic(61_000)).as_millis(), 250);
    }
}

//! What one run does, from its seed.

use std::{env, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};

use crate::support::world::Mode;

/// The size of a run.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// On which backplane: two hubs on a Redis, or one hub alone.
    pub(super) mode: Mode,
    /// What everything random is drawn from. Threads and servers are not part of it: the same seed is
    /// the same plan, not the same history.
    pub(super) seed: u64,
    /// For how long there are traffic and faults.
    pub(super) span: Duration,
    /// How many orchestrators there are.
    pub(super) orchestrators: usize,
    /// How many daemons, dealt out to them in turn.
    pub(super) daemons: usize,
    /// Between two faults, in milliseconds: at least and at most.
    pub(super) peace: (u64, u64),
}

/// How long the servers of a run wait for an acknowledgement, by attempt.
pub(super) const ACK_DEADLINES: [Duration; 4] =
    [Duration::from_millis(1500), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Longer runs would need more memory for their history than a test should have.
const LONGEST: u64 = 3600;

impl Plan {
    /// A few seconds, for the test suite.
    pub(super) fn short(mode: Mode) -> Self {
        let span = Duration::from_secs(8);
        Self { mode, seed: 1, span, orchestrators: 6, daemons: 14, peace: (700, 2000) }
    }

    /// What `make chaos` asks for: `CHAOS_SECONDS` together (60), `CHAOS_SEED` (random) and
    /// `CHAOS_MODE` (`redis` or `embedded`; both, one after the other).
    pub(super) fn from_environment() -> Vec<Self> {
        let number = |name: &str| {
            let text = env::var(name).ok().filter(|text| !text.is_empty())?;
            Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
        };
        let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
        let modes = match env::var("CHAOS_MODE").as_deref() {
            Err(_) | Ok("") => vec![Mode::Redis, Mode::Embedded],
            Ok("redis") => vec![Mode::Redis],
            Ok("embedded") => vec![Mode::Embedded],
            Ok(other) => panic!("CHAOS_MODE={other}: it is redis or embedded"),
        };
        let together = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(60).clamp(4, LONGEST));
        let span = together / u32::try_from(modes.len()).unwrap();
        let plan = |mode| Self { mode, seed, span, orchestrators: 20, daemons: 50, peace: (1000, 5000) };
        modes.into_iter().map(plan).collect()
    }

    /// How many hubs there are.
    pub(super) fn hubs(&self) -> usize {
        if self.mode == Mode::Redis { 2 } else { 1 }
    }

    /// The orchestrator of a daemon.
    pub(super) fn orchestrator_of(&self, daemon: usize) -> usize {
        daemon % self.orchestrators
    }

    /// The chance of one participant; no two share it.
    pub(super) fn chance(&self, participant: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ participant.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

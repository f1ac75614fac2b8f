//! How fast the machine is at the moment, so that figures from noisy machines compare.
//!
//! A fixed piece of work (integer steps, look-ups and a hash) is timed in CPU time on each core in
//! use, before the servers start and after they stopped. The factor is that time relative to a
//! constant; CPU figures are divided by it.

use std::{hint::black_box, thread, time::Duration};

use anyhow::{Result, anyhow};
use nix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

use crate::cores::{self, Cores};

/// What the work takes on the reference machine when nothing disturbs it: the best of twelve on each of
/// two virtual Zen 4 cores. Change it together with the work only, or old figures stop comparing.
const REFERENCE: Duration = Duration::from_micros(149_500);
const ROUNDS: u64 = 200;
const STEPS: u64 = 100_000;
const TABLE: usize = 1 << 16;

/// The factor of this moment, the mean over the cores in use: 1.1 means that everything takes 10 %
/// more CPU time than on the reference machine.
///
/// # Errors
/// When a core cannot be had.
pub(crate) fn factor(cores: Cores) -> Result<f64> {
    let in_use = [Some(cores.servers), Some(cores.generator).filter(|core| *core != cores.servers)];
    let factors = in_use.into_iter().flatten().map(|core| on_core(core, cores.pinned));
    let factors = factors.collect::<Result<Vec<f64>>>()?;
    Ok(factors.iter().sum::<f64>() / f64::from(u32::try_from(factors.len())?))
}

/// Runs the work in a thread of its own, so that its pinning ends with it.
fn on_core(core: usize, pin: bool) -> Result<f64> {
    let worker = thread::spawn(move || -> Result<f64> {
        if pin {
            cores::pin_to(core)?;
        }
        let before = thread_time()?;
        black_box(work(black_box(0x9e37_79b9_7f4a_7c15)));
        Ok(thread_time()?.saturating_sub(before).as_secs_f64() / REFERENCE.as_secs_f64())
    });
    worker.join().map_err(|_| anyhow!("the calibration panicked"))?
}

fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// A mixture that depends on the core's clock and its caches. Every step needs the one before.
fn work(seed: u64) -> u64 {
    let mut table = vec![0_u64; TABLE];
    let mut state = seed;
    for round in 0..ROUNDS {
        for _ in 0..STEPS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let place = usize::try_from(state % (1 << 16)).unwrap_or_default();
            if let Some(entry) = table.get_mut(place) {
                *entry = entry.wrapping_add(state).rotate_left(5);
                state = state.wrapping_add(*entry | 1);
            }
        }
        let digest = Sha256::digest(state.to_le_bytes());
        state ^= digest.iter().fold(round, |sum, byte| sum << 1 ^ u64::from(*byte));
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_the_same_every_time() {
        assert_eq!(work(7), work(7));
        assert_ne!(work(7), work(8));
    }
}

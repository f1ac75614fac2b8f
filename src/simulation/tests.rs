//! Seeds that must pass: some that are always the same, and as many fresh ones as there is time for.

use std::{
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    plan::{Plan, Shape},
    replay,
    world::run,
};

/// The seeds that every run begins with; every kind of world but the largest is among them.
const FIRST: std::ops::Range<u64> = 0..60;
/// Seeds that once found a fault, in the hub or in the oracle.
const REGRESSIONS: [u64; 5] = [
    1_795_275_683_648_637,
    1_795_275_975_615_970,
    1_795_276_293_819_209,
    1_795_277_521_752_923,
    1_795_279_385_068_678,
];
/// For how many seconds fresh seeds are tried, unless `SIM_SECONDS` says otherwise.
const SECONDS: u64 = 2;

/// The variable's number, if it is set.
pub(super) fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

fn pass(seed: u64) {
    if let Err(violation) = run(Plan::of(seed)) {
        panic!("{}\n{violation}", replay::command(seed));
    }
}

#[test]
fn the_first_seeds_keep_every_promise() {
    FIRST.chain(REGRESSIONS).for_each(pass);
}

#[test]
fn more_than_a_thousand_connections_at_once_keep_every_promise() {
    let seed = 399;
    let plan = Plan::of(seed);
    assert_eq!(plan.shape, Shape::Crowd);
    let counts = run(plan).unwrap_or_else(|violation| panic!("{}\n{violation}", replay::command(seed)));
    assert!(counts.most_at_once > 1_000, "{counts:?}");
}

/// The number that fresh seeds begin at: `SIM_BASE`, or one that nobody has had before.
fn base() -> u64 {
    setting("SIM_BASE").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        u64::try_from(since.as_micros()).expect("a time before the year 500000")
    })
}

#[test]
fn fresh_seeds_keep_every_promise() {
    let (base, seconds) = (base(), setting("SIM_SECONDS").unwrap_or(SECONDS));
    let start = Instant::now();
    let (next, steps, broken) = (AtomicU64::new(base), AtomicU64::new(0), Mutex::new(None));
    let work = || {
        while start.elapsed() < Duration::from_secs(seconds) && broken.lock().expect("no panic").is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            match run(Plan::of(seed)) {
                Ok(counts) => drop(steps.fetch_add(counts.steps, Ordering::Relaxed)),
                Err(violation) => *broken.lock().expect("no panic") = Some((seed, violation)),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (seeds, steps) = (next.into_inner() - base, steps.into_inner());
    // Not captured: whoever reads the output of a run that passed learns what was tried.
    let said = format!("simulation: {seeds} seeds from SIM_BASE={base}, {steps} steps\n");
    std::io::stderr().write_all(said.as_bytes()).expect("a standard error");
    if let Some((seed, violation)) = broken.into_inner().expect("no panic") {
        panic!("{}\n{violation}", replay::command(seed));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in (0..8).chain([23]) {
        let (one, other) = (replay::journal(Plan::of(seed)), replay::journal(Plan::of(seed)));
        assert!(one.lines().count() > 100, "a run that leaves no trace proves nothing");
        assert!(one == other, "seed {seed}: {:?}", one.lines().zip(other.lines()).find(|(a, b)| a != b));
    }
}

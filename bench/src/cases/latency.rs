//! How long an event takes from publishing to receiving: 1,000 connections, events at an even pace
//! whether or not the hub keeps up.

use std::{thread, time::Duration};

use anyhow::{Result, anyhow};

use super::{AT_ONCE, Bench, throughput};
use crate::{
    ledger::Audience,
    publisher::{Publisher, publish_evenly},
    report::{Measure, Scaling, Target, count, percentile},
    servers::Servers,
    swarm::Swarm,
};

const CONNECTIONS: usize = 1_000;
/// A pace, and what its rows are called.
const PACES: [(u32, [&str; 5]); 2] = [
    (1_000, ["1,000/s p50", "1,000/s p99", "1,000/s p99.9", "1,000/s worst", "1,000/s publisher late"]),
    (5_000, ["5,000/s p50", "5,000/s p99", "5,000/s p99.9", "5,000/s worst", "5,000/s publisher late"]),
];

/// Measures once.
///
/// # Errors
/// When an event is lost.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let mut swarm = bench.swarm(servers, Audience::InTurn, CONNECTIONS)?;
    swarm.connect(AT_ONCE)?;
    let mut publisher = bench.publisher(servers, true)?;
    let mut measures = Vec::new();
    for (rate, [p50, p99, p999, worst, late]) in PACES {
        swarm.ledger.timing = false;
        publisher = pace(&mut swarm, publisher, rate, Duration::from_secs(1))?.0;
        swarm.ledger.timing = true;
        swarm.ledger.latencies.clear();
        let duration = bench.pick(Duration::from_secs(10), Duration::from_secs(3));
        let lateness;
        (publisher, lateness) = pace(&mut swarm, publisher, rate, duration)?;

        swarm.ledger.latencies.sort_unstable();
        let at = |share| count(percentile(&swarm.ledger.latencies, share)) / 1e6;
        let row = |name, value| Measure::new(name, "ms", value, Scaling::None);
        let (mut median, mut tail) = (row(p50, at(500)), row(p99, at(990)));
        if rate == 1_000 {
            median = median.target(Target::AtMost(0.4));
            tail = tail.target(Target::AtMost(3.0));
        }
        let lateness = row(late, lateness.as_secs_f64() * 1e3);
        measures.extend([median, tail, row(p999, at(999)), row(worst, at(1000)), lateness]);
    }
    servers.wait_until_empty()?;
    Ok(measures)
}

/// Publishes from a thread of its own, which sleeps from event to event, and receives meanwhile.
fn pace(
    swarm: &mut Swarm,
    mut publisher: Publisher,
    rate: u32,
    duration: Duration,
) -> Result<(Publisher, Duration)> {
    let orchestrators = u64::try_from(CONNECTIONS)?;
    let worker = thread::spawn(move || {
        let late = publish_evenly(&mut publisher, orchestrators, rate, duration);
        late.map(|late| (publisher, late))
    });
    while !worker.is_finished() {
        swarm.turn(Duration::from_millis(5))?;
    }
    let (mut publisher, late) = worker.join().map_err(|_| anyhow!("the publisher panicked"))??;
    throughput::finish(swarm, &mut publisher)?;
    Ok((publisher, late))
}

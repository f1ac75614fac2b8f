//! One event for many: 1,000 connections of one orchestrator, and events without acknowledgement.
//!
//! One event is on its way at a time, so every delivery is a write of its own: nothing is gained by
//! several events meeting in one buffer.

use std::time::Duration;

use anyhow::Result;

use super::{AT_ONCE, Bench, Span, throughput};
use crate::{
    ledger::Audience,
    report::{Measure, Scaling, count},
    servers::Servers,
};

const CONNECTIONS: usize = 1_000;
const WINDOW: u64 = 1;

/// Measures once.
///
/// # Errors
/// When a delivery is lost.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let mut swarm = bench.swarm(servers, Audience::Everyone, CONNECTIONS)?;
    swarm.habits.acknowledges = false;
    swarm.connect(AT_ONCE)?;
    let mut publisher = bench.publisher(servers, false)?;

    throughput::keep_up(&mut swarm, &mut publisher, WINDOW, Duration::from_secs(1))?;
    let (span, before) = (Span::begin(servers)?, swarm.ledger.deliveries);
    let duration = bench.pick(Duration::from_secs(10), Duration::from_secs(3));
    throughput::keep_up(&mut swarm, &mut publisher, WINDOW, duration)?;
    let (used, deliveries) = (span.end(servers)?, swarm.ledger.deliveries - before);

    throughput::finish(&mut swarm, &mut publisher)?;
    servers.wait_until_empty()?;

    let rate = count(deliveries) / used.time.as_secs_f64();
    let mut measures = vec![Measure::new("deliveries, one at a time", "1/s", rate, Scaling::Rate)];
    measures.extend(used.per(deliveries, "µs/deliv.", 9.0));
    measures.push(used.generator());
    Ok(measures)
}

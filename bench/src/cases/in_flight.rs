//! What it costs to wait for acknowledgements: 100 connections with 1,000 events each that nobody
//! acknowledges, beside the same connections before they had any.

use std::time::Duration;

use anyhow::Result;

use super::{AT_ONCE, Bench, Span, Used};
use crate::{
    ledger::Audience,
    report::{Measure, Scaling, count},
    servers::Servers,
};

const EACH: u64 = 1_000;
/// Events on their way at the same time while the windows fill.
const PORTION: u64 = 2_000;

/// Measures once. The stretch ends long before the hub sends anything again.
///
/// # Errors
/// When an event does not arrive.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let connections: usize = bench.pick(100, 20);
    let total = EACH * u64::try_from(connections)?;
    let mut swarm = bench.swarm(servers, Audience::InTurn, connections)?;
    swarm.habits.acknowledges = false;
    swarm.connect(AT_ONCE)?;
    let mut publisher = bench.publisher(servers, true)?;

    let stretch = bench.pick(Duration::from_secs(5), Duration::from_secs(2));
    swarm.linger(Duration::from_secs(1))?;
    let memory_before = servers.hub_resident()?;
    let span = Span::begin(servers)?;
    swarm.linger(stretch)?;
    let empty = span.end(servers)?;

    while publisher.published < total {
        let until = (publisher.published + PORTION).min(total);
        while publisher.published < until {
            publisher.publish(swarm.ledger.target(publisher.published));
        }
        swarm.until(|swarm| {
            publisher.flush()?;
            Ok((swarm.ledger.complete >= until).then_some(()))
        })?;
    }
    swarm.linger(Duration::from_secs(1))?;
    let memory = servers.hub_resident()?.saturating_sub(memory_before);
    let span = Span::begin(servers)?;
    swarm.linger(stretch)?;
    let full = span.end(servers)?;
    swarm.ledger.settle(publisher.published)?;

    let share = |used: &Used| used.cpu.hub.as_secs_f64() * 100.0 / used.time.as_secs_f64();
    Ok(vec![
        Measure::new("hub CPU, nothing in flight", "%", share(&empty), Scaling::Time),
        Measure::new("hub CPU, 1,000 per connection", "%", share(&full), Scaling::Time),
        Measure::new("memory per event in flight", "bytes", count(memory) / count(total), Scaling::None),
        Measure::new("repeated deliveries", "", count(swarm.ledger.repeated), Scaling::None),
    ])
}

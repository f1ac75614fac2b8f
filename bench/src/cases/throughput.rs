//! As many deliveries as the hub can do: 1,000 connections of 1,000 orchestrators, and a publisher
//! that keeps 4,000 events on their way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{AT_ONCE, Bench, Span};
use crate::{
    ledger::Audience,
    publisher::Publisher,
    report::{Measure, Scaling, Target, count},
    servers::Servers,
    swarm::{PATIENCE, Swarm},
};

const CONNECTIONS: usize = 1_000;
/// Published events that are not complete yet, over all connections.
const WINDOW: u64 = 4_000;

/// Measures once. An event counts when its acknowledgement was sent.
///
/// # Errors
/// When an event is lost, or a queue is not empty in the end.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let mut swarm = bench.swarm(servers, Audience::InTurn, CONNECTIONS)?;
    swarm.connect(AT_ONCE)?;
    let mut publisher = bench.publisher(servers, true)?;

    keep_up(&mut swarm, &mut publisher, WINDOW, bench.pick(Duration::from_secs(2), Duration::from_secs(1)))?;
    let (span, before) = (Span::begin(servers)?, swarm.ledger.complete);
    keep_up(&mut swarm, &mut publisher, WINDOW, bench.pick(Duration::from_secs(10), Duration::from_secs(3)))?;
    let (used, acked) = (span.end(servers)?, swarm.ledger.complete - before);

    finish(&mut swarm, &mut publisher)?;
    servers.wait_until_empty()?;

    let rate = count(acked) / used.time.as_secs_f64();
    let mut measures = vec![
        Measure::new("acknowledged deliveries", "1/s", rate, Scaling::Rate).target(Target::AtLeast(18_000.0)),
    ];
    measures.extend(used.per(acked, "µs/event", 38.0));
    measures.push(used.generator());
    measures.push(Measure::new("repeated deliveries", "", count(swarm.ledger.repeated), Scaling::None));
    Ok(measures)
}

/// For `duration`, publishes whenever fewer than `window` events are on their way.
///
/// # Errors
/// When events stop coming.
pub(super) fn keep_up(
    swarm: &mut Swarm,
    publisher: &mut Publisher,
    window: u64,
    duration: Duration,
) -> Result<()> {
    let end = Instant::now() + duration;
    let mut progress = (swarm.ledger.deliveries, Instant::now());
    loop {
        let now = Instant::now();
        if now >= end {
            return Ok(());
        }
        if progress.0 != swarm.ledger.deliveries {
            progress = (swarm.ledger.deliveries, now);
        } else if now - progress.1 > PATIENCE {
            swarm.ledger.settle(publisher.published).context("deliveries stopped")?;
        }
        while publisher.published < swarm.ledger.complete + window {
            publisher.publish(swarm.ledger.target(publisher.published));
        }
        publisher.flush()?;
        swarm.turn(Duration::from_millis(1))?;
    }
}

/// Waits for the events that are still on their way.
///
/// # Errors
/// When some of them do not arrive.
pub(super) fn finish(swarm: &mut Swarm, publisher: &mut Publisher) -> Result<()> {
    let arrived = swarm.until(|swarm| {
        publisher.flush()?;
        Ok((swarm.ledger.complete >= publisher.published).then_some(()))
    });
    swarm.ledger.settle(publisher.published)?;
    arrived?;
    // Whatever the hub would send twice, it sends now.
    swarm.linger(Duration::from_millis(100))
}

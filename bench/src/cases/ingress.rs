//! The same as throughput from a publisher that loses nothing: it appends to the stream `hub:ingress`,
//! and an entry is gone only when its event is stored or taken.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{AT_ONCE, Bench, Span, throughput};
use crate::{
    event::Way,
    interrupt,
    ledger::Audience,
    publisher::Publisher,
    redis::Redis,
    report::{Measure, Scaling, Target, count},
    servers::Servers,
    swarm::PATIENCE,
};

const CONNECTIONS: usize = 1_000;
/// Appended events that are not complete yet, over all connections.
const WINDOW: u64 = 4_000;
const STREAM: &str = "hub:ingress";

/// Measures once. An event counts when its acknowledgement was sent.
///
/// # Errors
/// When an event is lost, or an entry or an event remains in the end.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let mut swarm = bench.swarm(servers, Audience::InTurn, CONNECTIONS)?;
    swarm.connect(AT_ONCE)?;
    let mut publisher = Publisher::connect(servers.redis_port, bench.clock, true, Way::Stream)?;

    let warm = bench.pick(Duration::from_secs(2), Duration::from_secs(1));
    throughput::keep_up(&mut swarm, &mut publisher, WINDOW, warm)?;
    let (span, before) = (Span::begin(servers)?, swarm.ledger.complete);
    let duration = bench.pick(Duration::from_secs(10), Duration::from_secs(3));
    throughput::keep_up(&mut swarm, &mut publisher, WINDOW, duration)?;
    let (used, acked) = (span.end(servers)?, swarm.ledger.complete - before);

    throughput::finish(&mut swarm, &mut publisher)?;
    servers.wait_until_empty()?;
    wait_until_confirmed(servers)?;

    let rate = count(acked) / used.time.as_secs_f64();
    let mut measures = vec![
        Measure::new("acknowledged deliveries", "1/s", rate, Scaling::Rate).target(Target::AtLeast(18_000.0)),
    ];
    measures.extend(used.per(acked, "µs/event", 55.0));
    measures.push(used.generator());
    measures.push(Measure::new("repeated deliveries", "", count(swarm.ledger.repeated), Scaling::None));
    Ok(measures)
}

fn wait_until_confirmed(servers: &mut Servers) -> Result<()> {
    let mut redis = Redis::connect(servers.redis_port)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = redis.length_of_stream(STREAM)?;
        if left == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{left} entries of {STREAM} were never confirmed");
        }
        interrupt::check()?;
        servers.check()?;
        thread::sleep(Duration::from_millis(20));
    }
}

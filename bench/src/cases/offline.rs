//! Events for those who come later: 100 orchestrators that are not connected, 500 events for each,
//! then they connect, subscribe and acknowledge everything. The bill is for all of it: storing,
//! replaying, acknowledging, and the 100 connections.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{AT_ONCE, Bench, Span, cpu_per, throughput};
use crate::{
    event, interrupt,
    ledger::Audience,
    publisher::Publisher,
    redis::Redis,
    report::{Measure, Scaling, Target, count},
    servers::Servers,
    swarm::PATIENCE,
};

const ORCHESTRATORS: usize = 100;
/// Published before waiting until all is stored. Far below any buffer's limit.
const PORTION: u64 = 2_500;

/// Measures once.
///
/// # Errors
/// When an event is lost.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let each: u64 = bench.pick(500, 100);
    let total = each * u64::try_from(ORCHESTRATORS)?;
    let mut swarm = bench.swarm(servers, Audience::InTurn, ORCHESTRATORS)?;
    let mut publisher = bench.publisher(servers, true)?;

    let span = Span::begin(servers)?;
    store(servers, &mut publisher, total)?;
    let stored = span.end(servers)?;

    let span = Span::begin(servers)?;
    swarm.connect(AT_ONCE)?;
    throughput::finish(&mut swarm, &mut publisher)?;
    let replayed_in = span.began.elapsed() - Duration::from_millis(100);
    servers.wait_until_empty()?;
    let replayed = span.end(servers)?;

    let rate = |time: Duration| count(total) / time.as_secs_f64();
    let names = ["hub CPU", "Redis CPU", "hub + Redis CPU"];
    let [hub, redis, both] = cpu_per(stored.cpu + replayed.cpu, total, names, "µs/event");
    let mut measures = vec![hub, redis, both.target(Target::AtMost(55.0))];
    let names = ["of it storing, hub CPU", "of it storing, Redis CPU", "of it storing, both"];
    measures.extend(cpu_per(stored.cpu, total, names, "µs/event"));
    measures.push(Measure::new("stored", "1/s", rate(stored.time), Scaling::Rate));
    measures.push(Measure::new("replayed", "1/s", rate(replayed_in), Scaling::Rate));
    Ok(measures)
}

/// Publishes everything in portions, each only when the one before is in the queues.
fn store(servers: &mut Servers, publisher: &mut Publisher, total: u64) -> Result<()> {
    let mut redis = Redis::connect(servers.redis_port)?;
    let names: Vec<String> = (0..ORCHESTRATORS).map(event::orchestrator).collect();
    while publisher.published < total {
        let portion = PORTION.min(total - publisher.published);
        for _ in 0..portion {
            publisher.publish(usize::try_from(publisher.published)? % ORCHESTRATORS);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            publisher.flush()?;
            let queued = redis.queued(&names)?;
            if queued >= publisher.published {
                break;
            }
            if Instant::now() > deadline {
                bail!("{} events were published, but only {queued} are queued", publisher.published);
            }
            interrupt::check()?;
            servers.check()?;
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

//! Events for those who come later: 100 orchestrators that are not connected, 500 events for each,
//! then they connect, subscribe and acknowledge everything. The bill is for all of it: storing,
//! replaying, acknowledging, and the 100 connections.

use std::{
    ops::Range,
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
    store(servers, &mut publisher, 0..ORCHESTRATORS, total)?;
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
    let mut measures = vec![hub, redis, both.target(Target::AtMost(50.0))];
    let names = ["of it storing, hub CPU", "of it storing, Redis CPU", "of it storing, both"];
    measures.extend(cpu_per(stored.cpu, total, names, "µs/event"));
    measures.push(Measure::new("stored", "1/s", rate(stored.time), Scaling::Rate));
    measures.push(Measure::new("replayed", "1/s", rate(replayed_in), Scaling::Rate));
    Ok(measures)
}

/// Publishes everything in portions, each only when the one before is in the queues.
///
/// # Errors
/// When some of it does not get there.
pub(super) fn store(
    servers: &mut Servers,
    publisher: &mut Publisher,
    orchestrators: Range<usize>,
    total: u64,
) -> Result<()> {
    let mut redis = Redis::connect(servers.redis_port)?;
    let names: Vec<String> = orchestrators.clone().map(event::orchestrator).collect();
    let mut targets = orchestrators.cycle();
    let (mut published, before) = (0, redis.queued(&names)?);
    while published < total {
        let portion = PORTION.min(total - published);
        for target in targets.by_ref().take(usize::try_from(portion)?) {
            publisher.publish(target);
        }
        published += portion;
        let deadline = Instant::now() + PATIENCE;
        loop {
            publisher.flush()?;
            let queued = redis.queued(&names)? - before;
            if queued >= published {
                break;
            }
            if Instant::now() > deadline {
                bail!("{published} events were published, but only {queued} are queued");
            }
            interrupt::check()?;
            servers.check()?;
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

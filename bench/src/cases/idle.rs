//! What connections cost that do nothing: 5,000 of them, each of an orchestrator of its own,
//! authenticated and subscribed.

use std::time::Duration;

use anyhow::Result;

use super::{AT_ONCE, Bench, Span};
use crate::{
    ledger::Audience,
    report::{Measure, Scaling, Target, count},
    servers::Servers,
};

/// Measures once.
///
/// # Errors
/// When a connection does not come up or does not stay.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let connections: u32 = bench.pick(5_000, 2_000);
    let mut swarm = bench.swarm(servers, Audience::InTurn, usize::try_from(connections)?)?;
    swarm.linger(Duration::from_secs(1))?;
    let before = servers.hub_resident()?;
    swarm.connect(AT_ONCE)?;
    swarm.linger(Duration::from_secs(3))?;
    let after = servers.hub_resident()?;

    let span = Span::begin(servers)?;
    swarm.linger(bench.pick(Duration::from_secs(5), Duration::from_secs(2)))?;
    let used = span.end(servers)?;

    let share = |cpu: Duration| cpu.as_secs_f64() * 100.0 / used.time.as_secs_f64();
    let each = count(after.saturating_sub(before)) / 1024.0 / f64::from(connections);
    let empty = count(before) / 1024.0 / 1024.0;
    Ok(vec![
        Measure::new("memory per connection", "KiB", each, Scaling::None).target(Target::AtMost(16.0)),
        Measure::new("memory without connections", "MiB", empty, Scaling::None),
        Measure::new("hub CPU while idle", "%", share(used.cpu.hub), Scaling::Time),
        Measure::new("Redis CPU while idle", "%", share(used.cpu.redis), Scaling::Time),
    ])
}

//! Coming and going: first clients that connect, authenticate, subscribe and stay, then clients that
//! connect, authenticate and close at once.

use std::time::Duration;

use anyhow::Result;

use super::{AT_ONCE, Bench, Span, cpu_per};
use crate::{
    ledger::Audience,
    report::{Measure, Scaling, count, micros_per},
    servers::{Cpu, Servers},
    swarm::Swarm,
};

/// What servers do behind the last answer, such as batched records, belongs to the bill.
const AFTERMATH: Duration = Duration::from_millis(300);

/// Measures once.
///
/// # Errors
/// When a connection does not come up or does not end in order.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let connections = bench.pick(2_000, 500);
    let things = u64::try_from(connections)?;
    let mut swarm = bench.swarm(servers, Audience::InTurn, connections)?;
    // Signing the tokens is over before the account begins.
    let mut churn = bench.swarm(servers, Audience::InTurn, connections)?;
    churn.habits.subscribes = false;

    let span = Span::begin(servers)?;
    swarm.connect(AT_ONCE)?;
    let connected = span.began.elapsed();
    swarm.linger(AFTERMATH)?;
    let arrival = span.end(servers)?;

    let span = Span::begin(servers)?;
    swarm.close(AT_ONCE)?;
    swarm.linger(AFTERMATH)?;
    let departure = span.end(servers)?;

    let (churned, churning) = measure_churn(&mut churn, servers)?;
    let per_second = |time: Duration| count(things) / time.as_secs_f64();
    let both = micros_per(departure.cpu.sum(), things);
    let mut measures = vec![Measure::new("connects", "1/s", per_second(connected), Scaling::Rate)];
    measures.extend(arrival.per(things, "µs/conn", 150.0));
    measures.push(Measure::new("close, hub + Redis CPU", "µs/conn", both, Scaling::Time));
    measures.push(Measure::new("churn", "1/s", per_second(churned), Scaling::Rate));
    let names = ["churn, hub CPU", "churn, Redis CPU", "churn, hub + Redis CPU"];
    measures.extend(cpu_per(churning, things, names, "µs/conn"));
    Ok(measures)
}

fn measure_churn(churn: &mut Swarm, servers: &Servers) -> Result<(Duration, Cpu)> {
    let span = Span::begin(servers)?;
    churn.churn(AT_ONCE)?;
    let time = span.began.elapsed();
    churn.linger(AFTERMATH)?;
    Ok((time, span.end(servers)?.cpu))
}

//! What a heartbeat over HTTP costs, and how long it takes: 1,000 requests per second at an even pace
//! from 200 daemons with an account each, over eight connections that stay open.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Result, anyhow, bail};

use super::{Bench, Span};
use crate::{
    event::Clock,
    http::Http,
    interrupt,
    report::{Measure, Scaling, Target, count, percentile},
    servers::{SECRET, Servers},
    token::Issuer,
};

const DAEMONS: usize = 200;
const CONNECTIONS: usize = 8;
/// Requests per second over all connections.
const RATE: u64 = 1_000;
const PATH: &str = "/api/daemon/heartbeat";
const BODY: &str =
    r#"{"status":"active","metrics":{"memoryUsageMB":256,"cpuUsagePercent":15.5,"activeConnections":5}}"#;

/// Measures once.
///
/// # Errors
/// When a heartbeat is refused.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    open_accounts(servers.address)?;
    let issuer = Issuer::new(SECRET)?;
    let credentials: Vec<String> =
        (0..DAEMONS).map(|n| format!("Authorization: Bearer {}", issuer.access(&name(n), n))).collect();
    // Each daemon once, so that what the first one of it costs is not measured.
    beat(bench.clock, servers.address, &credentials, Duration::from_secs(1))?;
    let span = Span::begin(servers)?;
    let duration = bench.pick(Duration::from_secs(10), Duration::from_secs(3));
    let mut latencies = beat(bench.clock, servers.address, &credentials, duration)?;
    let used = span.end(servers)?;

    latencies.sort_unstable();
    let at = |share| count(percentile(&latencies, share)) / 1e6;
    let row = |name, share| Measure::new(name, "ms", at(share), Scaling::None);
    let requests = u64::try_from(latencies.len())?;
    let [hub, redis, both] =
        super::cpu_per(used.cpu, requests, ["hub CPU", "Redis CPU", "hub + Redis CPU"], "µs/beat");
    Ok(vec![
        row("1,000/s p50", 500),
        row("1,000/s p99", 990).target(Target::AtMost(5.0)),
        row("1,000/s p99.9", 999),
        row("1,000/s worst", 1000),
        hub,
        redis,
        both,
    ])
}

fn name(number: usize) -> String {
    format!("vp_heartbeat_{number}")
}

/// Creates an account for every daemon, as an operator would.
fn open_accounts(hub: SocketAddr) -> Result<()> {
    let mut http = Http::connect(hub)?;
    let key = format!("X-API-Key: {SECRET}");
    let mut create = |path: &str, body: String| match http.post(path, &key, &body)? {
        201 => Ok(()),
        status => Err(anyhow!("{path} answered {status}")),
    };
    create("/api/admin/organizations", r#"{"id":"org_bench","name":"Bench"}"#.to_owned())?;
    for number in 0..DAEMONS {
        let id = name(number);
        create(
            "/api/admin/orchestrators",
            format!(r#"{{"id":"{id}","organizationId":"org_bench","name":"{id}"}}"#),
        )?;
    }
    Ok(())
}

/// Sends heartbeats at an even pace; how long each took from the moment it was due, in nanoseconds, so
/// that a hub that falls behind is not flattered.
fn beat(clock: Clock, hub: SocketAddr, credentials: &[String], duration: Duration) -> Result<Vec<u64>> {
    let per_connection = RATE * duration.as_secs() / u64::try_from(CONNECTIONS)?;
    let start = clock.nanos() + 20_000_000;
    let send = |connection: usize| -> Result<Vec<u64>> {
        let mut http = Http::connect(hub)?;
        let mut latencies = Vec::new();
        for turn in 0..per_connection {
            let number = turn * u64::try_from(CONNECTIONS)? + u64::try_from(connection)?;
            let due = start + number * 1_000_000_000 / RATE;
            thread::sleep(Duration::from_nanos(due.saturating_sub(clock.nanos())));
            interrupt::check()?;
            let credential = credentials.get(usize::try_from(number)? % credentials.len());
            match http.post(PATH, credential.map_or("", String::as_str), BODY)? {
                200 => latencies.push(clock.nanos().saturating_sub(due)),
                status => bail!("a heartbeat was answered with {status}"),
            }
        }
        Ok(latencies)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(move || send(n))).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| anyhow!("a connection's thread panicked"))??);
        }
        Ok(all)
    })
}

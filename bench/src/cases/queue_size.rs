//! Whether a long queue costs more than a short one: what storing (with dropping, where the queue is
//! full), acknowledging and expiring cost per event while 10 events wait, and while 1,000 do.

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use super::{Bench, Span, offline};
use crate::{
    event,
    http::Http,
    interrupt,
    publisher::Publisher,
    redis::Redis,
    report::{Measure, Scaling, Target, micros_per},
    servers::{SECRET, Servers},
    swarm::PATIENCE,
    token::Issuer,
};

/// How many events of each orchestrator a figure is about.
const TOUCHED: u64 = 10;
const SHORT: u64 = 10;
/// As many as a queue holds.
const LONG: u64 = 1_000;
/// How long events wait that are to expire: longer than publishing them takes.
const LIFETIME: Duration = Duration::from_secs(3);

/// CPU time of hub and Redis together, in microseconds per event.
struct Costs {
    store: f64,
    acknowledge: f64,
    expire: f64,
}

/// Measures once.
///
/// # Errors
/// When an event is lost, or a request is refused.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let orchestrators: usize = bench.pick(100, 20);
    let mut publisher = bench.publisher(servers, true)?;
    let short = costs(servers, &mut publisher, 0..orchestrators, SHORT)?;
    let long = costs(servers, &mut publisher, orchestrators..2 * orchestrators, LONG)?;
    let row = |name, value| Measure::new(name, "µs/event", value, Scaling::Time);
    let ratio = |name, long: f64, short: f64| {
        Measure::new(name, "", long / short, Scaling::None).target(Target::AtMost(1.5))
    };
    Ok(vec![
        row("store, 10 wait", short.store),
        row("store and drop, 1,000 wait", long.store),
        row("acknowledge, 10 wait", short.acknowledge),
        row("acknowledge, 1,000 wait", long.acknowledge),
        ratio("acknowledge, long to short", long.acknowledge, short.acknowledge),
        row("expire, 10 wait", short.expire),
        row("expire, 1,000 wait", long.expire),
        ratio("expire, long to short", long.expire, short.expire),
    ])
}

fn costs(
    servers: &mut Servers,
    publisher: &mut Publisher,
    orchestrators: std::ops::Range<usize>,
    waiting: u64,
) -> Result<Costs> {
    let names: Vec<String> = orchestrators.clone().map(event::orchestrator).collect();
    let all = u64::try_from(names.len())?;
    let touched = TOUCHED * all;
    let mut redis = Redis::connect(servers.redis_port)?;
    offline::store(servers, publisher, orchestrators.clone(), waiting * all)?;

    // Into a full queue, each one drops the oldest.
    let to_drop = if waiting < LONG { HashSet::new() } else { oldest(&mut redis, &names)? };
    let span = Span::begin(servers)?;
    for _ in 0..TOUCHED {
        orchestrators.clone().for_each(|index| publisher.publish(index));
    }
    while publisher.confirmed < publisher.published {
        publisher.flush()?;
        interrupt::check()?;
    }
    let all_wait = (waiting + TOUCHED).min(LONG) * all;
    let stored = || {
        let dropped =
            to_drop.is_empty() || oldest(&mut redis, &names)?.iter().all(|id| !to_drop.contains(id));
        Ok(dropped && redis.queued(&names)? >= all_wait)
    };
    wait_until(servers, stored).context("waiting for events to be stored")?;
    let store = micros_per(span.end(servers)?.cpu.sum(), touched);

    let mut http = Http::connect(servers.address)?;
    let key = format!("X-API-Key: {SECRET}");
    let mut requests = Vec::new();
    let issuer = Issuer::new(SECRET)?;
    for (index, name) in orchestrators.clone().zip(&names) {
        let ids = redis.oldest(name, TOUCHED)?;
        let ids = ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(",");
        let credential = format!("Authorization: Bearer {}", issuer.access(name, index));
        requests.push((credential, format!(r#"{{"eventIds":[{ids}]}}"#)));
    }
    let full = redis.queued(&names)?;
    let span = Span::begin(servers)?;
    for (credential, body) in &requests {
        expect(http.post("/api/daemon/events/ack", credential, body)?, &http)?;
    }
    // An acknowledgement is answered before it is written.
    wait_until(servers, || Ok(redis.queued(&names)? + touched <= full))
        .context("waiting for acknowledgements")?;
    let acknowledge = micros_per(span.end(servers)?.cpu.sum(), touched);

    let before = redis.queued(&names)?;
    let began = Instant::now();
    let body = expiring(&names, TOUCHED, LIFETIME)?;
    expect(http.post("/api/events", &key, &body)?, &http)?;
    let queued = redis.queued(&names)?;
    if queued < before + touched {
        bail!("{touched} events were to expire, but only {} wait", queued.saturating_sub(before));
    }
    thread::sleep(LIFETIME.saturating_sub(began.elapsed() + Duration::from_millis(100)));
    let span = Span::begin(servers)?;
    wait_until(servers, || Ok(redis.queued(&names)? <= before)).context("waiting for events to expire")?;
    let expire = micros_per(span.end(servers)?.cpu.sum(), touched);
    Ok(Costs { store, acknowledge, expire })
}

/// The ids of the oldest [`TOUCHED`] events of each queue.
fn oldest(redis: &mut Redis, names: &[String]) -> Result<HashSet<String>> {
    let mut ids = HashSet::new();
    for name in names {
        ids.extend(redis.oldest(name, TOUCHED)?);
    }
    Ok(ids)
}

/// A request with events that live for `lifetime`.
fn expiring(names: &[String], each: u64, lifetime: Duration) -> Result<String> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (at, end) = (event::iso(now), event::iso(now + u64::try_from(lifetime.as_millis())?));
    let event = |name: &String, number: u64| {
        format!(
            r#"{{"id":"expiring_{name}_{now}_{number}","type":"message.received","orchestratorId":"{name}","payload":{{}},"timestamp":"{at}","expiresAt":"{end}","requiresAck":true}}"#
        )
    };
    let events: Vec<String> =
        names.iter().flat_map(|name| (0..each).map(move |number| event(name, number))).collect();
    Ok(format!("[{}]", events.join(",")))
}

fn expect(status: u16, http: &Http) -> Result<()> {
    match status {
        200 => Ok(()),
        status => bail!("a request was answered with {status}: {}", http.text()),
    }
}

fn wait_until(servers: &mut Servers, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > deadline {
            bail!("it did not happen in {} seconds", PATIENCE.as_secs());
        }
        interrupt::check()?;
        servers.check()?;
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

//! Publishing over HTTP: requests of 100 events each over four connections that stay open, to 1,000
//! daemons that acknowledge. A request is answered when its events are stored or taken.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{AT_ONCE, Bench, Span};
use crate::{
    event::{Clock, Template, Way},
    http::Http,
    ledger::Audience,
    report::{Measure, Scaling, Target, count},
    servers::{SECRET, Servers},
};

const DAEMONS: usize = 1_000;
const PUBLISHERS: usize = 4;
/// Events per request.
const BATCH: u64 = 100;

/// What the publishers and the measuring thread share.
#[derive(Default)]
struct Progress {
    /// The number of the next event.
    next: AtomicU64,
    /// Events of requests that were answered.
    accepted: AtomicU64,
    finished: AtomicUsize,
    stop: AtomicBool,
}

/// Measures once. An event counts when its request was answered.
///
/// # Errors
/// When a request is refused, or an event is lost.
pub(crate) fn run(bench: &Bench, servers: &mut Servers) -> Result<Vec<Measure>> {
    let mut swarm = bench.swarm(servers, Audience::InTurn, DAEMONS)?;
    swarm.connect(AT_ONCE)?;
    let (progress, clock, hub) = (Progress::default(), bench.clock, servers.address);
    let accepted = || progress.accepted.load(Ordering::SeqCst);
    let (used, events) = thread::scope(|scope| -> Result<_> {
        let publish = || {
            let outcome = publish(hub, clock, &progress);
            progress.finished.fetch_add(1, Ordering::SeqCst);
            outcome
        };
        let publishers: Vec<_> = (0..PUBLISHERS).map(|_| scope.spawn(publish)).collect();
        let measured = (|| {
            swarm.linger(bench.pick(Duration::from_secs(2), Duration::from_secs(1)))?;
            let (span, before) = (Span::begin(servers)?, accepted());
            swarm.linger(bench.pick(Duration::from_secs(10), Duration::from_secs(3)))?;
            Ok((span.end(servers)?, accepted() - before))
        })();
        progress.stop.store(true, Ordering::SeqCst);
        // Their last requests are answered only while the daemons go on.
        let ended = swarm.until(|swarm| {
            let done = progress.finished.load(Ordering::SeqCst) == PUBLISHERS;
            Ok((done && swarm.ledger.complete >= accepted()).then_some(()))
        });
        for publisher in publishers {
            publisher.join().map_err(|_| anyhow!("a publisher's thread panicked"))??;
        }
        ended.context("waiting for the last events")?;
        measured
    })?;
    swarm.ledger.settle(accepted())?;
    servers.wait_until_empty()?;

    let rate = count(events) / used.time.as_secs_f64();
    let names = ["hub CPU", "Redis CPU", "hub + Redis CPU"];
    let mut measures = vec![
        Measure::new("published and acknowledged", "1/s", rate, Scaling::Rate)
            .target(Target::AtLeast(15_000.0)),
    ];
    measures.extend(super::cpu_per(used.cpu, events, names, "µs/event"));
    measures.push(used.generator());
    Ok(measures)
}

fn publish(hub: SocketAddr, clock: Clock, progress: &Progress) -> Result<()> {
    let mut http = Http::connect(hub)?;
    let (mut template, mut body) = (Template::new(true, Way::Http), Vec::new());
    let key = format!("X-API-Key: {SECRET}");
    while !progress.stop.load(Ordering::SeqCst) {
        let first = progress.next.fetch_add(BATCH, Ordering::SeqCst);
        body.clear();
        for number in first..first + BATCH {
            body.push(if number == first { b'[' } else { b',' });
            template.write(&mut body, number, usize::try_from(number)? % DAEMONS, clock);
        }
        body.push(b']');
        match http.post("/api/events", &key, std::str::from_utf8(&body)?)? {
            200 if !http.says(r#""status":"rejected""#) => {}
            status => bail!("a publish was answered with {status}: {}", http.text()),
        }
        progress.accepted.fetch_add(BATCH, Ordering::SeqCst);
    }
    Ok(())
}

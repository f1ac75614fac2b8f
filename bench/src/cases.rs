//! What is measured. Each case runs against servers of its own.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    args::{Args, Case},
    cores::Cores,
    event::{Clock, Way},
    ledger::Audience,
    process::own_cpu,
    publisher::Publisher,
    report::{Measure, Scaling, Target, micros_per},
    servers::{Cpu, SECRET, Servers},
    swarm::Swarm,
};

pub(crate) mod connect;
pub(crate) mod fanout;
pub(crate) mod heartbeat;
pub(crate) mod http_batch;
pub(crate) mod idle;
pub(crate) mod in_flight;
pub(crate) mod ingress;
pub(crate) mod latency;
pub(crate) mod offline;
pub(crate) mod queue_size;
pub(crate) mod throughput;

/// How many clients are on their way in at the same time.
const AT_ONCE: usize = 64;

/// What every case needs.
pub(crate) struct Bench {
    /// The command line.
    pub(crate) args: Args,
    /// Who runs where.
    pub(crate) cores: Cores,
    /// Time.
    pub(crate) clock: Clock,
}

impl Bench {
    /// Runs a case once, with fresh servers.
    ///
    /// # Errors
    /// When something broke, with the hub's last words.
    pub(crate) fn run(&self, case: Case) -> Result<Vec<Measure>> {
        let run = match case {
            Case::Throughput => throughput::run,
            Case::Latency => latency::run,
            Case::Idle => idle::run,
            Case::Connect => connect::run,
            Case::Fanout => fanout::run,
            Case::Offline => offline::run,
            Case::Heartbeat => heartbeat::run,
            Case::Ingress => ingress::run,
            Case::HttpBatch => http_batch::run,
            Case::QueueSize => queue_size::run,
            Case::InFlight => in_flight::run,
        };
        let extra: &[(&str, &str)] = match case {
            Case::Fanout => &[("WS_MAX_CONNECTIONS_PER_VP", "1000")],
            Case::InFlight => &[("HUB_DELIVERY_MAX_IN_FLIGHT", "1000")],
            _ => &[],
        };
        let mut servers = Servers::start(&self.args, self.cores, extra)?;
        let measures = run(self, &mut servers).and_then(|measures| servers.check().map(|()| measures));
        // A client's complaint is often explained by what the hub wrote, or by its end.
        measures.map_err(|error| match servers.check() {
            Ok(()) => anyhow::anyhow!("{error:#}{}", servers.last_words()),
            Err(end) => anyhow::anyhow!("{error:#}; {end}"),
        })
    }

    fn swarm(&self, servers: &Servers, audience: Audience, count: usize) -> Result<Swarm> {
        Swarm::prepare(servers.address, SECRET, self.clock, audience, count)
    }

    fn publisher(&self, servers: &Servers, requires_ack: bool) -> Result<Publisher> {
        Publisher::connect(servers.redis_port, self.clock, requires_ack, Way::Channel)
    }

    /// One of two values, depending on how much time there is.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.args.quick { quick } else { full }
    }
}

/// A stretch of time, and what was used in it.
struct Span {
    began: Instant,
    cpu: Cpu,
    own: Duration,
}

/// What a [`Span`] came to.
struct Used {
    time: Duration,
    cpu: Cpu,
    /// The share of its core that the generator used: near 100 % it is the bottleneck itself.
    own_share: f64,
}

impl Span {
    fn begin(servers: &Servers) -> Result<Self> {
        Ok(Self { began: Instant::now(), cpu: servers.cpu()?, own: own_cpu()? })
    }

    fn end(&self, servers: &Servers) -> Result<Used> {
        let time = self.began.elapsed();
        let own = own_cpu()?.saturating_sub(self.own);
        Ok(Used { time, cpu: servers.cpu()? - self.cpu, own_share: own.as_secs_f64() / time.as_secs_f64() })
    }
}

impl Used {
    /// Three rows: the hub's and Redis's CPU time per thing, and the sum with its target.
    fn per(&self, things: u64, unit: &'static str, target: f64) -> Vec<Measure> {
        let [hub, redis, both] = cpu_per(self.cpu, things, ["hub CPU", "Redis CPU", "hub + Redis CPU"], unit);
        vec![hub, redis, both.target(Target::AtMost(target))]
    }

    fn generator(&self) -> Measure {
        Measure::new("generator's core in use", "%", self.own_share * 100.0, Scaling::None)
    }
}

/// CPU time per thing: the hub's, Redis's, and the sum.
fn cpu_per(cpu: Cpu, things: u64, [hub, redis, both]: [&'static str; 3], unit: &'static str) -> [Measure; 3] {
    let row = |name, time| Measure::new(name, unit, micros_per(time, things), Scaling::Time);
    [row(hub, cpu.hub), row(redis, cpu.redis), row(both, cpu.sum())]
}

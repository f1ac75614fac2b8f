//! Traffic while hubs and Redis are killed (`kill -9`) at random moments, and then a look at the
//! history: what was accepted was taken, or its end is known; nothing came to strangers, twice at a
//! time, or after its acknowledgement was confirmed; and the books balance.
//!
//! `plan` says how much of it, `publishers` and `daemon` are the traffic, `nemesis` does the killing,
//! `history` is what was seen, `checker` judges it, `aftermath` asks the servers, `report` tells.
//! `make chaos` runs it for longer.

mod aftermath;
mod checker;
mod daemon;
mod history;
mod nemesis;
mod plan;
mod publishers;
mod report;

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use self::{history::History, nemesis::Servers, plan::Plan};
use crate::support::{hub::Hub, identity::Identity, in_both_modes, redis::RedisServer, world::Mode};

in_both_modes! {
    accepted_events_survive_the_death_of_servers,
}

fn accepted_events_survive_the_death_of_servers(mode: Mode) {
    run(Plan::short(mode));
}

#[test]
#[ignore = "takes as long as it is told to; `make chaos` runs it"]
fn for_as_long_as_it_is_told_to() {
    Plan::from_environment().into_iter().for_each(run);
}

/// What all participants of a run share.
struct Stage {
    plan: Plan,
    history: History,
    /// By daemon.
    identities: Vec<Identity>,
    /// Where the hubs listen.
    ports: Vec<u16>,
    connections: AtomicUsize,
    calm: AtomicBool,
    over: AtomicBool,
}

impl Stage {
    fn new(plan: Plan, servers: &Servers) -> Self {
        let first: Vec<_> = (0..plan.orchestrators).map(|_| Identity::new()).collect();
        let identities = (0..plan.daemons).map(|daemon| first[plan.orchestrator_of(daemon)].sibling());
        Self {
            plan,
            history: History::new(plan.seed),
            identities: identities.collect(),
            ports: servers.hubs.iter().map(Hub::port).collect(),
            connections: AtomicUsize::new(0),
            calm: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// The name of an orchestrator.
    fn orchestrator(&self, orchestrator: usize) -> &str {
        &self.identities[orchestrator].orchestrator
    }

    /// The number of the next connection.
    fn next_connection(&self) -> usize {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether there are no faults any more: nothing new is published, and daemons take what they get.
    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Whether everybody goes home.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Sends everybody home, also when the run failed.
struct Curtain<'a>(&'a Stage);

impl Drop for Curtain<'_> {
    fn drop(&mut self) {
        self.0.calm.store(true, Ordering::Relaxed);
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// One run; panics with the seed and the history of each offending event.
fn run(plan: Plan) {
    let Plan { mode, seed, span, .. } = plan;
    say(&format!("chaos: {mode:?}, seed {seed}, {} s", span.as_secs()));
    let mut servers = Servers::start(&plan);
    let stage = Stage::new(plan, &servers);
    let settled = thread::scope(|scope| {
        let curtain = Curtain(&stage);
        scope.spawn(|| daemons(&stage));
        let mut publishers = vec![scope.spawn(|| publishers::over_http(&stage, 0))];
        match servers.redis.as_ref().map(RedisServer::url) {
            Some(url) => {
                let (stage, copy) = (&stage, url.clone());
                publishers.push(scope.spawn(move || publishers::over_stream(stage, &url)));
                publishers.push(scope.spawn(move || publishers::over_channel(stage, &copy)));
            }
            None => publishers.push(scope.spawn(|| publishers::over_http(&stage, 1))),
        }
        servers.torment(&stage);
        stage.calm.store(true, Ordering::Relaxed);
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        let settled = servers.settle().map(|()| servers.books_balance());
        drop(curtain);
        settled
    });
    let recount = servers.recount();
    let account = stage.history.account();
    let fates = servers.fates(&stage, &checker::not_taken(&account));
    // Its time is measured at the hub; out here half a second less is certain.
    let claimed_for = plan::ACK_DEADLINES[0] - Duration::from_millis(500);
    let offences = checker::offences(&account, &fates, |daemon| plan.orchestrator_of(daemon), claimed_for);
    say(&report::summary(&account, &fates));
    let sound = settled == Ok(true) && recount.clean && offences.is_empty();
    assert!(
        sound,
        "chaos: {mode:?}, seed {seed}: settled with books that balance: {settled:?}; fsck: {}\n{}",
        recount.text,
        report::indictment(&account, &offences, |event| stage.history.id(event)),
    );
}

/// All daemons, on one thread.
fn daemons(stage: &Stage) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = (0..stage.plan.daemons).map(|daemon| daemon::live(stage, daemon));
    runtime.block_on(futures_util::future::join_all(all));
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

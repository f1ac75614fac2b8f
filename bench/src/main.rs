//! The hub's benchmark: a black box that starts a Redis and a hub, plays platform and daemons, and
//! says what an event and a connection cost.
//!
//! `args` → `main` → `cases` (one file per figure) → `servers` (the hub and Redis, by process id)
//! and `swarm` (the clients, on one poll); `publisher` is the platform, `ledger` knows who got
//! what, `calibration` makes figures from noisy machines compare, and `report` prints them.
//!
//! Nothing here passes or fails by the clock. The exit code is 1 only when something broke: an event
//! was lost, a connection refused, or a server ended.

mod args;
mod calibration;
mod cases;
mod client;
mod cores;
mod event;
mod http;
mod interrupt;
mod ledger;
mod process;
mod publisher;
mod redis;
mod report;
mod servers;
mod socket;
mod swarm;
mod token;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{
    args::{Args, Case},
    cases::Bench,
    cores::Cores,
    event::Clock,
    report::Report,
};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything that was asked for; answers whether nothing broke.
fn run(args: Args) -> Result<bool> {
    interrupt::install()?;
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    let cores = Cores::choose()?;
    cores.enter_generator()?;
    let bench = Bench { args, cores, clock: Clock::start() };
    if cores.pinned {
        say(&format!("hub and Redis on core {}, generator on core {}", cores.servers, cores.generator))?;
    } else {
        say("there is only one core: nothing is pinned, and the generator takes time from the hub")?;
    }

    let (mut report, mut sound) = (Report::default(), true);
    for case in bench.args.cases.clone() {
        sound &= run_case(&bench, case, &mut report)?;
        say(&report.case(case))?;
        if interrupt::requested() {
            return Ok(false);
        }
    }
    say("Summary (judged by the normalised medians)")?;
    say(&report.summary())?;
    Ok(sound)
}

/// All runs of one case; answers whether none broke.
fn run_case(bench: &Bench, case: Case, report: &mut Report) -> Result<bool> {
    let mut sound = true;
    for run in 1..=bench.args.runs() {
        let before = calibration::factor(bench.cores)?;
        let measures = bench.run(case);
        let after = calibration::factor(bench.cores)?;
        let outcome = match measures {
            Ok(measures) => {
                report.add(case, measures, f64::midpoint(before, after));
                "done".to_owned()
            }
            Err(error) => {
                sound = false;
                format!("BROKEN: {error:#}")
            }
        };
        let total = bench.args.runs();
        say(&format!(
            "{case} {run}/{total}: {outcome}; machine factor {before:.2} before, {after:.2} after"
        ))?;
        if interrupt::requested() {
            break;
        }
    }
    Ok(sound)
}

fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Parser, ValueEnum};

/// Measures a hub from outside: what it costs per event, per connection, and how quick it is.
#[derive(Debug, Parser)]
#[command(name = "neolith-hub-bench", version)]
pub(crate) struct Args {
    /// The hub to measure
    #[arg(long, default_value = "target/release/neolith-hub")]
    pub(crate) hub: PathBuf,
    /// The Redis server to put beside it
    #[arg(long, default_value = "redis-server")]
    pub(crate) redis: PathBuf,
    /// Which cases to run
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Case::ALL)]
    pub(crate) cases: Vec<Case>,
    /// How often each case runs, each time with fresh servers [default: 3, with --quick 1]
    #[arg(long)]
    pub(crate) runs: Option<u32>,
    /// Shorter and smaller, to see that everything works; the figures are rough
    #[arg(long)]
    pub(crate) quick: bool,
    /// One more environment variable for the hub; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) hub_env: Vec<Variable>,
}

impl Args {
    /// How often each case runs.
    #[must_use]
    pub(crate) fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// As many acknowledged deliveries as the hub can do
    Throughput,
    /// How long an event takes at 1,000/s and 5,000/s
    Latency,
    /// What 5,000 connections cost that do nothing
    Idle,
    /// Coming and going
    Connect,
    /// One event to 1,000 connections
    Fanout,
    /// Events for those who come later
    Offline,
    /// How long a heartbeat over HTTP takes at 1,000/s
    Heartbeat,
    /// Throughput from the stream that loses nothing
    Ingress,
    /// Publishing over HTTP in requests of 100 events
    HttpBatch,
    /// Whether a long queue costs more than a short one
    QueueSize,
    /// What it costs to wait for acknowledgements
    InFlight,
}

impl Case {
    /// Every case, in the order in which they run.
    pub(crate) const ALL: [Self; 11] = [
        Self::Throughput,
        Self::Latency,
        Self::Idle,
        Self::Connect,
        Self::Fanout,
        Self::Offline,
        Self::Heartbeat,
        Self::Ingress,
        Self::HttpBatch,
        Self::QueueSize,
        Self::InFlight,
    ];
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Idle => "idle",
            Self::Connect => "connect",
            Self::Fanout => "fanout",
            Self::Offline => "offline",
            Self::Heartbeat => "heartbeat",
            Self::Ingress => "ingress",
            Self::HttpBatch => "http-batch",
            Self::QueueSize => "queue-size",
            Self::InFlight => "in-flight",
        };
        f.write_str(name)
    }
}

/// A `NAME=VALUE` pair.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    /// Left of the first equals sign.
    pub(crate) name: String,
    /// Right of it.
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("expected NAME=VALUE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn cases_are_a_list_and_all_by_default() {
        let args = Args::try_parse_from(["bench", "--cases", "idle,fanout"]).expect("valid");
        assert_eq!(args.cases, [Case::Idle, Case::Fanout]);
        let args = Args::try_parse_from(["bench"]).expect("valid");
        assert_eq!((args.cases.as_slice(), args.runs()), (Case::ALL.as_slice(), 3));
    }

    #[test]
    fn variables_need_a_name() {
        let variable: Variable = "A=b=c".parse().expect("valid");
        assert_eq!((variable.name.as_str(), variable.value.as_str()), ("A", "b=c"));
        assert!("=b".parse::<Variable>().is_err() && "A".parse::<Variable>().is_err());
    }
}

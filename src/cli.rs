//! The command line. Each command is a file; this one reads arguments and turns errors into exit
//! codes: 2 for a wrong configuration or wrong arguments, 1 for everything else.

mod address;
mod admin;
mod check_config;
mod error;
mod fsck;
mod health;
mod listen;
mod migrate;
mod output;
mod publish;
mod serve;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use self::error::CliError;
use crate::config::{Config, Overrides, Secrets};

const EXAMPLES: &str = "\
Examples:
  neolith-hub                                       run a hub on 127.0.0.1:3000, with no server beside it
  neolith-hub listen --orchestrator demo            receive events as a daemon of \"demo\"
  neolith-hub publish --orchestrator demo --data '{\"content\":\"hello\"}'
  neolith-hub health                                ask whether the hub works
  REDIS_URL=redis://cache DAEMON_JWT_SECRET=… neolith-hub     run one of several hubs
  neolith-hub check-config                          show the settings in effect, without secrets

Settings come from compiled-in defaults, then a TOML file, then the environment; config/default.toml
documents every one. Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, or
nothing to look at (fsck).";

/// A WebSocket hub that brings events to agent daemons, and keeps what nobody has taken yet.
#[derive(Debug, Parser)]
#[command(name = "neolith-hub", version, after_help = EXAMPLES)]
struct Arguments {
    /// A TOML file with settings [env: HUB_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Where databases and generated secrets are kept [env: HUB_DATA_DIR] [default: ./data]
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub; this is what happens without a command
    Serve,
    /// Bring the database to the version that this program needs
    Migrate,
    /// Print an access token for a daemon, and nothing else
    Token(token::Arguments),
    /// Receive events as a daemon: one JSON line each on stdout, what happens around them on stderr
    Listen(listen::Arguments),
    /// Publish one event
    Publish(publish::Arguments),
    /// Manage organizations, orchestrators, keys and what is live
    Admin(admin::Arguments),
    /// Check the configuration and show it without secrets; creates nothing
    CheckConfig,
    /// Count everything in the backplane again and say what contradicts itself; changes nothing
    Fsck(fsck::Arguments),
    /// Ask a running hub whether it is alive and ready
    Health(health::Arguments),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed as well there is nobody left to tell.
            let _told = output::note(&format!("neolith-hub: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<(), CliError> {
    let overrides = Overrides { config_file: arguments.config, data_dir: arguments.data_dir };
    let load = |secrets: Secrets| Config::load(&overrides, secrets);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(load(Secrets::Create)?, &overrides),
        Command::Migrate => migrate::run(&load(Secrets::Inspect)?),
        Command::Token(arguments) => token::run(&load(Secrets::Create)?, &arguments),
        Command::Listen(arguments) => {
            let secrets = if arguments.has_token() { Secrets::Inspect } else { Secrets::Create };
            listen::run(&load(secrets)?, arguments)
        }
        Command::Publish(arguments) => publish::run(&load(Secrets::Create)?, &arguments),
        Command::Admin(arguments) => admin::run(&overrides, &arguments),
        Command::CheckConfig => check_config::run(&load(Secrets::Inspect)?),
        Command::Fsck(arguments) => fsck::run(&load(Secrets::Inspect)?, &arguments),
        Command::Health(arguments) => health::run(&load(Secrets::Inspect)?, &arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("neolith-hub").chain(line.split_whitespace()))
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_what_happens_without_a_command() {
        assert!(parse("").expect("arguments").command.is_none());
        assert!(matches!(parse("serve").expect("arguments").command, Some(Command::Serve)));
    }

    #[test]
    fn global_options_go_before_and_after_the_command() {
        for line in ["--data-dir /d --config /c health", "health --data-dir /d --config /c"] {
            let arguments = parse(line).expect("arguments");
            assert_eq!(arguments.data_dir, Some("/d".into()));
            assert_eq!(arguments.config, Some("/c".into()));
        }
    }

    #[test]
    fn ids_and_json_are_checked_before_anything_is_done() {
        assert!(parse("token --orchestrator vp_1 --daemon d").is_ok());
        for line in [
            "token --orchestrator a:b --daemon d",
            "token --orchestrator a --daemon d --scopes no:such",
            "token --orchestrator a --daemon d --ttl 0",
            "publish --orchestrator a --data [1]",
            "publish --orchestrator a --data {",
            "publish --orchestrator a --type a/b",
            "listen --orchestrator a --subscribe nonsense",
            "listen --orchestrator a --count 0",
            "listen",
            "admin",
            "admin member list",
            "admin member list --org o --channel c",
            "admin channel update c --set name",
            "admin revoke --before 2030-01-01T00:00:00Z",
            "admin bootstrap --organization o --orchestrator p --id a:b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}

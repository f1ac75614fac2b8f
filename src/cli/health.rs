//! `health`: whether a running hub is alive and ready, for people and for container probes.

use clap::Args;

use super::{CliError, address, output};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The hub to ask; the configured address without this
    #[arg(long, value_name = "http://…")]
    url: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), CliError> {
    let base = address::http_base(arguments.url.as_deref(), &config.server.bind);
    let agent = address::agent();
    let mut failed = Vec::new();
    for path in ["/health", "/ready"] {
        let url = format!("{base}{path}");
        let answer = agent.get(&url).call().and_then(|mut response| {
            let body = response.body_mut().read_to_string()?;
            Ok((response.status(), body))
        });
        let (status, body) = answer.map_err(|error| {
            CliError::failed(format!(
                "cannot reach the hub at {url}: {error}; start it, or name it with --url"
            ))
        })?;
        output::line(&format!("{path} {} {}", status.as_u16(), body.trim()))?;
        if !status.is_success() {
            failed.push(path);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        paths => Err(CliError::failed(format!("the hub at {base} fails {}", paths.join(" and ")))),
    }
}

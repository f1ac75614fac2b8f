//! `listen`: a daemon that prints what it receives.

use std::{num::NonZeroU64, time::Duration};

use clap::Args;
use tokio::sync::oneshot;

use super::{CliError, address, output, token::Issuer};
use crate::{
    client::{Client, ClientConfig, Handled, Handler, ReceivedEvent, Status},
    config::Config,
    domain::{
        ids::{ChannelId, DaemonId, OrchestratorId, OrganizationId},
        scope::ScopeSet,
        subscription::TypePattern,
    },
};

/// How long a token of this command is good for; each connection gets a new one.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whose events to receive
    #[arg(long, value_name = "ID", value_parser = OrchestratorId::parse)]
    orchestrator: OrchestratorId,
    /// The daemon instance to be; a second one with this name ends the first one's connection
    #[arg(long, value_name = "ID", default_value = "cli", value_parser = DaemonId::parse)]
    daemon: DaemonId,
    /// The tenant that the orchestrator belongs to
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization: Option<OrganizationId>,
    /// Where the hub is; the configured address without this
    #[arg(long, value_name = "ws://…")]
    url: Option<String>,
    /// Event types: names, prefix.* or *
    #[arg(long, value_name = "TYPES", default_value = "*", value_delimiter = ',', value_parser = pattern)]
    subscribe: Vec<String>,
    /// Only events of these channels
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = ChannelId::parse)]
    channel: Vec<ChannelId>,
    /// An access token; without one it is made with the configured secret
    #[arg(long)]
    token: Option<String>,
    /// Do not acknowledge: the hub keeps the events and sends them again
    #[arg(long)]
    no_ack: bool,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
}

impl Arguments {
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

fn pattern(text: &str) -> Result<String, String> {
    TypePattern::parse(text).map(String::from).map_err(|error| error.to_string())
}

pub(super) fn run(config: &Config, arguments: Arguments) -> Result<(), CliError> {
    let default_url = || format!("ws://{}{}", address::reachable(&config.server.bind), config.server.ws_path);
    let client = ClientConfig {
        url: arguments.url.unwrap_or_else(default_url),
        daemon_id: arguments.daemon.clone(),
        orchestrator_id: arguments.orchestrator.clone(),
        subscriptions: arguments.subscribe,
        channels: arguments.channel,
    };
    let issuer = Issuer::new(config, &arguments.orchestrator, &arguments.daemon)?;
    let (token, organization) = (arguments.token, arguments.organization);
    let token_source = async || match &token {
        Some(token) => Ok(token.clone()),
        None => Ok(issuer.issue(organization.as_ref(), ScopeSet::standard(), TOKEN_LIFETIME)?),
    };
    let (stop, stopped) = oneshot::channel();
    let mut printer = Printer {
        acknowledge: !arguments.no_ack,
        left: arguments.count.map(NonZeroU64::get),
        stop: Some(stop),
        failure: None,
    };
    output::note(&format!("connecting to {} as {}", client.url, client.daemon_id))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = async {
            tokio::select! {
                _ = stopped => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        Client::new(client, token_source).run(&mut printer, shutdown).await
    })?;
    printer.failure.map_or(Ok(()), |error| Err(error.into()))
}

struct Printer {
    acknowledge: bool,
    left: Option<u64>,
    stop: Option<oneshot::Sender<()>>,
    failure: Option<std::io::Error>,
}

impl Printer {
    fn stop(&mut self) {
        // A receiver that is gone means that the client is ending already.
        let _ending = self.stop.take().map(|stop| stop.send(()));
    }

    /// Whether the event reached the reader.
    fn print(&mut self, event: &ReceivedEvent) -> bool {
        // A publisher may break lines between the members of its payload; inside strings JSON has none.
        let line = serde_json::to_string(event).map(|json| json.replace(['\n', '\r'], " "));
        match line.map_err(std::io::Error::from).and_then(|line| output::line(&line)) {
            Ok(()) => true,
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }
}

impl Handler for Printer {
    async fn event(&mut self, event: ReceivedEvent) -> Handled {
        if self.stop.is_none() {
            return Handled::Refused;
        }
        if !self.print(&event) {
            self.stop();
            return Handled::Refused;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        if self.left == Some(0) {
            self.stop();
        }
        if self.acknowledge { Handled::Done } else { Handled::Refused }
    }

    fn status(&mut self, status: &Status) {
        let text = match status {
            Status::Authenticated { session } => format!("connected, session {session}"),
            Status::ReconnectAsked { reason, delay } => {
                format!("the hub asks to reconnect in {} ms: {reason}", delay.as_millis())
            }
            Status::Problem(text) => format!("problem: {text}"),
            Status::Disconnected { reason, retry_in } => {
                format!("{reason}; trying again in {:.1} s", retry_in.as_secs_f64())
            }
        };
        // Events matter more than remarks; without stderr they go on.
        let _written = output::note(&text);
    }
}

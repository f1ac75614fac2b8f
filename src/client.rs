//! The client that daemons use: it stays connected, hands events over and acknowledges them.
//!
//! Delivery is at least once: a handler sees an event again when its acknowledgement was lost, and
//! tells it by the event id.

mod backoff;
mod connection;
mod frames;

use std::{error::Error as StdError, pin::pin, time::Duration};

use thiserror::Error;
use tokio::time::sleep;

pub use self::frames::ReceivedEvent;
use self::{
    backoff::Backoff,
    connection::{Connection, End},
};
use crate::domain::ids::{ChannelId, DaemonId, OrchestratorId};

/// What a token source may fail with.
pub type TokenError = Box<dyn StdError + Send + Sync>;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `ws://host:port/path`
    pub url: String,
    /// This daemon instance.
    pub daemon_id: DaemonId,
    /// The orchestrator it works for.
    pub orchestrator_id: OrchestratorId,
    /// Event types: names, `prefix.*` or `*`.
    pub subscriptions: Vec<String>,
    /// The channels to hear of; empty is all.
    pub channels: Vec<ChannelId>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It is taken care of; the hub may forget it.
    Done,
    /// It is not acknowledged, and the hub sends it again.
    Refused,
}

/// What happens around the events.
#[derive(Debug)]
pub enum Status {
    /// Events come from now on.
    Authenticated {
        /// The session, as the HTTP API names it.
        session: String,
    },
    /// The hub asked to come back later; events go on until then.
    ReconnectAsked {
        /// Why.
        reason: String,
        /// How long this connection has.
        delay: Duration,
    },
    /// The hub refused something that the client said, or said what the client cannot read.
    Problem(String),
    /// There is no connection.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// What a daemon does with events.
pub trait Handler {
    /// Takes an event. It is acknowledged when this is done, if it asks for that.
    fn event(&mut self, event: ReceivedEvent) -> impl Future<Output = Handled>;

    /// Hears what happens around the events.
    fn status(&mut self, _status: &Status) {}
}

/// Why the client gave up. Everything else is retried for ever.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL cannot be used.
    #[error("{url:?} is no address of a hub: use ws://host:port/daemon/ws")]
    Url {
        /// The URL.
        url: String,
    },
    /// The URL asks for TLS.
    #[error("wss:// is not supported: TLS ends at a proxy in front of the hub; connect with ws:// behind it")]
    Tls,
    /// The session was revoked, or another process connected as the same daemon.
    #[error("the hub ended this session: it was revoked, or another process runs as the same daemon")]
    Terminated,
}

/// A connection to a hub that is kept up.
#[derive(Debug)]
pub struct Client<S> {
    config: ClientConfig,
    token_source: S,
}

impl<S: AsyncFnMut() -> Result<String, TokenError>> Client<S> {
    /// A client that asks `token_source` for a token before each connection.
    pub fn new(config: ClientConfig, token_source: S) -> Self {
        Self { config, token_source }
    }

    /// Runs until `shutdown` is ready. What was handed over by then is acknowledged.
    ///
    /// # Errors
    /// When connecting again cannot help.
    pub async fn run(
        mut self,
        handler: &mut impl Handler,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ClientError> {
        check_url(&self.config.url)?;
        let mut shutdown = pin!(shutdown);
        let mut backoff = Backoff::new();
        loop {
            let opened = tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                opened = open(&self.config, &mut self.token_source, handler) => opened,
            };
            let end = match opened {
                Ok(connection) => {
                    backoff.reset();
                    connection.serve(handler, &mut shutdown).await
                }
                Err(end) => end,
            };
            let (reason, retry_after) = match end {
                End::Shutdown => return Ok(()),
                End::Terminated => return Err(ClientError::Terminated),
                End::Lost { reason, retry_after } => (reason, retry_after),
            };
            let retry_in = backoff.next(rand::random(), retry_after);
            handler.status(&Status::Disconnected { reason, retry_in });
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                () = sleep(retry_in) => {}
            }
        }
    }
}

async fn open<'a>(
    config: &'a ClientConfig,
    token_source: &mut impl AsyncFnMut() -> Result<String, TokenError>,
    handler: &mut impl Handler,
) -> Result<Connection<'a>, End> {
    let token = token_source().await.map_err(|error| End::Lost {
        reason: format!("there is no token: {error}"),
        retry_after: Duration::ZERO,
    })?;
    Connection::open(config, &token, handler).await
}

fn check_url(url: &str) -> Result<(), ClientError> {
    match url.split_once("://") {
        Some(("ws", rest)) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        Some(("wss", _)) => Err(ClientError::Tls),
        _ => Err(ClientError::Url { url: url.to_owned() }),
    }
}

#[cfg(test)]
mod tests;

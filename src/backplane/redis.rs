//! The backplane of a fleet: Redis.
//!
//! One multiplexed connection carries all commands, pipelined; another one carries what is published.
//! Both come back by themselves after a loss, for ever, and nothing falls back to another backplane.

mod bus;
mod keys;
pub mod publish;
mod queue;
mod records;
mod registry;
mod scripts;

use std::time::Duration;

use redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{BackplaneError, Result};

/// How long a command may take before it counts as lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How soon a lost connection is tried again, at first and at most.
const RECONNECT_DELAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A Redis server, or what stands for one.
#[derive(Clone)]
pub struct RedisBackplane {
    client: Client,
    commands: ConnectionManager,
}

impl std::fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisBackplane").finish_non_exhaustive()
    }
}

impl RedisBackplane {
    /// Prepares the connection to `url`; it is made with the first command, and again after each
    /// loss. Must be called inside a Tokio runtime, which then drives the connection.
    ///
    /// # Errors
    /// When `url` is no Redis URL.
    pub fn connect(url: &str) -> Result<Self> {
        let client = Client::open(url).map_err(unavailable)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(1)
            .set_min_delay(RECONNECT_DELAY.0)
            .set_max_delay(RECONNECT_DELAY.1);
        let commands =
            ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(unavailable)?;
        Ok(Self { client, commands })
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<()> {
        redis::cmd("PING").query_async(&mut self.commands()).await.map_err(unavailable)
    }

    /// A handle for one command; all handles share the connection.
    fn commands(&self) -> ConnectionManager {
        self.commands.clone()
    }
}

/// The library's errors in this layer's terms. Their text has neither keys nor credentials.
fn unavailable(error: RedisError) -> BackplaneError {
    BackplaneError::Unavailable(error.to_string())
}

fn corrupt(what: impl Into<String>) -> BackplaneError {
    BackplaneError::Corrupt(what.into())
}

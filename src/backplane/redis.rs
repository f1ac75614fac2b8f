//! The backplane of a fleet: Redis.
//!
//! One multiplexed connection carries all commands, pipelined; another one carries what is published, a
//! third one waits for the stream. All come back by themselves after a loss, for ever, and nothing falls
//! back to another backplane.

mod acknowledgements;
mod books;
mod bus;
mod claims;
mod commit;
mod dead_letters;
mod fleet;
mod idempotency;
mod in_flight;
mod ingress;
mod inspection;
mod keys;
mod liveness;
pub mod publish;
mod queue;
mod records;
mod recount;
mod registrations;
mod registry;
mod revocations;
mod routing;
mod scripts;
mod sessions;
mod status;
mod trail;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{BackplaneError, Result};
use crate::domain::clock::{Monotonic, monotonic};

/// How long a command may take before it counts as lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long connecting may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How soon a lost connection is tried again, at first and at most.
const RECONNECT_DELAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A Redis server, or what stands for one.
#[derive(Clone)]
pub struct RedisBackplane {
    client: Client,
    /// Replaced when it does not answer: the library reconnects when a connection breaks, but one whose
    /// other end vanished silently breaks only when the kernel gives up, many minutes later.
    commands: Arc<ArcSwap<ConnectionManager>>,
    replaced_at: Arc<AtomicU64>,
    reader: ingress::Reader,
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
        let commands = prepare(&client).map_err(unavailable)?;
        Ok(Self {
            client,
            commands: Arc::new(ArcSwap::from_pointee(commands)),
            replaced_at: Arc::new(AtomicU64::new(0)),
            reader: ingress::Reader::default(),
        })
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<()> {
        self.run(&redis::cmd("PING")).await
    }

    /// A handle for one command; all handles share the connection.
    fn commands(&self) -> ConnectionManager {
        ConnectionManager::clone(&self.commands.load())
    }

    /// Translates a failure, and gives up a connection that does not answer.
    fn failed(&self, error: RedisError) -> BackplaneError {
        if error.is_timeout() {
            self.reconnect();
        }
        unavailable(error)
    }

    /// Starts a new connection, at most once per response time-out; what waits on the old one fails by
    /// its own time-out.
    fn reconnect(&self) {
        let (now, before) = (monotonic(), self.replaced_at.load(Ordering::Relaxed));
        let due = now.since(Monotonic(before)) >= RESPONSE_TIMEOUT;
        let mine = || self.replaced_at.compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed);
        if due
            && mine().is_ok()
            && let Ok(commands) = prepare(&self.client)
        {
            log::warn!("Redis does not answer; connecting anew");
            self.commands.store(Arc::new(commands));
        }
    }
}

fn prepare(client: &Client) -> redis::RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(1)
        .set_min_delay(RECONNECT_DELAY.0)
        .set_max_delay(RECONNECT_DELAY.1);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// The library's errors in this layer's terms. Their text has neither keys nor credentials.
fn unavailable(error: RedisError) -> BackplaneError {
    BackplaneError::Unavailable(error.to_string())
}

fn corrupt(what: impl Into<String>) -> BackplaneError {
    BackplaneError::Corrupt(what.into())
}

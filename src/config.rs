//! Settings: merged from their sources, checked once, then plain data. The only room that reads the
//! environment of the process.
//!
//! Only [`Config`] is passed on; whoever holds one need not check anything again.

mod error;
mod keys;
mod raw;
mod secret;
pub mod secrets;
mod sources;
mod validate;
mod variables;

#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    error::ConfigError,
    secret::{DatabaseUrl, Secret, redact_url},
    sources::Overrides,
};

/// The shortest signing secret, in bytes; below it a token can be used to guess the secret offline.
const MIN_SECRET_BYTES: usize = 8;

/// Everything that can be set, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listening socket and the process.
    pub server: Server,
    /// Tokens and keys.
    pub auth: Auth,
    /// How many requests are answered.
    pub limits: Limits,
    /// Connections.
    pub websocket: WebSocket,
    /// Queues and acknowledgements.
    pub delivery: Delivery,
    /// The stream that publishers append to.
    pub ingress: Ingress,
    /// Messages to one orchestrator.
    pub routing: Routing,
    /// What hubs and the platform share.
    pub backplane: Backplane,
    /// Accounts, messages, audit.
    pub database: DatabaseUrl,
    /// The events that the hub sends itself; `None` when it sends none.
    pub canary: Option<Canary>,
    /// Log records.
    pub log: Log,
    /// The platform's daemon API. Nothing uses it yet.
    pub daemon_api: Option<DaemonApi>,
}

/// The listening socket and the process.
#[derive(Debug, Clone)]
pub struct Server {
    /// `host:port` to listen on.
    pub bind: String,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// The third path of the WebSocket endpoint, beside the two fixed ones.
    pub ws_path: String,
    /// Where files are kept; absolute.
    pub data_dir: PathBuf,
    /// Sockets of this process at once.
    pub max_connections: usize,
    /// How long a stop waits for daemons to leave.
    pub drain_timeout: Duration,
    /// How many sessions a stop sends away per second.
    pub drain_rate: u32,
    /// Proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpAddr>,
}

/// Requests per minute.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Everything under `/api`, per address.
    pub requests_per_address: NonZeroU32,
    /// Everything under `/api` with a token, per session.
    pub requests_per_credential: NonZeroU32,
    /// Logins, refreshes and registrations, per address.
    pub logins_per_address: NonZeroU32,
    /// Fleet routes, per address.
    pub fleet_requests_per_address: NonZeroU32,
    /// Admin routes, per address.
    pub admin_requests_per_address: NonZeroU32,
}

/// Tokens and keys.
#[derive(Debug, Clone)]
pub struct Auth {
    /// What tokens are signed with.
    pub jwt_secret: Secret,
    /// The `iss` of tokens.
    pub issuer: String,
    /// The `aud` of tokens.
    pub audience: String,
    /// The key of administrators and publishers; without one their routes are closed.
    pub admin_api_key: Option<Secret>,
    /// Whether each event family asks for its own scope.
    pub strict_scopes: bool,
}

/// Connections.
#[derive(Debug, Clone)]
pub struct WebSocket {
    /// How often daemons send heartbeats.
    pub heartbeat_interval: Duration,
    /// How long a connection may stay unauthenticated.
    pub auth_timeout: Duration,
    /// Authenticated connections of one orchestrator.
    pub max_connections_per_orchestrator: u32,
    /// Frames that a connection may send per window.
    pub message_limit: u32,
    /// The length of that window.
    pub message_window: Duration,
    /// How often the hub pings.
    pub ping_interval: Duration,
    /// How long a peer may stop reading.
    pub slow_consumer_timeout: Duration,
    /// Who may connect when `Origin` is present; empty refuses browsers, `*` is anybody.
    pub allowed_origins: Vec<String>,
}

/// Queues and acknowledgements.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Events that need an acknowledgement, on their way to one connection that asks for no other number.
    pub max_in_flight: usize,
    /// How many a connection may ask for.
    pub max_in_flight_ceiling: usize,
    /// How long each attempt waits for its acknowledgement; never empty, the last entry repeats.
    pub redelivery_schedule: Vec<Duration>,
    /// Attempts before an event goes to the dead letters.
    pub max_attempts: u32,
    /// How long changes are collected before they are written together.
    pub commit_interval: Duration,
    /// How many changes are written without waiting for that.
    pub commit_size: usize,
    /// How many changes may wait while the store is away.
    pub buffer_capacity: usize,
    /// How often queues are looked through for what other wake-ups missed.
    pub sweep_interval: Duration,
}

/// The stream that publishers append to.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// How many entries are taken at once.
    pub batch: usize,
    /// How long a hub may hold an entry before another one takes it over.
    pub claim_after: Duration,
    /// How far from now a signature may have been made.
    pub signature_window: Duration,
}

/// Messages to one orchestrator.
#[derive(Debug, Clone)]
pub struct Routing {
    /// How often delivery is tried.
    pub max_attempts: u32,
    /// The wait after the first failure.
    pub initial_delay: Duration,
    /// By how much each wait is longer than the one before.
    pub backoff_multiplier: u32,
    /// The longest wait.
    pub max_delay: Duration,
    /// Whether messages wait for who is away.
    pub queue_enabled: bool,
    /// How many of them, per orchestrator.
    pub max_queue_size: usize,
    /// For how long.
    pub queue_ttl: Duration,
}

/// What hubs and the platform share.
#[derive(Debug, Clone)]
pub enum Backplane {
    /// No server: one node, one file.
    Embedded {
        /// The file.
        queue_file: PathBuf,
    },
    /// One Redis server.
    Redis {
        /// The URL.
        url: Secret,
    },
}

/// The events that the hub sends itself.
#[derive(Debug, Clone, Copy)]
pub struct Canary {
    /// How often.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
}

/// Log records.
#[derive(Debug, Clone)]
pub struct Log {
    /// How they look.
    pub format: LogFormat,
    /// Which ones are written, as `env_logger` spells it.
    pub filter: String,
}

/// How log records look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object per line.
    Json,
}

/// The platform's daemon API.
#[derive(Debug, Clone)]
pub struct DaemonApi {
    /// Where it is.
    pub url: String,
    /// Its secret.
    pub secret: Option<Secret>,
}

/// What may happen to secrets that do not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are created, where they need not be given.
    Create,
    /// Nothing is created; a random value that nobody else knows stands in.
    Inspect,
}

impl Config {
    /// Loads the settings of this process.
    ///
    /// # Errors
    /// One sentence that names the setting and says what to do.
    pub fn load(overrides: &Overrides, secrets: Secrets) -> Result<Self, ConfigError> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_sources(overrides, environment, secrets)
    }

    /// Loads settings from `environment` instead of the environment of the process.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_sources(
        overrides: &Overrides,
        environment: impl IntoIterator<Item = (String, String)>,
        secrets: Secrets,
    ) -> Result<Self, ConfigError> {
        let raw = sources::merge(overrides, environment)?;
        let server = validate::server(&raw.server)?;
        let backplane = validate::backplane(&raw.backplane, &server.data_dir)?;
        let database = validate::database(&raw.database, &server.data_dir)?;
        let limits = validate::limits(&raw.limits)?;
        let websocket = validate::websocket(&raw.websocket)?;
        let delivery = validate::delivery(&raw.delivery)?;
        let ingress = validate::ingress(&raw.ingress)?;
        let routing = validate::routing(&raw.routing)?;
        let canary = validate::canary(&raw.canary)?;
        let log = validate::log(&raw.log)?;
        let daemon_api = validate::daemon_api(&raw.daemon_api)?;
        // Last, so that nothing is created for a configuration that is refused.
        let shared = shares_secrets(&backplane, &database);
        let auth = auth(raw.auth, shared, &server.data_dir, secrets)?;
        Ok(Self {
            server,
            auth,
            limits,
            websocket,
            delivery,
            ingress,
            routing,
            backplane,
            database,
            canary,
            log,
            daemon_api,
        })
    }

    /// Whether the hub works without any server: then it makes its own secrets.
    #[must_use]
    pub fn is_self_contained(&self) -> bool {
        !shares_secrets(&self.backplane, &self.database)
    }
}

fn shares_secrets(backplane: &Backplane, database: &DatabaseUrl) -> bool {
    matches!(backplane, Backplane::Redis { .. }) || database.sqlite_path().is_none()
}

fn auth(raw: raw::Auth, shared: bool, data_dir: &Path, secrets: Secrets) -> Result<Auth, ConfigError> {
    for (path, text) in [("auth.issuer", &raw.issuer), ("auth.audience", &raw.audience)] {
        if text.is_empty() {
            return Err(ConfigError::invalid(path, "must not be empty"));
        }
    }
    let stored = |name: &str| match secrets {
        Secrets::Create => self::secrets::read_or_create(data_dir, name),
        Secrets::Inspect => {
            let stored = self::secrets::read(data_dir, name)?;
            Ok(stored.unwrap_or_else(|| Secret::new(self::secrets::random_hex(32))))
        }
    };
    let jwt_secret = match raw.jwt_secret {
        text if text.is_empty() && shared => {
            return Err(ConfigError::invalid(
                "auth.jwt_secret",
                "is missing: with Redis or PostgreSQL all hubs share it, so give one, for example from \
                 `openssl rand -hex 32`",
            ));
        }
        text if text.is_empty() => stored(self::secrets::JWT_SECRET_FILE)?,
        text if text.len() < MIN_SECRET_BYTES => {
            return Err(ConfigError::invalid(
                "auth.jwt_secret",
                "is too short: use at least 8 characters, better the output of `openssl rand -hex 32`",
            ));
        }
        text => Secret::new(text),
    };
    let admin_api_key = match raw.admin_api_key {
        text if !text.is_empty() => Some(Secret::new(text)),
        _ if shared => None,
        _ => Some(stored(self::secrets::ADMIN_API_KEY_FILE)?),
    };
    Ok(Auth {
        jwt_secret,
        issuer: raw.issuer,
        audience: raw.audience,
        admin_api_key,
        strict_scopes: raw.strict_scopes,
    })
}

/// The file of the running program, for lines that users paste elsewhere.
#[must_use]
pub fn executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("neolith-hub"))
}

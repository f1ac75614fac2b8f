//! The settings as they are written, before anything is checked: the shape of `default.toml`.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) server: Server,
    pub(super) auth: Auth,
    pub(super) limits: Limits,
    pub(super) websocket: WebSocket,
    pub(super) delivery: Delivery,
    pub(super) ingress: Ingress,
    pub(super) routing: Routing,
    pub(super) backplane: Backplane,
    pub(super) database: Database,
    pub(super) canary: Canary,
    pub(super) log: Log,
    pub(super) daemon_api: DaemonApi,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) bind: String,
    pub(super) workers: u64,
    pub(super) ws_path: String,
    pub(super) data_dir: String,
    pub(super) max_connections: u64,
    pub(super) drain_timeout_ms: u64,
    pub(super) drain_rate: u64,
    pub(super) trusted_proxies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) jwt_secret: String,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) admin_api_key: String,
    pub(super) strict_scopes: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) requests_per_address: u64,
    pub(super) requests_per_credential: u64,
    pub(super) logins_per_address: u64,
    pub(super) fleet_requests_per_address: u64,
    pub(super) admin_requests_per_address: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSocket {
    pub(super) heartbeat_interval_ms: u64,
    pub(super) auth_timeout_ms: u64,
    pub(super) max_connections_per_orchestrator: u64,
    pub(super) message_limit: u64,
    pub(super) message_window_ms: u64,
    pub(super) ping_interval_ms: u64,
    pub(super) slow_consumer_timeout_ms: u64,
    pub(super) allowed_origins: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) max_in_flight: u64,
    pub(super) max_in_flight_ceiling: u64,
    pub(super) redelivery_schedule_ms: Vec<u64>,
    pub(super) max_attempts: u64,
    pub(super) commit_interval_ms: u64,
    pub(super) commit_size: u64,
    pub(super) buffer_capacity: u64,
    pub(super) sweep_interval_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ingress {
    pub(super) batch: u64,
    pub(super) claim_after_ms: u64,
    pub(super) signature_window_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Routing {
    pub(super) max_attempts: u64,
    pub(super) initial_delay_ms: u64,
    pub(super) backoff_multiplier: u64,
    pub(super) max_delay_ms: u64,
    pub(super) queue_enabled: bool,
    pub(super) max_queue_size: u64,
    pub(super) queue_ttl_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backplane {
    pub(super) redis_url: String,
    pub(super) redis_host: String,
    pub(super) redis_port: u64,
    pub(super) redis_password: String,
    pub(super) redis_db: u64,
    pub(super) queue_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canary {
    pub(super) enabled: bool,
    pub(super) interval_ms: u64,
    pub(super) timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) filter: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DaemonApi {
    pub(super) url: String,
    pub(super) secret: String,
}

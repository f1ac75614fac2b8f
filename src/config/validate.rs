//! From settings as written to settings that can be relied on.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Backplane, Canary, DaemonApi, DatabaseUrl, Delivery, Ingress, Limits, Log, LogFormat, Routing, Secret,
    Server, WebSocket, error::ConfigError, raw,
};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn range<T: TryFrom<u64>>(path: &str, value: u64, allowed: RangeInclusive<u64>) -> Result<T, ConfigError> {
    let (low, high) = (allowed.start(), allowed.end());
    let refused = || ConfigError::invalid(path, format!("must be between {low} and {high}, not {value}"));
    if !allowed.contains(&value) {
        return Err(refused());
    }
    T::try_from(value).map_err(|_| refused())
}

fn millis(path: &str, value: u64, allowed: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
    range(path, value, allowed).map(Duration::from_millis)
}

fn given(text: &str) -> Option<Secret> {
    (!text.is_empty()).then(|| Secret::new(text))
}

pub(super) fn server(raw: &raw::Server) -> Result<Server, ConfigError> {
    let port = raw.bind.rsplit_once(':').filter(|(host, port)| {
        let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && !bare_ipv6 && port.parse::<u16>().is_ok()
    });
    if port.is_none() {
        return Err(ConfigError::invalid(
            "server.bind",
            format!("must be address:port such as 127.0.0.1:3000 or [::1]:3000, not {:?}", raw.bind),
        ));
    }
    let path_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    let api = raw.ws_path.starts_with("/api/") && raw.ws_path != "/api/daemon/ws";
    let taken = api || ["/health", "/ready", "/metrics"].contains(&raw.ws_path.as_str());
    if taken || !raw.ws_path.starts_with('/') || raw.ws_path.len() < 2 || !raw.ws_path.chars().all(path_char)
    {
        return Err(ConfigError::invalid(
            "server.ws_path",
            format!("must be a free path such as /daemon/ws, not {:?}", raw.ws_path),
        ));
    }
    if raw.data_dir.is_empty() {
        return Err(ConfigError::invalid("server.data_dir", "must name a directory"));
    }
    let data_dir = std::path::absolute(&raw.data_dir).map_err(|error| {
        ConfigError::invalid("server.data_dir", format!("{:?} is no usable path: {error}", raw.data_dir))
    })?;
    Ok(Server {
        bind: raw.bind.clone(),
        workers: range("server.workers", raw.workers, 0..=1024)?,
        ws_path: raw.ws_path.clone(),
        data_dir,
        max_connections: range("server.max_connections", raw.max_connections, 1..=10_000_000)?,
        drain_timeout: millis("server.drain_timeout_ms", raw.drain_timeout_ms, 0..=DAY_MS)?,
        drain_rate: range("server.drain_rate", raw.drain_rate, 1..=1_000_000)?,
        trusted_proxies: raw.trusted_proxies.iter().map(|text| proxy(text)).collect::<Result<_, _>>()?,
    })
}

fn proxy(text: &str) -> Result<IpAddr, ConfigError> {
    let refused =
        |_| ConfigError::invalid("server.trusted_proxies", format!("must list IP addresses, not {text:?}"));
    text.parse().map_err(refused)
}

pub(super) fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    let limit = |path, value| {
        range::<u32>(path, value, 1..=100_000_000).and_then(|value| {
            NonZeroU32::new(value).ok_or_else(|| ConfigError::invalid(path, "must not be 0"))
        })
    };
    Ok(Limits {
        requests_per_address: limit("limits.requests_per_address", raw.requests_per_address)?,
        requests_per_credential: limit("limits.requests_per_credential", raw.requests_per_credential)?,
        logins_per_address: limit("limits.logins_per_address", raw.logins_per_address)?,
        fleet_requests_per_address: limit(
            "limits.fleet_requests_per_address",
            raw.fleet_requests_per_address,
        )?,
        admin_requests_per_address: limit(
            "limits.admin_requests_per_address",
            raw.admin_requests_per_address,
        )?,
    })
}

pub(super) fn websocket(raw: &raw::WebSocket) -> Result<WebSocket, ConfigError> {
    for origin in &raw.allowed_origins {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let good = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ']));
        if origin != "*" && !good {
            return Err(ConfigError::invalid(
                "websocket.allowed_origins",
                format!("must list origins such as https://app.example.com, or \"*\", not {origin:?}"),
            ));
        }
    }
    Ok(WebSocket {
        heartbeat_interval: millis(
            "websocket.heartbeat_interval_ms",
            raw.heartbeat_interval_ms,
            50..=600_000,
        )?,
        auth_timeout: millis("websocket.auth_timeout_ms", raw.auth_timeout_ms, 50..=600_000)?,
        max_connections_per_orchestrator: range(
            "websocket.max_connections_per_orchestrator",
            raw.max_connections_per_orchestrator,
            1..=1_000_000,
        )?,
        message_limit: range("websocket.message_limit", raw.message_limit, 1..=10_000_000)?,
        message_window: millis("websocket.message_window_ms", raw.message_window_ms, 100..=3_600_000)?,
        ping_interval: millis("websocket.ping_interval_ms", raw.ping_interval_ms, 100..=600_000)?,
        slow_consumer_timeout: millis(
            "websocket.slow_consumer_timeout_ms",
            raw.slow_consumer_timeout_ms,
            100..=600_000,
        )?,
        allowed_origins: raw.allowed_origins.clone(),
    })
}

pub(super) fn delivery(raw: &raw::Delivery) -> Result<Delivery, ConfigError> {
    let schedule = "delivery.redelivery_schedule_ms";
    if raw.redelivery_schedule_ms.is_empty() {
        return Err(ConfigError::invalid(schedule, "must have at least one entry, such as 30000"));
    }
    let waits = raw.redelivery_schedule_ms.iter().map(|wait| millis(schedule, *wait, 10..=DAY_MS));
    Ok(Delivery {
        max_in_flight: range("delivery.max_in_flight", raw.max_in_flight, 1..=10_000)?,
        max_in_flight_ceiling: range(
            "delivery.max_in_flight_ceiling",
            raw.max_in_flight_ceiling.max(raw.max_in_flight),
            1..=10_000,
        )?,
        redelivery_schedule: waits.collect::<Result<_, _>>()?,
        max_attempts: range("delivery.max_attempts", raw.max_attempts, 1..=10_000)?,
        commit_interval: millis("delivery.commit_interval_ms", raw.commit_interval_ms, 0..=1000)?,
        commit_size: range("delivery.commit_size", raw.commit_size, 1..=100_000)?,
        buffer_capacity: range("delivery.buffer_capacity", raw.buffer_capacity, 1..=100_000_000)?,
        sweep_interval: millis("delivery.sweep_interval_ms", raw.sweep_interval_ms, 100..=DAY_MS)?,
    })
}

pub(super) fn ingress(raw: &raw::Ingress) -> Result<Ingress, ConfigError> {
    Ok(Ingress {
        batch: range("ingress.batch", raw.batch, 1..=10_000)?,
        claim_after: millis("ingress.claim_after_ms", raw.claim_after_ms, 100..=DAY_MS)?,
        signature_window: millis("ingress.signature_window_ms", raw.signature_window_ms, 1000..=7 * DAY_MS)?,
    })
}

pub(super) fn routing(raw: &raw::Routing) -> Result<Routing, ConfigError> {
    let lifetime: u64 = range("routing.queue_ttl_s", raw.queue_ttl_s, 1..=7 * 24 * 3600)?;
    Ok(Routing {
        max_attempts: range("routing.max_attempts", raw.max_attempts, 1..=10)?,
        initial_delay: millis("routing.initial_delay_ms", raw.initial_delay_ms, 0..=10_000)?,
        backoff_multiplier: range("routing.backoff_multiplier", raw.backoff_multiplier, 1..=10)?,
        max_delay: millis("routing.max_delay_ms", raw.max_delay_ms, 0..=10_000)?,
        queue_enabled: raw.queue_enabled,
        max_queue_size: range("routing.max_queue_size", raw.max_queue_size, 1..=100_000)?,
        queue_ttl: Duration::from_secs(lifetime),
    })
}

pub(super) fn backplane(raw: &raw::Backplane, data_dir: &Path) -> Result<Backplane, ConfigError> {
    let port: u16 = range("backplane.redis_port", raw.redis_port, 1..=65_535)?;
    let database: u32 = range("backplane.redis_db", raw.redis_db, 0..=1_000_000)?;
    if !raw.redis_url.is_empty() {
        let host = raw.redis_url.strip_prefix("redis://").filter(|rest| !rest.is_empty());
        if host.is_none_or(|rest| rest.contains(',')) {
            return Err(ConfigError::invalid(
                "backplane.redis_url",
                "must be one URL such as redis://host:6379; TLS, Sentinel and Cluster are not supported yet",
            ));
        }
        return Ok(Backplane::Redis { url: Secret::new(raw.redis_url.as_str()) });
    }
    if raw.redis_host.is_empty() {
        let queue_file = match raw.queue_file.as_str() {
            "" => data_dir.join("queue.db"),
            path => PathBuf::from(path),
        };
        return Ok(Backplane::Embedded { queue_file });
    }
    let bare_ipv6 = raw.redis_host.contains(':') && !raw.redis_host.starts_with('[');
    let host = if bare_ipv6 { format!("[{}]", raw.redis_host) } else { raw.redis_host.clone() };
    let password = match raw.redis_password.as_str() {
        "" => String::new(),
        password => format!(":{}@", percent_encoded(password)),
    };
    Ok(Backplane::Redis { url: Secret::new(format!("redis://{password}{host}:{port}/{database}")) })
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

pub(super) fn database(raw: &raw::Database, data_dir: &Path) -> Result<DatabaseUrl, ConfigError> {
    let default = || format!("sqlite://{}", data_dir.join("hub.db").display());
    let url = if raw.url.is_empty() { default() } else { raw.url.clone() };
    DatabaseUrl::parse(&url).ok_or_else(|| {
        ConfigError::invalid("database.url", "must begin with sqlite://, postgres:// or postgresql://")
    })
}

pub(super) fn canary(raw: &raw::Canary) -> Result<Option<Canary>, ConfigError> {
    let interval = millis("canary.interval_ms", raw.interval_ms, 100..=DAY_MS)?;
    let timeout = millis("canary.timeout_ms", raw.timeout_ms, 100..=DAY_MS)?;
    Ok(raw.enabled.then_some(Canary { interval, timeout }))
}

pub(super) fn log(raw: &raw::Log) -> Result<Log, ConfigError> {
    let format = match raw.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            return Err(ConfigError::invalid("log.format", format!("must be text or json, not {other:?}")));
        }
    };
    Ok(Log { format, filter: raw.filter.clone() })
}

pub(super) fn daemon_api(raw: &raw::DaemonApi) -> Result<Option<DaemonApi>, ConfigError> {
    if raw.url.is_empty() {
        return Ok(None);
    }
    if !raw.url.starts_with("http://") && !raw.url.starts_with("https://") {
        return Err(ConfigError::invalid("daemon_api.url", "must begin with http:// or https://"));
    }
    Ok(Some(DaemonApi { url: raw.url.clone(), secret: given(&raw.secret) }))
}

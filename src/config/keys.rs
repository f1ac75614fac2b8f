//! Every setting by its key, with the variables that set it.

/// What a variable's text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    Numbers,
}

/// One key of `default.toml`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The platform's own name for it, where there is one.
    alias: Option<&'static str>,
}

const fn key(section: &'static str, name: &'static str, kind: Kind) -> Key {
    Key { section, name, kind, alias: None }
}

impl Key {
    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    /// The key as the configuration file nests it.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable's name that follows from the key.
    pub(super) fn derived_variable(&self) -> String {
        format!("HUB_{}_{}", self.section, self.name).to_ascii_uppercase()
    }

    /// The variable that documents name first.
    pub(super) fn variable(&self) -> String {
        self.alias.map_or_else(|| self.derived_variable(), str::to_owned)
    }

    /// Whether the variable `name` sets this key.
    pub(super) fn is_set_by(&self, name: &str) -> bool {
        self.alias == Some(name) || self.derived_variable() == name
    }
}

/// All keys, in the order of `default.toml`.
pub(super) const KEYS: &[Key] = &[
    key("server", "bind", Kind::Text).or("HUB_BIND"),
    key("server", "workers", Kind::Number),
    key("server", "ws_path", Kind::Text).or("WS_PATH"),
    key("server", "data_dir", Kind::Text).or("HUB_DATA_DIR"),
    key("server", "max_connections", Kind::Number),
    key("server", "drain_timeout_ms", Kind::Number),
    key("server", "drain_rate", Kind::Number),
    key("server", "trusted_proxies", Kind::Texts),
    key("auth", "jwt_secret", Kind::Text).or("DAEMON_JWT_SECRET"),
    key("auth", "issuer", Kind::Text),
    key("auth", "audience", Kind::Text),
    key("auth", "admin_api_key", Kind::Text).or("ADMIN_API_KEY"),
    key("auth", "strict_scopes", Kind::Flag),
    key("limits", "requests_per_address", Kind::Number),
    key("limits", "requests_per_credential", Kind::Number),
    key("limits", "logins_per_address", Kind::Number),
    key("limits", "fleet_requests_per_address", Kind::Number),
    key("limits", "admin_requests_per_address", Kind::Number),
    key("websocket", "heartbeat_interval_ms", Kind::Number).or("WS_HEARTBEAT_INTERVAL"),
    key("websocket", "auth_timeout_ms", Kind::Number).or("WS_AUTH_TIMEOUT"),
    key("websocket", "max_connections_per_orchestrator", Kind::Number).or("WS_MAX_CONNECTIONS_PER_VP"),
    key("websocket", "message_limit", Kind::Number),
    key("websocket", "message_window_ms", Kind::Number),
    key("websocket", "ping_interval_ms", Kind::Number),
    key("websocket", "slow_consumer_timeout_ms", Kind::Number),
    key("websocket", "allowed_origins", Kind::Texts),
    key("delivery", "max_in_flight", Kind::Number),
    key("delivery", "max_in_flight_ceiling", Kind::Number),
    key("delivery", "redelivery_schedule_ms", Kind::Numbers),
    key("delivery", "max_attempts", Kind::Number),
    key("delivery", "commit_interval_ms", Kind::Number),
    key("delivery", "commit_size", Kind::Number),
    key("delivery", "buffer_capacity", Kind::Number),
    key("delivery", "sweep_interval_ms", Kind::Number),
    key("ingress", "batch", Kind::Number),
    key("ingress", "claim_after_ms", Kind::Number),
    key("ingress", "signature_window_ms", Kind::Number),
    key("routing", "max_attempts", Kind::Number),
    key("routing", "initial_delay_ms", Kind::Number),
    key("routing", "backoff_multiplier", Kind::Number),
    key("routing", "max_delay_ms", Kind::Number),
    key("routing", "queue_enabled", Kind::Flag),
    key("routing", "max_queue_size", Kind::Number),
    key("routing", "queue_ttl_s", Kind::Number),
    key("backplane", "redis_url", Kind::Text).or("REDIS_URL"),
    key("backplane", "redis_host", Kind::Text).or("REDIS_HOST"),
    key("backplane", "redis_port", Kind::Number).or("REDIS_PORT"),
    key("backplane", "redis_password", Kind::Text).or("REDIS_PASSWORD"),
    key("backplane", "redis_db", Kind::Number).or("REDIS_DB"),
    key("backplane", "queue_file", Kind::Text),
    key("database", "url", Kind::Text).or("DATABASE_URL"),
    key("canary", "enabled", Kind::Flag),
    key("canary", "interval_ms", Kind::Number),
    key("canary", "timeout_ms", Kind::Number),
    key("log", "format", Kind::Text),
    key("log", "filter", Kind::Text).or("RUST_LOG"),
    key("daemon_api", "url", Kind::Text).or("DAEMON_API_URL"),
    key("daemon_api", "secret", Kind::Text).or("DAEMON_API_SECRET"),
];

/// A key with its variable, as error sentences name it.
pub(super) fn setting(path: &str) -> String {
    match KEYS.iter().find(|key| key.path() == path) {
        Some(key) => format!("{path} ({})", key.variable()),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::sources::DEFAULTS;

    /// The keys of `default.toml`, each with the comment above it.
    fn documented() -> Vec<(String, String)> {
        let (mut section, mut comment, mut keys) = (String::new(), String::new(), Vec::new());
        for line in DEFAULTS.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some(text) = line.strip_prefix('#') {
                comment.push_str(text);
            } else if let Some((name, _)) = line.split_once(" = ") {
                keys.push((format!("{section}.{name}"), std::mem::take(&mut comment)));
            } else {
                comment.clear();
            }
        }
        keys
    }

    #[test]
    fn the_documented_defaults_and_the_keys_are_the_same() {
        let documented: Vec<String> = documented().into_iter().map(|(key, _)| key).collect();
        let known: Vec<String> = KEYS.iter().map(Key::path).collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn every_default_has_a_comment_that_names_its_variables() {
        for ((path, comment), key) in documented().iter().zip(KEYS) {
            let names: HashSet<&str> =
                comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            assert!(names.contains(key.derived_variable().as_str()), "{path}: {comment}");
            assert!(names.contains(key.variable().as_str()), "{path}: {comment}");
        }
    }
}

//! `check-config`: the settings in effect, in the words of the configuration file.

use std::time::Duration;

use super::{CliError, output};
use crate::config::{Backplane, Config, LogFormat, redact_url};

pub(super) fn run(config: &Config) -> Result<(), CliError> {
    for (key, value) in effective(config) {
        output::line(&format!("{key} = {value}"))?;
    }
    let secret = if config.is_self_contained() { "made on the first start unless given" } else { "given" };
    output::note(&format!("the configuration is good; secrets are not shown (signing secret: {secret})"))?;
    Ok(())
}

fn quoted(text: impl ToString) -> String {
    serde_json::Value::from(text.to_string()).to_string()
}

fn list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

fn ms(span: Duration) -> String {
    span.as_millis().to_string()
}

fn effective(config: &Config) -> Vec<(&'static str, String)> {
    let Config { server, auth, limits, websocket, delivery, ingress, routing, backplane, .. } = config;
    let Config { database, canary, log, daemon_api, .. } = config;
    let schedule: Vec<String> = delivery.redelivery_schedule.iter().copied().map(ms).collect();
    let backplane = match backplane {
        Backplane::Embedded { queue_file } => ("backplane.queue_file", quoted(queue_file.display())),
        Backplane::Redis { url } => ("backplane.redis_url", quoted(redact_url(url.expose()))),
    };
    let format = match log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let mut lines = vec![
        ("server.bind", quoted(&server.bind)),
        ("server.workers", server.workers.to_string()),
        ("server.ws_path", quoted(&server.ws_path)),
        ("server.data_dir", quoted(server.data_dir.display())),
        ("server.max_connections", server.max_connections.to_string()),
        ("server.drain_timeout_ms", ms(server.drain_timeout)),
        ("server.drain_rate", server.drain_rate.to_string()),
        ("server.trusted_proxies", list(&server.trusted_proxies)),
        ("auth.jwt_secret", quoted(&auth.jwt_secret)),
        ("auth.issuer", quoted(&auth.issuer)),
        ("auth.audience", quoted(&auth.audience)),
        ("auth.admin_api_key", auth.admin_api_key.as_ref().map_or_else(|| quoted(""), quoted)),
        ("auth.strict_scopes", auth.strict_scopes.to_string()),
        ("limits.requests_per_address", limits.requests_per_address.to_string()),
        ("limits.requests_per_credential", limits.requests_per_credential.to_string()),
        ("limits.logins_per_address", limits.logins_per_address.to_string()),
        ("limits.fleet_requests_per_address", limits.fleet_requests_per_address.to_string()),
        ("limits.admin_requests_per_address", limits.admin_requests_per_address.to_string()),
        ("websocket.heartbeat_interval_ms", ms(websocket.heartbeat_interval)),
        ("websocket.auth_timeout_ms", ms(websocket.auth_timeout)),
        (
            "websocket.max_connections_per_orchestrator",
            websocket.max_connections_per_orchestrator.to_string(),
        ),
        ("websocket.message_limit", websocket.message_limit.to_string()),
        ("websocket.message_window_ms", ms(websocket.message_window)),
        ("websocket.ping_interval_ms", ms(websocket.ping_interval)),
        ("websocket.slow_consumer_timeout_ms", ms(websocket.slow_consumer_timeout)),
        ("websocket.allowed_origins", list(&websocket.allowed_origins)),
        ("delivery.max_in_flight", delivery.max_in_flight.to_string()),
        ("delivery.redelivery_schedule_ms", format!("[{}]", schedule.join(", "))),
        ("delivery.max_attempts", delivery.max_attempts.to_string()),
        ("delivery.commit_interval_ms", ms(delivery.commit_interval)),
        ("delivery.commit_size", delivery.commit_size.to_string()),
        ("delivery.buffer_capacity", delivery.buffer_capacity.to_string()),
        ("delivery.sweep_interval_ms", ms(delivery.sweep_interval)),
        ("ingress.batch", ingress.batch.to_string()),
        ("ingress.claim_after_ms", ms(ingress.claim_after)),
        ("ingress.signature_window_ms", ms(ingress.signature_window)),
        ("routing.max_attempts", routing.max_attempts.to_string()),
        ("routing.initial_delay_ms", ms(routing.initial_delay)),
        ("routing.backoff_multiplier", routing.backoff_multiplier.to_string()),
        ("routing.max_delay_ms", ms(routing.max_delay)),
        ("routing.queue_enabled", routing.queue_enabled.to_string()),
        ("routing.max_queue_size", routing.max_queue_size.to_string()),
        ("routing.queue_ttl_s", routing.queue_ttl.as_secs().to_string()),
        backplane,
        ("database.url", quoted(database)),
        ("log.format", quoted(format)),
        ("log.filter", quoted(&log.filter)),
    ];
    lines.push(("canary.enabled", canary.is_some().to_string()));
    if let Some(canary) = canary {
        lines.push(("canary.interval_ms", ms(canary.interval)));
        lines.push(("canary.timeout_ms", ms(canary.timeout)));
    }
    if let Some(api) = daemon_api {
        lines.push(("daemon_api.url", quoted(&api.url)));
        lines.push(("daemon_api.secret", api.secret.as_ref().map_or_else(|| quoted(""), quoted)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, Secrets};

    #[test]
    fn what_is_shown_is_a_configuration_without_secrets() {
        let environment = [
            ("REDIS_URL", "redis://:hunter2@cache:6379"),
            ("DAEMON_JWT_SECRET", "hunter2hunter2"),
            ("ADMIN_API_KEY", "hunter2"),
            ("DAEMON_API_URL", "https://neolith.example"),
            ("DAEMON_API_SECRET", "hunter2"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_sources(&Overrides::default(), environment, Secrets::Inspect);
        let lines = effective(&config.expect("a configuration"));
        let text: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("auth.jwt_secret = \"***\"\n"), "{text}");
        assert!(text.contains("backplane.redis_url = \"redis://***@cache:6379\"\n"), "{text}");
        assert!(text.contains("delivery.redelivery_schedule_ms = [30000, 60000,"), "{text}");
    }
}

//! Environment variables: which ones mean something, and what their text stands for.

use std::collections::HashMap;

use config::{Value, ValueKind};

use super::{
    error::ConfigError,
    keys::{KEYS, Key, Kind},
};

/// Refuses `HUB_*` variables that mean nothing. What Kubernetes sets by itself for a service whose
/// name begins with "hub" is left alone.
pub(super) fn refuse_unknown(environment: &HashMap<String, String>) -> Result<(), ConfigError> {
    let unknown = environment.iter().filter(|(name, value)| {
        name.starts_with("HUB_")
            && *name != "HUB_CONFIG"
            && !KEYS.iter().any(|key| key.is_set_by(name))
            && !is_service_link(value)
            && !is_service_variable(name)
    });
    match unknown.map(|(name, _)| name).min() {
        Some(name) => Err(ConfigError::UnknownVariable(name.clone())),
        None => Ok(()),
    }
}

/// Whether the value is a link such as `tcp://10.0.0.1:6379`, which Kubernetes puts into `REDIS_PORT`
/// for a service named redis.
pub(super) fn is_service_link(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

fn is_service_variable(name: &str) -> bool {
    let after_port = name.split_once("_PORT_").map(|(_, rest)| rest);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || after_port.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Reads the text of variable `name` as what `key` holds.
pub(super) fn value(key: &Key, name: &str, text: &str) -> Result<Value, ConfigError> {
    let kind = match key.kind {
        Kind::Text => ValueKind::String(text.to_owned()),
        Kind::Number => ValueKind::U64(number(name, text)?),
        Kind::Flag => match text {
            "true" | "1" => ValueKind::Boolean(true),
            "false" | "0" => ValueKind::Boolean(false),
            _ => return Err(invalid(name, format!("must be true or false, not {text:?}"))),
        },
        Kind::Texts => ValueKind::Array(parts(text).map(Value::from).collect()),
        Kind::Numbers => {
            let numbers: Result<Vec<u64>, ConfigError> = parts(text).map(|part| number(name, part)).collect();
            ValueKind::Array(numbers?.into_iter().map(Value::from).collect())
        }
    };
    Ok(Value::new(Some(&name.to_owned()), kind))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn number(name: &str, text: &str) -> Result<u64, ConfigError> {
    text.trim().parse().map_err(|_| invalid(name, format!("must be a whole number, not {text:?}")))
}

fn invalid(name: &str, problem: String) -> ConfigError {
    ConfigError::Invalid { setting: name.to_owned(), problem }
}

/// The address to listen on where no variable names the whole of it.
pub(super) fn bind(
    configured: &str,
    file_sets_bind: bool,
    environment: &HashMap<String, String>,
) -> Result<String, ConfigError> {
    let Some((mut host, mut port)) = configured.rsplit_once(':') else {
        return Ok(configured.to_owned());
    };
    if let Some(name) = environment.get("PORT").filter(|port| !is_service_link(port)) {
        name.parse::<u16>()
            .map_err(|_| invalid("PORT", format!("must be a port number, not {name:?}; or set HUB_BIND")))?;
        port = name;
    }
    let name = environment.get("HOSTNAME").filter(|_| !file_sets_bind);
    let bracketed = name.filter(|name| name.contains(':')).map(|name| format!("[{name}]"));
    if let Some(name) = bracketed.as_ref().or(name) {
        host = name;
    }
    Ok(format!("{host}:{port}"))
}

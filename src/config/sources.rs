//! Where settings come from, and which source wins: defaults, then a file, then the environment.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use config::{Config, ConfigBuilder, File, FileFormat, builder::DefaultState};

use super::{error::ConfigError, keys::KEYS, raw::Raw, variables};

/// The settings that are compiled in.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// What the command line says about settings.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`
    pub config_file: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
}

/// Merges all sources.
pub(super) fn merge(
    overrides: &Overrides,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Raw, ConfigError> {
    let environment = environment.into_iter().filter(|(_, value)| !value.is_empty());
    let environment: HashMap<String, String> = environment.collect();
    let path = overrides.config_file.clone().or_else(|| environment.get("HUB_CONFIG").map(PathBuf::from));

    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    let mut file_sets_bind = false;
    if let Some(path) = &path {
        let text = read(path)?;
        file_sets_bind = check_file(path, &text)?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    builder = set_variables(builder, &environment)?;
    let merged = builder.build().map_err(|error| file_error(path.as_deref(), &error))?;
    let mut raw: Raw = merged.try_deserialize().map_err(|error| file_error(path.as_deref(), &error))?;
    if !environment.contains_key("HUB_BIND") && !environment.contains_key("HUB_SERVER_BIND") {
        raw.server.bind = variables::bind(&raw.server.bind, file_sets_bind, &environment)?;
    }
    if let Some(data_dir) = &overrides.data_dir {
        data_dir.to_string_lossy().as_ref().clone_into(&mut raw.server.data_dir);
    }
    Ok(raw)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::File {
        path: path.display().to_string(),
        problem: format!("{error}; correct --config or HUB_CONFIG"),
    })
}

/// Refuses keys that the hub does not have, by their full name. Tells whether the address is set.
fn check_file(path: &Path, text: &str) -> Result<bool, ConfigError> {
    let file = Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .map_err(|error| file_error(Some(path), &error))?;
    let unknown = |name: &str| ConfigError::File {
        path: path.display().to_string(),
        problem: format!("{name} is no setting of the hub; correct or remove it"),
    };
    let sections: HashMap<String, config::Value> =
        file.try_deserialize().map_err(|error| file_error(Some(path), &error))?;
    let mut sets_bind = false;
    for (section, value) in sections {
        if !KEYS.iter().any(|key| key.section == section) {
            return Err(unknown(&section));
        }
        let table = value.into_table().map_err(|error| file_error(Some(path), &error))?;
        for name in table.keys() {
            if !KEYS.iter().any(|key| key.section == section && key.name == name) {
                return Err(unknown(&format!("{section}.{name}")));
            }
            sets_bind |= section == "server" && name == "bind";
        }
    }
    Ok(sets_bind)
}

/// The parser's complaint on one line; the excerpt that it draws could show a secret.
fn file_error(path: Option<&Path>, error: &config::ConfigError) -> ConfigError {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().trim();
    let problem = match lines.next_back() {
        Some(last) => format!("{first}: {}", last.trim()),
        None => first.to_owned(),
    };
    ConfigError::File {
        path: path.map_or_else(|| "default.toml".to_owned(), |path| path.display().to_string()),
        problem,
    }
}

fn set_variables(
    mut builder: ConfigBuilder<DefaultState>,
    environment: &HashMap<String, String>,
) -> Result<ConfigBuilder<DefaultState>, ConfigError> {
    variables::refuse_unknown(environment)?;
    for key in KEYS {
        let mut set = environment.iter().filter(|(name, _)| key.is_set_by(name));
        let Some((name, value)) = set.next() else { continue };
        if let Some((other, _)) = set.next().filter(|(_, other)| *other != value) {
            let (first, second) = if name < other { (name, other) } else { (other, name) };
            return Err(ConfigError::Contradiction(first.clone(), second.clone()));
        }
        if variables::is_service_link(value) {
            continue;
        }
        let value = variables::value(key, name, value)?;
        builder = builder
            .set_override(key.path(), value)
            .map_err(|error| ConfigError::invalid(&key.path(), error.to_string()))?;
    }
    Ok(builder)
}

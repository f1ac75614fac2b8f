//! Why a configuration is refused, in one sentence that says what to do.

use thiserror::Error;

/// Why the hub does not start with this configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A `HUB_*` variable that means nothing: most likely a typing error.
    #[error(
        "{0} is not a variable of the hub: correct its name or unset it (config/default.toml lists them all)"
    )]
    UnknownVariable(String),
    /// Two names of one setting with two values.
    #[error("{0} and {1} are the same setting with different values: unset one of them")]
    Contradiction(String, String),
    /// A value that cannot be used.
    #[error("{setting} {problem}")]
    Invalid {
        /// The key, with its variable.
        setting: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The configuration file cannot be used.
    #[error("the configuration file {path} cannot be used: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The data directory or a secret in it cannot be used.
    #[error("{path} {problem}")]
    DataDir {
        /// The file or directory.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl ConfigError {
    /// The setting `path`, for a value that cannot be used.
    pub(super) fn invalid(path: &str, problem: impl Into<String>) -> Self {
        Self::Invalid { setting: super::keys::setting(path), problem: problem.into() }
    }
}

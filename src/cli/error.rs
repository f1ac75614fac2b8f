//! How a command fails: with one sentence and an exit code.

use std::io;

use thiserror::Error;

use crate::{client::ClientError, config::ConfigError};

/// Why a command did not do what it was asked for.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration is wrong; exit code 2.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The client gave up.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Output could not be written, or a file not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What was to be looked at could not be; exit code 2, because 1 is for what was found.
    #[error("{0}")]
    Unanswered(String),
    /// Anything else, as a sentence.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// A failure with this sentence.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// The exit code of the process.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Unanswered(_) => 2,
            _ => 1,
        }
    }

    /// Whether only the reader of the output went away, as in `listen | head`.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

//! What became of an event, as its publisher is told.

use thiserror::Error;

use crate::domain::{
    clock::Timestamp,
    ids::{OrchestratorId, SessionId},
    ingress::SignatureFault,
};

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its id, if it says one.
    pub id: Option<String>,
    /// Whom it was found to be for.
    pub orchestrator: Option<OrchestratorId>,
    /// What became of it.
    pub status: Status,
}

/// What may become of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It was handed to the connections of these sessions.
    Delivered {
        /// Each with a connection on this hub.
        sessions: Vec<SessionId>,
    },
    /// It waits.
    Queued {
        /// Its place in the queue by age, counted from 1; `None` when it is taken already, or nobody
        /// knows.
        position: Option<u64>,
        /// When it is given up.
        expires_at: Timestamp,
    },
    /// It was known already.
    Duplicate,
    /// It was not taken in.
    Rejected(Rejection),
}

/// Why an event was not taken in, as a sentence for its publisher.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// It is no event.
    #[error("{0}")]
    Malformed(String),
    /// It is for nobody, today.
    #[error("{0}")]
    ForNobody(&'static str),
    /// Its organization wants it signed, and it is not, or not rightly.
    #[error("{}", .0.as_str())]
    Signature(SignatureFault),
    /// The hub is full: the same event may be taken in a moment.
    #[error("the hub has no room for more events")]
    NoRoom,
    /// It is not wanted, and never will be.
    #[error("{0}")]
    Refused(&'static str),
    /// Its queue holds what the hub never wrote.
    #[error("this orchestrator's queue cannot be written")]
    Unwritable,
}

impl Status {
    /// Whether the same event may be taken in a moment.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::NoRoom))
    }

    /// The word for it on every wire.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Queued { .. } => "queued",
            Self::Duplicate => "duplicate",
            Self::Rejected(_) => "rejected",
        }
    }
}

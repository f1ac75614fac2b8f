//! What became of one delivery that was not acknowledged: the history that a dead letter carries.

use serde::{Deserialize, Serialize};

use super::{
    clock::Timestamp,
    ids::{ConnectionId, DaemonId},
};

/// How many attempts a history holds; the oldest make room.
pub const MAX_HISTORY: usize = 10;
/// The longest reason of a daemon that is kept, in characters.
pub const MAX_REASON_CHARS: usize = 256;

/// One delivery that ended without an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Which, counted from 1.
    pub attempt: u32,
    /// When the event was written to the socket.
    pub sent_at: Timestamp,
    /// To which daemon instance.
    pub daemon_id: DaemonId,
    /// On which connection.
    pub connection_id: ConnectionId,
    /// How it ended.
    pub outcome: Ended,
    /// What the daemon said about it, at most [`MAX_REASON_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// No acknowledgement came in time.
    TimedOut,
    /// The daemon refused it with a `nack`.
    Refused,
    /// The connection ended before.
    Disconnected,
    /// The connection broke within seconds.
    Crashed,
}

/// Why an event is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was delivered as often as it may be.
    MaxAttempts,
    /// A daemon said that trying again is useless.
    Rejected,
    /// Connections broke within seconds of it, again and again.
    CrashLoop,
    /// What the queue holds under its id is no event.
    Unreadable,
}

impl Cause {
    /// The word in dead letters and receipts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxAttempts => "max_attempts",
            Self::Rejected => "rejected",
            Self::CrashLoop => "crash_loop",
            Self::Unreadable => "unreadable",
        }
    }
}

//! What a daemon says of itself explicitly: its presence and its operational status (contract 1.13,
//! 1.14, C20, C32).

use std::{future::Future, time::Duration};

use super::{Result, words::words};
use crate::domain::{
    clock::Timestamp,
    ids::{DaemonId, OrchestratorId, OrganizationId},
};

/// How long an explicit presence holds (contract 6.1).
pub const PRESENCE_LIFETIME: Duration = Duration::from_secs(300);
/// How long an operational status holds (contract 6.1).
pub const STATUS_LIFETIME: Duration = Duration::from_secs(600);

words! {
    /// A presence that a daemon chooses.
    PresenceStatus {
        /// There.
        Online = "online",
        /// For the moment not there.
        Away = "away",
        /// There, with its hands full.
        Busy = "busy",
        /// Not there.
        Offline = "offline",
    }
}

impl PresenceStatus {
    /// The word in capitals, as accounts and presence events have it.
    #[must_use]
    pub fn as_upper(self) -> &'static str {
        match self {
            Self::Online => "ONLINE",
            Self::Away => "AWAY",
            Self::Busy => "BUSY",
            Self::Offline => "OFFLINE",
        }
    }
}

words! {
    /// An operational status that a daemon chooses.
    OperationalStatus {
        /// At work.
        Active = "active",
        /// Stopped for a while.
        Paused = "paused",
        /// Broken.
        Error = "error",
    }
}

/// A presence that a daemon chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplicitPresence {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Its tenant, to tell its listeners.
    pub organization: Option<OrganizationId>,
    /// The instance or session that chose.
    pub daemon: DaemonId,
    /// What it chose.
    pub status: PresenceStatus,
    /// What it says about it.
    pub status_text: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An operational status that a daemon chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplicitStatus {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Its tenant, to tell its listeners.
    pub organization: Option<OrganizationId>,
    /// The instance or session that chose.
    pub daemon: DaemonId,
    /// What it chose.
    pub status: OperationalStatus,
    /// What it says about it.
    pub message: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a heartbeat must not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplicitChoice {
    /// An explicit presence.
    Presence(PresenceStatus),
    /// An operational status; never `active`, with which heartbeats count again.
    Status(OperationalStatus),
}

/// The later one of two choices, each with its time, as far as heartbeats must heed it.
pub(super) fn latest(
    presence: Option<(PresenceStatus, Timestamp)>,
    status: Option<(OperationalStatus, Timestamp)>,
) -> Option<ExplicitChoice> {
    match (presence, status) {
        (Some((presence, chosen)), Some((_, stated))) if chosen > stated => {
            Some(ExplicitChoice::Presence(presence))
        }
        (_, Some((OperationalStatus::Active, _))) => None,
        (_, Some((status, _))) => Some(ExplicitChoice::Status(status)),
        (presence, None) => presence.map(|(presence, _)| ExplicitChoice::Presence(presence)),
    }
}

/// What daemons say of themselves, over all hubs.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Statuses {
    /// Writes an explicit presence for [`PRESENCE_LIFETIME`], tells the tenant's listeners, and those
    /// of presence events when it changed.
    fn set_presence(&self, presence: &ExplicitPresence) -> impl Future<Output = Result<()>> + Send;

    /// Writes an operational status for [`STATUS_LIFETIME`] and tells the tenant's listeners.
    fn set_status(&self, status: &ExplicitStatus) -> impl Future<Output = Result<()>> + Send;

    /// The latest explicit choice that still holds; heartbeats do not overwrite it (contract C20).
    fn explicit_choice(
        &self,
        orchestrator: &OrchestratorId,
    ) -> impl Future<Output = Result<Option<ExplicitChoice>>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts_and_active_hands_over_to_heartbeats() {
        let busy = |at| Some((PresenceStatus::Busy, Timestamp(at)));
        let status = |status, at| Some((status, Timestamp(at)));
        let (paused, active) = (OperationalStatus::Paused, OperationalStatus::Active);
        assert_eq!(latest(busy(1), status(paused, 2)), Some(ExplicitChoice::Status(paused)));
        assert_eq!(latest(busy(2), status(paused, 1)), Some(ExplicitChoice::Presence(PresenceStatus::Busy)));
        assert_eq!(latest(busy(1), status(active, 2)), None);
        assert_eq!(latest(busy(2), status(active, 1)), Some(ExplicitChoice::Presence(PresenceStatus::Busy)));
        assert_eq!(latest(None, None), None);
    }
}

//! Fleet daemons: members without an orchestrator, known to admins only (contract 1.24, C43).

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Result, words::words};
use crate::domain::{clock::Timestamp, ids::DaemonId};

/// After how long without a heartbeat a member is stale.
pub const FLEET_LIFETIME: Duration = Duration::from_secs(60);
/// After how long without a heartbeat a member is forgotten.
pub const FLEET_MEMORY: Duration = Duration::from_secs(3600);
/// How many members are known at most.
pub const FLEET_CAPACITY: usize = 10_000;

words! {
    /// How a fleet daemon says it is.
    FleetStatus {
        /// All is well.
        Healthy = "healthy",
        /// Some is not.
        Degraded = "degraded",
        /// Nothing is.
        Unhealthy = "unhealthy",
    }
}

/// One member of the fleet (contract 1.24, `DaemonState`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetDaemon {
    /// Which.
    #[serde(rename = "daemonId")]
    pub id: DaemonId,
    /// Its version.
    pub version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// How often it asks for work, in milliseconds, as it said.
    pub poll_interval: serde_json::Number,
    /// When it registered, as it said; only echoed.
    pub registered_at: String,
    /// When the hub last heard of it.
    #[serde(with = "iso")]
    pub last_heartbeat: Timestamp,
    /// How it says it is.
    pub status: FleetStatus,
    /// How much it has done.
    pub tasks_processed: u64,
    /// What it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
}

mod iso {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::domain::clock::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_iso(&text).ok_or_else(|| D::Error::custom("no time"))
    }
}

/// A heartbeat of a fleet daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetBeat {
    /// Whose.
    pub id: DaemonId,
    /// How it says it is.
    pub status: FleetStatus,
    /// How much it has done.
    pub tasks_processed: u64,
    /// What it is at; `None`: nothing.
    pub current_task: Option<String>,
    /// When it arrived.
    pub at: Timestamp,
}

/// What came of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// The daemon is a member, now or again.
    Enrolled,
    /// The fleet has [`FLEET_CAPACITY`] members, and this is none of them.
    Full,
}

/// The fleet at a moment, each part ordered by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetView {
    /// Members heard of within [`FLEET_LIFETIME`].
    pub active: Vec<FleetDaemon>,
    /// Members heard of within [`FLEET_MEMORY`] only, as they were.
    pub stale: Vec<FleetDaemon>,
}

/// The fleet of all hubs. Only the hub's own clock counts.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Fleet {
    /// Takes a daemon in, in place of a member with its id; `last_heartbeat` is the present.
    fn enroll(&self, daemon: &FleetDaemon) -> impl Future<Output = Result<Enrolment>> + Send;

    /// Notes a heartbeat, in one atomic step. `false` when the daemon is no member that was heard of
    /// within [`FLEET_LIFETIME`]: it must register again.
    fn fleet_heartbeat(&self, beat: &FleetBeat) -> impl Future<Output = Result<bool>> + Send;

    /// Who is there at `now`. Changes nothing.
    fn fleet(&self, now: Timestamp) -> impl Future<Output = Result<FleetView>> + Send;
}

//! Small records that other programs read: heartbeats, metrics, sessions, presence.

use std::future::Future;

use serde_json::{Map, Value};

use super::Result;
use crate::domain::{
    clock::Timestamp,
    ids::{ConnectionId, DaemonId, NodeId, OrchestratorId, OrganizationId, SessionId},
};

/// One heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatRecord {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Which instance.
    pub daemon: DaemonId,
    /// Its session.
    pub session: SessionId,
    /// The connection it came by.
    pub connection: ConnectionId,
    /// The hub that holds that connection.
    pub node: NodeId,
    /// Since when.
    pub connected_at: Timestamp,
    /// Its tenant.
    pub organization: Option<OrganizationId>,
    /// `active`, `idle` or `busy`.
    pub status: &'static str,
    /// What it reported, verbatim.
    pub metrics: Option<Map<String, Value>>,
    /// When it arrived.
    pub at: Timestamp,
}

/// Whether an orchestrator is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Its tenant.
    pub organization: Option<OrganizationId>,
    /// The instance that came or went.
    pub daemon: DaemonId,
    /// Its session.
    pub session: SessionId,
    /// Came (`true`) or went.
    pub online: bool,
    /// When.
    pub at: Timestamp,
}

/// A presence that became another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Its tenant.
    pub organization: Option<OrganizationId>,
    /// What it is now: `ONLINE` or `OFFLINE`.
    pub status: &'static str,
}

/// Records that may be written behind: losing one costs freshness, never an event.
pub trait Records {
    /// Writes heartbeats: the heartbeat record, the metrics history, session activity, the routing
    /// session and the presence heartbeat.
    fn heartbeats(&self, beats: &[HeartbeatRecord]) -> impl Future<Output = Result<()>> + Send;

    /// Writes presences and returns those that changed. An orchestrator goes offline only when no
    /// hub counts a connection of it.
    fn presence(&self, changes: &[Presence]) -> impl Future<Output = Result<Vec<PresenceChange>>> + Send;
}

//! Small records that other programs read: heartbeats, metrics, presence.

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
    /// The connection it came by; `None` when it came over HTTP.
    pub via: Option<ConnectionRef>,
    /// Its tenant.
    pub organization: Option<OrganizationId>,
    /// `active`, `idle` or `busy`.
    pub status: &'static str,
    /// What it reported, verbatim.
    pub metrics: Option<Map<String, Value>>,
    /// When it arrived.
    pub at: Timestamp,
}

/// A connection that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRef {
    /// Which.
    pub id: ConnectionId,
    /// The hub that holds it.
    pub node: NodeId,
    /// Since when.
    pub connected_at: Timestamp,
}

/// The latest heartbeat as it can be read, whichever documented writer wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatView {
    /// The daemon instance or session that it named.
    pub daemon: Option<String>,
    /// The session that it named.
    pub session: Option<String>,
    /// The tenant that it named.
    pub organization: Option<String>,
    /// `active`, `idle` or `busy`; `active` when it did not say.
    pub status: String,
    /// What it reported, verbatim.
    pub metrics: Map<String, Value>,
    /// When it arrived.
    pub received_at: Timestamp,
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

    /// The latest heartbeat of each of `orchestrators` in turn, `None` when it is older than 90 s.
    fn heartbeats_of(
        &self,
        orchestrators: &[OrchestratorId],
    ) -> impl Future<Output = Result<Vec<Option<HeartbeatView>>>> + Send;

    /// What the heartbeats of an orchestrator reported, newest first, each with its `timestamp`; at most
    /// 100, and fewer when the backplane had no room for all.
    fn metrics_history(
        &self,
        orchestrator: &OrchestratorId,
    ) -> impl Future<Output = Result<Vec<Map<String, Value>>>> + Send;

    /// Writes presences and returns those that changed. An orchestrator goes offline only when no
    /// hub counts a connection of it.
    fn presence(&self, changes: &[Presence]) -> impl Future<Output = Result<Vec<PresenceChange>>> + Send;
}

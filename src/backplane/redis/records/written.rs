//! The JSON that other programs read under the hub's keys, with their members' documented names.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::corrupt;
use crate::{
    backplane::{
        Result,
        records::{ConnectionRef, HeartbeatRecord, HeartbeatView},
        registry::Attach,
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, NodeId, OrchestratorId, OrganizationId, SessionId},
    },
};

/// Writes a record as JSON.
pub(in super::super) fn json(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|error| corrupt(error.to_string()))
}

/// `ws:connection:{connection}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ConnectionRecord<'a> {
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    daemon_id: &'a DaemonId,
    instance: &'a DaemonId,
    session_id: &'a SessionId,
    organization_id: Option<&'a OrganizationId>,
    node_id: &'a NodeId,
    connected_at: Timestamp,
    last_heartbeat: Timestamp,
}

impl<'a> ConnectionRecord<'a> {
    /// Of a connection that attaches.
    pub(in super::super) fn of(request: &'a Attach, now: Timestamp) -> Self {
        Self {
            orchestrator_id: &request.orchestrator,
            vp_id: &request.orchestrator,
            daemon_id: &request.daemon,
            instance: &request.daemon,
            session_id: &request.session,
            organization_id: request.organization.as_ref(),
            node_id: &request.node,
            connected_at: now,
            last_heartbeat: now,
        }
    }

    /// Of a connection that is alive.
    pub(super) fn of_beat(beat: &'a HeartbeatRecord, via: &'a ConnectionRef) -> Self {
        Self {
            orchestrator_id: &beat.orchestrator,
            vp_id: &beat.orchestrator,
            daemon_id: &beat.daemon,
            instance: &beat.daemon,
            session_id: &beat.session,
            organization_id: beat.organization.as_ref(),
            node_id: &via.node,
            connected_at: via.connected_at,
            last_heartbeat: beat.at,
        }
    }
}

/// `daemon:heartbeat:{orchestrator}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeartbeatJson<'a> {
    pub(super) orchestrator_id: &'a OrchestratorId,
    pub(super) vp_id: &'a OrchestratorId,
    pub(super) daemon_id: &'a DaemonId,
    pub(super) session_id: &'a SessionId,
    pub(super) status: &'static str,
    #[serde(serialize_with = "or_empty")]
    pub(super) metrics: Option<&'a Map<String, Value>>,
    pub(super) received_at: Timestamp,
    pub(super) organization_id: Option<&'a OrganizationId>,
}

/// Reads `daemon:heartbeat:{orchestrator}` in either of its documented forms; `None` when it has none.
pub(super) fn heartbeat_view(json: &str) -> Option<HeartbeatView> {
    let record: Map<String, Value> = serde_json::from_str(json).ok()?;
    let text = |names: &[&str]| names.iter().find_map(|name| record.get(*name)?.as_str()).map(str::to_owned);
    Some(HeartbeatView {
        daemon: text(&["daemonId", "instanceId"]),
        session: text(&["sessionId"]),
        organization: text(&["organizationId"]),
        status: text(&["status"]).unwrap_or_else(|| "active".to_owned()),
        metrics: record.get("metrics").and_then(Value::as_object).cloned().unwrap_or_default(),
        received_at: Timestamp::parse_iso(&text(&["receivedAt", "registeredAt"])?)?,
    })
}

/// Readers expect an object, also when nothing was reported.
fn or_empty<S: serde::Serializer>(
    metrics: &Option<&Map<String, Value>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match metrics {
        Some(metrics) => metrics.serialize(serializer),
        None => Map::new().serialize(serializer),
    }
}

/// On `daemon:heartbeats:{organization}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeartbeatAnnouncement<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) orchestrator_id: &'a OrchestratorId,
    pub(super) vp_id: &'a OrchestratorId,
    pub(super) status: &'static str,
    pub(super) received_at: Timestamp,
}

/// `routing:session:{orchestrator}`, which original routers read (contract S4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoutingSession<'a> {
    session_id: &'a SessionId,
    daemon_id: &'a DaemonId,
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    status: &'static str,
    last_active_at: Timestamp,
    created_at: Timestamp,
}

impl<'a> RoutingSession<'a> {
    /// Active whenever connected, whatever the daemon does (contract C44).
    pub(super) fn active(
        orchestrator: &'a OrchestratorId,
        daemon: &'a DaemonId,
        session: &'a SessionId,
        now: Timestamp,
    ) -> Self {
        Self {
            session_id: session,
            daemon_id: daemon,
            orchestrator_id: orchestrator,
            vp_id: orchestrator,
            status: "active",
            last_active_at: now,
            created_at: now,
        }
    }
}

/// `presence:orchestrator:{orchestrator}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PresenceJson<'a> {
    pub(in super::super) status: &'static str,
    pub(in super::super) status_text: Option<&'a str>,
    pub(in super::super) updated_at: Timestamp,
    pub(in super::super) daemon_id: Option<&'a DaemonId>,
}

/// `daemonInfo` in `presence:vp:{orchestrator}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DaemonInfo<'a> {
    pub(super) process_id: &'a DaemonId,
    pub(super) started_at: Timestamp,
}

/// On `presence:events:vp:{orchestrator}` and `presence:events:global`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceAnnouncement<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) timestamp: Timestamp,
    pub(super) orchestrator_id: &'a OrchestratorId,
    pub(super) vp_id: &'a OrchestratorId,
    pub(super) current_status: &'static str,
    pub(super) daemon_info: &'a DaemonInfo<'a>,
}

/// On `presence:updates:{organization}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PresenceUpdate<'a> {
    #[serde(rename = "type")]
    pub(in super::super) kind: &'static str,
    pub(in super::super) orchestrator_id: &'a OrchestratorId,
    pub(in super::super) vp_id: &'a OrchestratorId,
    pub(in super::super) status: &'static str,
    pub(in super::super) status_text: Option<&'a str>,
    pub(in super::super) updated_at: Timestamp,
    pub(in super::super) daemon_id: Option<&'a DaemonId>,
}

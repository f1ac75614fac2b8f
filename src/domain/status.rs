//! The event that tells an orchestrator's daemons of its changed status (contract 9.10).

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::{
    clock::Timestamp,
    envelope::{Context, Published},
    event::Event,
    ids::{OrchestratorId, OrganizationId},
};

/// `vp.status_changed` for `orchestrator`, whose status is now `status`.
#[must_use]
pub fn status_changed(
    orchestrator: OrchestratorId,
    organization: Option<OrganizationId>,
    status: &str,
    now: Timestamp,
) -> Option<Event> {
    let event = json!({
        "id": format!("evt_{}_{}", now.0, Uuid::new_v4().simple()),
        "type": "vp.status_changed",
        "orchestratorId": orchestrator,
        "organizationId": organization,
        "payload": { "status": status },
        "timestamp": now,
    });
    let json = Bytes::from(serde_json::to_vec(&event).ok()?);
    Published::parse(&json, &Context::default(), now).ok().map(|published| published.event)
}

//! What daemons say of themselves, in Redis (contract 1.13, 1.14, C32).

use redis::Cmd;
use serde::Serialize;
use serde_json::Value;

use super::{
    RedisBackplane, keys,
    records::{PresenceJson, PresenceUpdate, json},
    scripts,
};
use crate::{
    backplane::{
        Result,
        status::{
            ExplicitChoice, ExplicitPresence, ExplicitStatus, OperationalStatus, PRESENCE_LIFETIME,
            PresenceStatus, STATUS_LIFETIME, Statuses, latest,
        },
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId, OrganizationId},
    },
};

/// `hub:choice:{orchestrator}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Choice {
    status: PresenceStatus,
    updated_at: Timestamp,
}

/// `daemon:status:{orchestrator}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson<'a> {
    status: OperationalStatus,
    message: Option<&'a str>,
    updated_at: Timestamp,
    daemon_id: &'a DaemonId,
}

/// On `daemon:status:updates:{organization}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusUpdate<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    #[serde(flatten)]
    status: &'a StatusJson<'a>,
}

/// On `presence:events:vp:{orchestrator}` and `presence:events:global`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PresenceEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    current_status: &'static str,
}

/// A presence to be announced.
pub(super) struct Announced<'a> {
    pub(super) orchestrator: &'a OrchestratorId,
    pub(super) organization: Option<&'a OrganizationId>,
    pub(super) daemon: Option<&'a DaemonId>,
    pub(super) status: PresenceStatus,
    pub(super) text: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// Writes and announces a presence; `chosen`: whether heartbeats must heed it.
pub(super) fn presence_call(presence: &Announced<'_>, chosen: bool) -> Result<Cmd> {
    let Announced { orchestrator, organization, daemon, status, text, at } = *presence;
    let names = [
        keys::presence_hash(orchestrator),
        keys::presence_heartbeat(orchestrator),
        keys::presence(orchestrator),
        keys::presence_choice(orchestrator),
    ];
    let kind = if status == PresenceStatus::Offline { "vp.offline" } else { "vp.online" };
    let mut call = scripts::call(&scripts::CHOOSE_PRESENCE, &names);
    call.arg(orchestrator.as_str()).arg(status.as_upper()).arg(at.to_string());
    let word = status.as_str();
    call.arg(json(&PresenceJson { status: word, status_text: text, updated_at: at, daemon_id: daemon })?);
    let choice = if chosen { json(&Choice { status, updated_at: at })? } else { String::new() };
    call.arg(choice).arg(PRESENCE_LIFETIME.as_secs());
    call.arg(json(&PresenceEvent {
        kind,
        timestamp: at,
        orchestrator_id: orchestrator,
        vp_id: orchestrator,
        current_status: status.as_upper(),
    })?);
    call.arg(json(&PresenceUpdate {
        kind: "orchestrator_presence_update",
        orchestrator_id: orchestrator,
        vp_id: orchestrator,
        status: word,
        status_text: text,
        updated_at: at,
        daemon_id: daemon,
    })?);
    call.arg(keys::presence_events(orchestrator)).arg(keys::PRESENCE_GLOBAL);
    call.arg(organization.map(keys::presence_updates).unwrap_or_default());
    Ok(call)
}

/// The word and the time of a record, as far as it has them.
fn chosen<T>(record: Option<String>, parse: fn(&str) -> Option<T>) -> Option<(T, Timestamp)> {
    let record: Value = serde_json::from_str(&record?).ok()?;
    let at = record.get("updatedAt").and_then(Value::as_str).and_then(Timestamp::parse_iso);
    Some((parse(record.get("status")?.as_str()?)?, at.unwrap_or_default()))
}

impl Statuses for RedisBackplane {
    async fn set_presence(&self, presence: &ExplicitPresence) -> Result<()> {
        let announced = Announced {
            orchestrator: &presence.orchestrator,
            organization: presence.organization.as_ref(),
            daemon: Some(&presence.daemon),
            status: presence.status,
            text: presence.status_text.as_deref(),
            at: presence.at,
        };
        self.run(&presence_call(&announced, true)?).await
    }

    async fn set_status(&self, status: &ExplicitStatus) -> Result<()> {
        let record = StatusJson {
            status: status.status,
            message: status.message.as_deref(),
            updated_at: status.at,
            daemon_id: &status.daemon,
        };
        let orchestrator = &status.orchestrator;
        let mut pipe = redis::pipe();
        pipe.set_ex(keys::status(orchestrator), json(&record)?, STATUS_LIFETIME.as_secs()).ignore();
        if let Some(organization) = &status.organization {
            let update = json(&StatusUpdate {
                kind: "orchestrator_status_update",
                orchestrator_id: orchestrator,
                vp_id: orchestrator,
                status: &record,
            })?;
            pipe.publish(keys::status_updates(organization), update).ignore();
        }
        self.run_all(&pipe).await
    }

    async fn explicit_choice(&self, orchestrator: &OrchestratorId) -> Result<Option<ExplicitChoice>> {
        let names = [keys::presence_choice(orchestrator), keys::status(orchestrator)];
        let mut records = self.texts(names.into_iter()).await?.into_iter();
        let presence = chosen(records.next().flatten(), PresenceStatus::parse);
        Ok(latest(presence, chosen(records.next().flatten(), OperationalStatus::parse)))
    }
}

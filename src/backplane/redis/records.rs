//! Heartbeats, metrics, sessions and presence in Redis (contract 6.1).

use redis::Pipeline;
use serde_json::{Value, json};

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{
        Result,
        records::{HeartbeatRecord, Presence, PresenceChange, Records},
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId, SessionId},
    },
};

/// How long the last heartbeat is known.
const HEARTBEAT_SECONDS: u64 = 90;
/// How many metric samples are kept.
const METRICS_KEPT: isize = 100;
/// How long they are kept.
const METRICS_SECONDS: i64 = 86_400;
/// How long a routing session lives without a heartbeat.
const ROUTING_SECONDS: u64 = 3_600;
/// How long presence lives without a heartbeat.
const PRESENCE_SECONDS: i64 = 300;
/// How long a presence heartbeat lives.
const PRESENCE_HEARTBEAT_SECONDS: u64 = 60;
/// How long a connection record outlives its last heartbeat.
const CONNECTION_SECONDS: i64 = 120;

/// The record that original routers read (contract S4, C44): active whenever connected.
fn routing_session(
    orchestrator: &OrchestratorId,
    daemon: &DaemonId,
    session: &SessionId,
    now: Timestamp,
) -> String {
    json!({
        "sessionId": session,
        "daemonId": daemon,
        "orchestratorId": orchestrator,
        "vpId": orchestrator,
        "status": "active",
        "lastActiveAt": now,
        "createdAt": now,
    })
    .to_string()
}

fn add_heartbeat(pipe: &mut Pipeline, beat: &HeartbeatRecord) {
    let HeartbeatRecord { orchestrator, daemon, session, organization, at, .. } = beat;
    let record = json!({
        "orchestratorId": orchestrator,
        "vpId": orchestrator,
        "daemonId": daemon,
        "sessionId": session,
        "status": beat.status,
        "metrics": beat.metrics.clone().map_or_else(|| json!({}), Value::Object),
        "receivedAt": at,
        "organizationId": organization,
    });
    pipe.set_ex(keys::heartbeat(orchestrator), record.to_string(), HEARTBEAT_SECONDS).ignore();
    if let Some(metrics) = &beat.metrics {
        let key = keys::metrics(orchestrator);
        let mut sample = metrics.clone();
        sample.insert("timestamp".to_owned(), json!(at));
        pipe.lpush(&key, Value::Object(sample).to_string()).ignore();
        pipe.ltrim(&key, 0, METRICS_KEPT - 1).ignore();
        pipe.expire(&key, METRICS_SECONDS).ignore();
    }
    let connection = keys::connection(&beat.connection);
    pipe.hset(&connection, "lastHeartbeat", at.to_string()).ignore();
    pipe.expire(&connection, CONNECTION_SECONDS).ignore();
    let routing = routing_session(orchestrator, daemon, session, *at);
    pipe.set_ex(keys::routing_session(orchestrator), routing, ROUTING_SECONDS).ignore();
    pipe.hset(keys::presence_hash(orchestrator), "lastHeartbeat", at.to_string()).ignore();
    pipe.set_ex(keys::presence_heartbeat(orchestrator), "1", PRESENCE_HEARTBEAT_SECONDS).ignore();
    pipe.expire(keys::presence(orchestrator), PRESENCE_SECONDS).ignore();
    let session_status = if beat.status == "idle" { "idle" } else { "active" };
    let mut activity = scripts::call(&scripts::SESSION_ACTIVITY, &[keys::session(session)]);
    activity.arg(at.to_string()).arg(beat.status).arg(session_status);
    pipe.add_command(activity).ignore();
    if let Some(organization) = organization {
        let announcement = json!({
            "type": "heartbeat",
            "orchestratorId": orchestrator,
            "vpId": orchestrator,
            "status": beat.status,
            "receivedAt": at,
        });
        pipe.publish(keys::heartbeat_channel(organization), announcement.to_string()).ignore();
    }
}

fn add_presence(pipe: &mut Pipeline, change: &Presence) {
    let Presence { orchestrator, organization, daemon, session, online, at } = change;
    let (status, word, kind) =
        if *online { ("ONLINE", "online", "vp.online") } else { ("OFFLINE", "offline", "vp.offline") };
    let record = json!({ "status": word, "statusText": null, "updatedAt": at, "daemonId": daemon });
    let info = json!({ "processId": daemon, "endpoint": null, "startedAt": at });
    let announcement = json!({
        "type": kind,
        "timestamp": at,
        "orchestratorId": orchestrator,
        "vpId": orchestrator,
        "currentStatus": status,
        "daemonInfo": info,
    });
    let update = json!({
        "type": "orchestrator_presence_update",
        "orchestratorId": orchestrator,
        "vpId": orchestrator,
        "status": word,
        "statusText": null,
        "updatedAt": at,
        "daemonId": daemon,
    });
    let names = [
        keys::presence_hash(orchestrator),
        keys::presence_heartbeat(orchestrator),
        keys::presence(orchestrator),
        keys::routing_session(orchestrator),
        keys::connections(orchestrator),
    ];
    let mut call = scripts::call(&scripts::PRESENCE, &names);
    call.arg(orchestrator.as_str()).arg(status).arg(at.to_string()).arg(record.to_string());
    call.arg(info.to_string()).arg(routing_session(orchestrator, daemon, session, *at));
    call.arg(announcement.to_string()).arg(update.to_string());
    call.arg(keys::presence_events(orchestrator)).arg(keys::PRESENCE_GLOBAL);
    call.arg(organization.as_ref().map(keys::presence_updates).unwrap_or_default());
    pipe.add_command(call);
}

impl Records for RedisBackplane {
    async fn heartbeats(&self, beats: &[HeartbeatRecord]) -> Result<()> {
        if beats.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for beat in beats {
            add_heartbeat(&mut pipe, beat);
        }
        self.run_all(&pipe).await
    }

    async fn presence(&self, changes: &[Presence]) -> Result<Vec<PresenceChange>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        for change in changes.iter().filter(|change| !change.online) {
            self.drop_stale_connections(&change.orchestrator).await?;
        }
        let mut pipe = redis::pipe();
        for change in changes {
            add_presence(&mut pipe, change);
        }
        let changed: Vec<bool> = self.run_all(&pipe).await?;
        let became = changes.iter().zip(changed).filter(|(_, changed)| *changed);
        Ok(became
            .map(|(change, _)| PresenceChange {
                orchestrator: change.orchestrator.clone(),
                organization: change.organization.clone(),
                status: if change.online { "ONLINE" } else { "OFFLINE" },
            })
            .collect())
    }
}

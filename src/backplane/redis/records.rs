//! Heartbeats, metrics and presence in Redis (contract 6.1).

mod written;

use redis::Pipeline;
use serde_json::{Map, Value, json as value};

pub(super) use self::written::{ConnectionRecord, PresenceJson, PresenceUpdate, json};
use self::written::{
    DaemonInfo, HeartbeatAnnouncement, HeartbeatJson, PresenceAnnouncement, RoutingSession, heartbeat_view,
};
use super::{
    RedisBackplane, keys, queue::is_wrong_type, registry::CONNECTION_LIFETIME, scripts, sessions::activity,
};
use crate::{
    backplane::{
        Result,
        queue::RETENTION,
        records::{ConnectionRef, HeartbeatRecord, HeartbeatView, Presence, PresenceChange, Records},
    },
    domain::ids::OrchestratorId,
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

fn add_heartbeat(pipe: &mut Pipeline, beat: &HeartbeatRecord) -> Result<()> {
    let HeartbeatRecord { orchestrator, daemon, session, organization, at, .. } = beat;
    let record = json(&HeartbeatJson {
        orchestrator_id: orchestrator,
        vp_id: orchestrator,
        daemon_id: daemon,
        session_id: session,
        status: beat.status,
        metrics: beat.metrics.as_ref(),
        received_at: *at,
        organization_id: organization.as_ref(),
    })?;
    pipe.set_ex(keys::heartbeat(orchestrator), record, HEARTBEAT_SECONDS).ignore();
    if let Some(metrics) = &beat.metrics {
        let key = keys::metrics(orchestrator);
        let mut sample = metrics.clone();
        sample.insert("timestamp".to_owned(), value!(at));
        pipe.lpush(&key, Value::Object(sample).to_string()).ignore();
        pipe.ltrim(&key, 0, METRICS_KEPT - 1).ignore();
        pipe.expire(&key, METRICS_SECONDS).ignore();
    }
    if let Some(via) = &beat.via {
        add_connection(pipe, beat, via)?;
    }
    let routing = json(&RoutingSession::active(orchestrator, daemon, session, *at))?;
    pipe.set_ex(keys::routing_session(orchestrator), routing, ROUTING_SECONDS).ignore();
    pipe.hset(keys::presence_hash(orchestrator), "lastHeartbeat", at.to_string()).ignore();
    pipe.set_ex(keys::presence_heartbeat(orchestrator), "1", PRESENCE_HEARTBEAT_SECONDS).ignore();
    pipe.expire(keys::presence(orchestrator), PRESENCE_SECONDS).ignore();
    pipe.zadd(keys::ALIVE, orchestrator.as_str(), at.0).ignore();
    pipe.add_command(activity(session, orchestrator, beat.status, *at)).ignore();
    if let Some(organization) = organization {
        let announcement = json(&HeartbeatAnnouncement {
            kind: "heartbeat",
            orchestrator_id: orchestrator,
            vp_id: orchestrator,
            status: beat.status,
            received_at: *at,
        })?;
        pipe.publish(keys::heartbeat_channel(organization), announcement).ignore();
    }
    Ok(())
}

fn add_connection(pipe: &mut Pipeline, beat: &HeartbeatRecord, via: &ConnectionRef) -> Result<()> {
    let connection = json(&ConnectionRecord::of_beat(beat, via))?;
    pipe.set_ex(keys::connection(&via.id), connection, CONNECTION_LIFETIME.as_secs()).ignore();
    // Also after a Redis that has lost its data: whoever is alive counts.
    let (connections, instances) =
        (keys::connections(&beat.orchestrator), keys::instances(&beat.orchestrator));
    let id = via.id.to_string();
    pipe.sadd(&connections, &id).ignore();
    pipe.hset_nx(&instances, beat.daemon.as_str(), format!("{id} {}", via.node)).ignore();
    pipe.zadd(keys::ALL_CONNECTIONS, id, 0).ignore();
    for key in [connections, instances] {
        pipe.expire(key, RETENTION.as_secs().cast_signed()).ignore();
    }
    Ok(())
}

fn add_presence(pipe: &mut Pipeline, change: &Presence) -> Result<()> {
    let Presence { orchestrator, organization, daemon, session, online, at } = change;
    let (status, word, kind) =
        if *online { ("ONLINE", "online", "vp.online") } else { ("OFFLINE", "offline", "vp.offline") };
    let info = DaemonInfo { process_id: daemon, started_at: *at };
    let record = PresenceJson { status: word, status_text: None, updated_at: *at, daemon_id: Some(daemon) };
    let announcement = PresenceAnnouncement {
        kind,
        timestamp: *at,
        orchestrator_id: orchestrator,
        vp_id: orchestrator,
        current_status: status,
        daemon_info: &info,
    };
    let update = match organization {
        None => String::new(),
        Some(_) => json(&PresenceUpdate {
            kind: "orchestrator_presence_update",
            orchestrator_id: orchestrator,
            vp_id: orchestrator,
            status: word,
            status_text: None,
            updated_at: *at,
            daemon_id: Some(daemon),
        })?,
    };
    let names = [
        keys::presence_hash(orchestrator),
        keys::presence_heartbeat(orchestrator),
        keys::presence(orchestrator),
        keys::routing_session(orchestrator),
        keys::connections(orchestrator),
    ];
    if *online {
        pipe.zadd(keys::ALIVE, orchestrator.as_str(), at.0).ignore();
    }
    let mut call = scripts::call(&scripts::PRESENCE, &names);
    call.arg(orchestrator.as_str()).arg(status).arg(at.to_string()).arg(json(&record)?);
    call.arg(json(&info)?).arg(json(&RoutingSession::active(orchestrator, daemon, session, *at))?);
    call.arg(json(&announcement)?).arg(update);
    call.arg(keys::presence_events(orchestrator)).arg(keys::PRESENCE_GLOBAL);
    call.arg(organization.as_ref().map(keys::presence_updates).unwrap_or_default());
    pipe.add_command(call);
    Ok(())
}

impl Records for RedisBackplane {
    async fn heartbeats(&self, beats: &[HeartbeatRecord]) -> Result<()> {
        if beats.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for beat in beats {
            add_heartbeat(&mut pipe, beat)?;
        }
        self.run_all(&pipe).await
    }

    async fn heartbeats_of(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<HeartbeatView>>> {
        let records = self.texts(orchestrators.iter().map(keys::heartbeat)).await?;
        Ok(records.into_iter().map(|record| heartbeat_view(&record?)).collect())
    }

    async fn metrics_history(&self, orchestrator: &OrchestratorId) -> Result<Vec<Map<String, Value>>> {
        let mut range = redis::cmd("LRANGE");
        range.arg(keys::metrics(orchestrator)).arg(0).arg(METRICS_KEPT - 1);
        let samples: Vec<String> = match range.query_async(&mut self.commands()).await {
            // Another program keeps a hash under such a name, of a daemon that is called the same.
            Err(error) if is_wrong_type(&error) => Vec::new(),
            reply => reply.map_err(|error| self.failed(error))?,
        };
        Ok(samples.iter().filter_map(|sample| serde_json::from_str(sample).ok()).collect())
    }

    async fn presence(&self, changes: &[Presence]) -> Result<Vec<PresenceChange>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        for change in changes.iter().filter(|change| !change.online) {
            self.drop_stale_connections(&change.orchestrator, change.at).await?;
        }
        let mut pipe = redis::pipe();
        for change in changes {
            add_presence(&mut pipe, change)?;
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

//! Who is connected, in Redis.

use std::{collections::HashSet, time::Duration};

use super::{
    RedisBackplane, corrupt, keys,
    records::{ConnectionRecord, json},
    scripts,
    sessions::INDEX_LIFETIME,
};
use crate::{
    backplane::{
        Result,
        queue::{LegacySource, RETENTION},
        registry::{Attach, AttachOutcome, Attached, ConnectionRegistry, Detach, Remembered, Replaced},
        rules::Losses,
        sessions::{SESSION_LIFETIME, SessionRecord},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, NodeId, OrchestratorId, SessionId},
    },
};
use redis::{AsyncCommands as _, Value};
use serde::Deserialize;

/// How long a connection record outlives its last heartbeat (contract 9.8.3).
pub(super) const CONNECTION_LIFETIME: Duration = Duration::from_secs(120);
/// After how long without a sign of life a hub is gone.
const NODE_LIFETIME: Duration = Duration::from_secs(15);
/// For how many orchestrators stale connections are looked for at once.
const STALE_PAGE: usize = 200;
/// How long it is remembered what a daemon was told of.
const TOLD_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

impl RedisBackplane {
    async fn try_attach(&self, request: &Attach) -> Result<Vec<Value>> {
        let Attach { connection, orchestrator, daemon, session, .. } = request;
        let of_orchestrator = LegacySource::Orchestrator(orchestrator.clone());
        let of_daemon = LegacySource::Daemon(daemon.clone(), orchestrator.clone());
        let routing = LegacySource::Routing(orchestrator.clone());
        let names = [
            keys::connections(orchestrator),
            keys::connection(connection),
            keys::instances(orchestrator),
            keys::session(session),
            keys::orchestrator_sessions(orchestrator),
            keys::instance_sessions(daemon),
            keys::revoked(request.jti.as_deref().unwrap_or_default()),
            keys::REVOKED_SET.to_owned(),
            keys::subscriptions(orchestrator, daemon),
            keys::queue(orchestrator),
            keys::legacy(&of_daemon),
            keys::legacy(&routing),
            keys::legacy_claim(&of_orchestrator),
            keys::legacy_claim(&of_daemon),
            keys::legacy_claim(&routing),
            keys::revoked(session.as_str()),
            keys::revoked_before(orchestrator),
            keys::queue_meta(orchestrator),
            keys::told(orchestrator, daemon),
        ];
        let mut call = scripts::call(&scripts::ATTACH, &names);
        call.arg(connection.to_string()).arg(request.node.as_str()).arg(daemon.as_str()).arg(request.limit);
        call.arg(request.jti.as_deref().unwrap_or_default()).arg(session.as_str());
        call.arg(json(&SessionRecord::of_attach(request))?).arg(SESSION_LIFETIME.as_secs());
        call.arg(CONNECTION_LIFETIME.as_secs()).arg(RETENTION.as_secs());
        call.arg(json(&ConnectionRecord::of(request, request.now))?);
        call.arg(request.issued_at.map(|at| at.0.to_string()).unwrap_or_default());
        call.arg(INDEX_LIFETIME.as_secs()).arg(TOLD_LIFETIME.as_secs());
        let mut pipe = redis::pipe();
        pipe.add_command(call);
        pipe.zadd(keys::ALL_CONNECTIONS, connection.to_string(), 0).ignore();
        let (reply,): (Vec<Value>,) = self.run_all(&pipe).await?;
        Ok(reply)
    }

    async fn refused(&self, request: &Attach) -> Result<()> {
        let mut forget = redis::cmd("ZREM");
        forget.arg(keys::ALL_CONNECTIONS).arg(request.connection.to_string());
        self.run::<usize>(&forget).await.map(drop)
    }

    /// Drops the members of a connection set whose record is gone, or whose hub is. Returns how many.
    pub(super) async fn drop_stale_connections(
        &self,
        orchestrator: &OrchestratorId,
        now: Timestamp,
    ) -> Result<usize> {
        let set = keys::connections(orchestrator);
        let mut pipe = redis::pipe();
        pipe.smembers(&set);
        pipe.cmd("ZRANGEBYSCORE").arg(keys::NODES).arg(now.minus(NODE_LIFETIME).0).arg("+inf");
        let (members, nodes): (Vec<String>, HashSet<String>) = self.run_all(&pipe).await?;
        let ids: Vec<ConnectionId> =
            members.iter().filter_map(|member| ConnectionId::parse(member).ok()).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let mut read = redis::cmd("MGET");
        ids.iter().for_each(|id| {
            read.arg(keys::connection(id));
        });
        let records: Vec<Option<String>> = self.run(&read).await?;
        let lives = |record: &Option<String>| {
            let node = record.as_deref().and_then(|json| serde_json::from_str::<HeldBy>(json).ok());
            // Where no hub has announced itself, nothing is known about hubs.
            node.is_some_and(|record| nodes.is_empty() || nodes.contains(&record.node_id))
        };
        let stale: Vec<String> = ids
            .iter()
            .zip(&records)
            .filter(|(_, record)| !lives(record))
            .map(|(id, _)| id.to_string())
            .collect();
        if !stale.is_empty() {
            let mut pipe = redis::pipe();
            pipe.srem(&set, &stale).ignore().zrem(keys::ALL_CONNECTIONS, &stale).ignore();
            self.run_all::<()>(&pipe).await?;
        }
        Ok(stale.len())
    }
}

/// The part of a connection record that says whose it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldBy {
    node_id: String,
}

fn text(value: Option<&Value>) -> Result<String> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Some(Value::SimpleString(text)) => Ok(text.clone()),
        _ => Err(corrupt("the attach script answered something else")),
    }
}

fn integer(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    }
}

fn attached(reply: &[Value]) -> Result<Attached> {
    let replaced = text(reply.get(1))?;
    let replaced = replaced.split_once(' ').and_then(|(connection, node)| {
        let connection = ConnectionId::parse(connection).ok()?;
        Some(Replaced { connection, node: NodeId::parse(node).ok()? })
    });
    let subscriptions = text(reply.get(2))?;
    Ok(Attached {
        replaced,
        subscriptions: serde_json::from_str(&subscriptions).ok(),
        depth: integer(reply.get(3)),
        gap: Losses { dropped: integer(reply.get(5)), expired: integer(reply.get(6)) }
            .since(Losses::default()),
        legacy: integer(reply.get(4)) > 0,
    })
}

impl ConnectionRegistry for RedisBackplane {
    async fn attach(&self, request: &Attach) -> Result<AttachOutcome> {
        let mut reply = self.try_attach(request).await?;
        if text(reply.first())? == "full"
            && self.drop_stale_connections(&request.orchestrator, request.now).await? > 0
        {
            reply = self.try_attach(request).await?;
        }
        let outcome = match text(reply.first())?.as_str() {
            "attached" => return Ok(AttachOutcome::Attached(attached(&reply)?)),
            "full" => AttachOutcome::QuotaExceeded,
            _ => AttachOutcome::Revoked,
        };
        self.refused(request).await?;
        Ok(outcome)
    }

    async fn detach(&self, gone: &[Detach]) -> Result<()> {
        let mut pipe = redis::pipe();
        for Detach { connection, orchestrator, daemon } in gone {
            let names = [
                keys::connections(orchestrator),
                keys::connection(connection),
                keys::instances(orchestrator),
            ];
            let mut call = scripts::call(&scripts::DETACH, &names);
            call.arg(connection.to_string()).arg(daemon.as_str());
            pipe.add_command(call).ignore();
            pipe.zrem(keys::ALL_CONNECTIONS, connection.to_string()).ignore();
        }
        self.run_all(&pipe).await
    }

    async fn save_subscriptions(&self, remembered: &[Remembered]) -> Result<()> {
        if remembered.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for Remembered { orchestrator, daemon, subscriptions } in remembered {
            let key = keys::subscriptions(orchestrator, daemon);
            if subscriptions.is_empty() {
                pipe.del(key).ignore();
            } else {
                pipe.set_ex(key, json(subscriptions.as_ref())?, RETENTION.as_secs()).ignore();
            }
        }
        self.run_all(&pipe).await
    }

    async fn owner_of(&self, daemon: &DaemonId) -> Result<Option<OrchestratorId>> {
        let mut sessions: Vec<String> = self
            .commands()
            .smembers(keys::instance_sessions(daemon))
            .await
            .map_err(|error| self.failed(error))?;
        sessions.push(daemon.as_str().to_owned());
        let keys: Vec<String> =
            sessions.iter().filter_map(|id| SessionId::parse(id).ok()).map(|id| keys::session(&id)).collect();
        let records: Vec<Option<String>> =
            self.commands().mget(&keys).await.map_err(|error| self.failed(error))?;
        let owner = |record: String| {
            let record: serde_json::Value = serde_json::from_str(&record).ok()?;
            OrchestratorId::parse(record.get("orchestratorId")?.as_str()?).ok()
        };
        let owners: HashSet<OrchestratorId> = records.into_iter().flatten().filter_map(owner).collect();
        let mut owners = owners.into_iter();
        Ok(match (owners.next(), owners.next()) {
            (Some(owner), None) => Some(owner),
            _ => None,
        })
    }

    async fn touch(&self, connections: &[ConnectionId]) -> Result<()> {
        if connections.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for connection in connections {
            pipe.expire(keys::connection(connection), CONNECTION_LIFETIME.as_secs().cast_signed()).ignore();
        }
        pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))
    }

    async fn forget_stale(&self, orchestrators: &[OrchestratorId]) -> Result<usize> {
        let mut forgotten = 0;
        for page in orchestrators.chunks(STALE_PAGE) {
            let mut pipe = redis::pipe();
            for orchestrator in page {
                pipe.smembers(keys::connections(orchestrator));
            }
            let sets: Vec<Vec<String>> = self.run_all(&pipe).await?;
            let members: Vec<(&OrchestratorId, ConnectionId)> = page
                .iter()
                .zip(&sets)
                .flat_map(|(owner, set)| {
                    set.iter().filter_map(move |id| Some((owner, ConnectionId::parse(id).ok()?)))
                })
                .collect();
            let records = self.texts(members.iter().map(|(_, id)| keys::connection(id))).await?;
            let mut pipe = redis::pipe();
            for ((owner, id), _) in members.iter().zip(&records).filter(|(_, record)| record.is_none()) {
                pipe.srem(keys::connections(owner), id.to_string()).ignore();
                pipe.zrem(keys::ALL_CONNECTIONS, id.to_string()).ignore();
                forgotten += 1;
            }
            if !pipe.is_empty() {
                self.run_all::<()>(&pipe).await?;
            }
        }
        Ok(forgotten)
    }

    async fn announce(&self, node: &NodeId, now: Timestamp) -> Result<usize> {
        let mut pipe = redis::pipe();
        pipe.zadd(keys::NODES, node.as_str(), now.0).ignore();
        pipe.cmd("ZREMRANGEBYSCORE").arg(keys::NODES).arg("-inf").arg(now.minus(NODE_LIFETIME).0).ignore();
        pipe.zcard(keys::NODES);
        let (alive,): (usize,) =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        Ok(alive)
    }

    async fn retire(&self, node: &NodeId) -> Result<()> {
        self.commands().zrem(keys::NODES, node.as_str()).await.map_err(|error| self.failed(error))
    }
}

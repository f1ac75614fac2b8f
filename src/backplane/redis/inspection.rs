//! What admins look at, in Redis.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{
    RedisBackplane, corrupt,
    in_flight::InFlight,
    keys,
    queue::{is_wrong_type, whole_queue},
    scripts,
};
use crate::{
    backplane::{
        Result,
        inspection::{ConnectionView, Inspection, Ledger, QueueCursor, QueuedEvent},
        queue::RETENTION,
        trail::RECEIPTS_KEPT,
    },
    domain::{
        clock::{self, Timestamp},
        ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, OrganizationId, SessionId},
    },
};

/// How many connections are looked up at once.
const PAGE: usize = 500;
/// How many places there are in a millisecond; see `commit.lua`.
const PLACES: f64 = 4096.0;

/// `ws:connection:{connection}`, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    node_id: NodeId,
    orchestrator_id: OrchestratorId,
    daemon_id: DaemonId,
    session_id: SessionId,
    organization_id: Option<OrganizationId>,
    connected_at: String,
    last_heartbeat: String,
}

fn view(id: ConnectionId, json: &str) -> Option<ConnectionView> {
    let stored: Stored = serde_json::from_str(json).ok()?;
    Some(ConnectionView {
        id,
        node: stored.node_id,
        orchestrator: stored.orchestrator_id,
        daemon: stored.daemon_id,
        session: stored.session_id,
        organization: stored.organization_id,
        connected_at: Timestamp::parse_iso(&stored.connected_at)?,
        last_heartbeat: Timestamp::parse_iso(&stored.last_heartbeat)?,
    })
}

fn parse(members: &[String]) -> Vec<ConnectionId> {
    members.iter().filter_map(|id| ConnectionId::parse(id).ok()).collect()
}

impl RedisBackplane {
    /// The values of string keys in turn.
    pub(super) async fn texts(&self, names: impl Iterator<Item = String>) -> Result<Vec<Option<String>>> {
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = redis::cmd("MGET");
        read.arg(names);
        self.run(&read).await
    }

    /// Those of `ids` that are still there; the others leave the list of all connections.
    async fn living(&self, ids: &[ConnectionId]) -> Result<Vec<ConnectionView>> {
        let records = self.texts(ids.iter().map(keys::connection)).await?;
        let gone = ids.iter().zip(&records).filter(|(_, record)| record.is_none());
        let gone: Vec<String> = gone.map(|(id, _)| id.to_string()).collect();
        if !gone.is_empty() {
            let mut forget = redis::cmd("ZREM");
            forget.arg(keys::ALL_CONNECTIONS).arg(gone);
            self.run::<usize>(&forget).await?;
        }
        Ok(ids.iter().zip(records).filter_map(|(id, record)| view(*id, &record?)).collect())
    }

    async fn listed(&self, after: Option<ConnectionId>, count: usize) -> Result<Vec<ConnectionId>> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut range = redis::cmd("ZRANGEBYLEX");
        range.arg(keys::ALL_CONNECTIONS).arg(from).arg("+").arg("LIMIT").arg(0).arg(count);
        Ok(parse(&self.run::<Vec<String>>(&range).await?))
    }

    /// How often each event was sent, by the connected instance that got it most often.
    async fn most_attempts(&self, orchestrator: &OrchestratorId, ids: &[String]) -> Result<Vec<u32>> {
        let mut instances = redis::cmd("HKEYS");
        instances.arg(keys::instances(orchestrator));
        let instances: Vec<String> = self.run(&instances).await?;
        let mut attempts = vec![0; ids.len()];
        for daemon in instances.iter().filter_map(|daemon| DaemonId::parse(daemon).ok()) {
            let mut read = redis::cmd("HMGET");
            read.arg(keys::in_flight(&daemon)).arg(ids);
            let records: Vec<Option<Vec<u8>>> = self.run(&read).await?;
            for (most, record) in attempts.iter_mut().zip(records) {
                let record = record.and_then(|json| InFlight::read(&json, orchestrator));
                *most = record.map_or(*most, |record| record.attempts.max(*most));
            }
        }
        Ok(attempts)
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit, and so do places")]
fn score(cursor: QueueCursor) -> f64 {
    cursor.time.0 as f64 + cursor.arrival as f64 / PLACES
}

#[expect(clippy::cast_possible_truncation, reason = "a score is a time in milliseconds and a fraction")]
fn cursor(score: f64) -> QueueCursor {
    let millis = score.floor();
    QueueCursor { time: Timestamp(millis as i64), arrival: ((score - millis) * PLACES) as i64 }
}

impl Inspection for RedisBackplane {
    async fn connections(
        &self,
        orchestrator: Option<&OrchestratorId>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionView>> {
        if let Some(orchestrator) = orchestrator {
            let mut members = redis::cmd("SMEMBERS");
            members.arg(keys::connections(orchestrator));
            let mut ids = parse(&self.run::<Vec<String>>(&members).await?);
            ids.retain(|id| after.is_none_or(|after| *id > after));
            ids.sort_unstable();
            let mut views = self.living(&ids).await?;
            views.truncate(limit);
            return Ok(views);
        }
        let (mut views, mut after) = (Vec::new(), after);
        while views.len() < limit {
            let ids = self.listed(after, PAGE.min(limit - views.len())).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            views.extend(self.living(&ids).await?);
        }
        Ok(views)
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<ConnectionView>> {
        Ok(self.living(&[id]).await?.pop())
    }

    async fn queue_page(
        &self,
        orchestrator: &OrchestratorId,
        after: Option<QueueCursor>,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>> {
        let from = after.map_or_else(|| "-inf".to_owned(), |after| format!("({}", score(after)));
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGEBYSCORE").arg(keys::queue(orchestrator)).arg(from).arg("+inf").arg("WITHSCORES");
        pipe.arg("LIMIT").arg(0).arg(limit);
        pipe.cmd("ZRANGE").arg(keys::queue_priorities(orchestrator)).arg(0).arg(-1).arg("WITHSCORES");
        type Scored = Vec<(String, f64)>;
        let (entries, priorities): (Scored, Scored) = match pipe.query_async(&mut self.commands()).await {
            // A list of an original publisher lies there; it is drained, not read.
            Err(error) if is_wrong_type(&error) => return Ok(Vec::new()),
            reply => reply.map_err(|error| self.failed(error))?,
        };
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = entries.iter().map(|(id, _)| id.clone()).collect();
        let mut bodies = redis::cmd("HMGET");
        bodies.arg(keys::queue_data(orchestrator)).arg(&names);
        let bodies: Vec<Option<Vec<u8>>> = self.run(&bodies).await?;
        let attempts = self.most_attempts(orchestrator, &names).await?;
        #[expect(clippy::cast_possible_truncation, reason = "a priority was written as a 32-bit number")]
        let priorities: HashMap<String, i32> =
            priorities.into_iter().map(|(id, priority)| (id, priority as i32)).collect();
        let mut page = Vec::with_capacity(entries.len());
        for (((name, score), body), attempts) in entries.iter().zip(bodies).zip(attempts) {
            // Taken since the look at the queue.
            let Some(body) = body else { continue };
            let cursor = cursor(*score);
            page.push(QueuedEvent {
                id: EventId::parse(name).map_err(|error| corrupt(format!("an event id {error}")))?,
                time: cursor.time,
                priority: priorities.get(name).copied().unwrap_or_default(),
                body: Bytes::from(body),
                attempts,
                cursor,
            });
        }
        Ok(page)
    }

    async fn purge(&self, orchestrator: &OrchestratorId) -> Result<u64> {
        let mut call = scripts::call(&scripts::PURGE, &whole_queue(orchestrator));
        call.arg(orchestrator.as_str()).arg(clock::now().wall.0).arg(RETENTION.as_secs());
        call.arg(RECEIPTS_KEPT).arg(keys::RECEIPTS_PREFIX);
        self.run(&call).await
    }

    async fn ledger(&self, orchestrator: &OrchestratorId) -> Result<Ledger> {
        let mut pipe = redis::pipe();
        // In one step, or the books would not balance while somebody writes.
        pipe.atomic();
        pipe.hgetall(keys::queue_meta(orchestrator)).zcard(keys::queue(orchestrator));
        let (books, queued): (HashMap<String, String>, u64) =
            match pipe.query_async(&mut self.commands()).await {
                Err(error) if is_wrong_type(&error) => {
                    let mut read = redis::cmd("HGETALL");
                    read.arg(keys::queue_meta(orchestrator));
                    (self.run(&read).await?, 0)
                }
                reply => reply.map_err(|error| self.failed(error))?,
            };
        let count = |name: &str| books.get(name).and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(Ledger {
            accepted: count("accepted"),
            acknowledged: count("acknowledged"),
            expired: count("expired"),
            dropped: count("dropped"),
            dead: count("dead"),
            queued,
        })
    }
}

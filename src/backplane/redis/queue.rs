//! The event queue in Redis (contract 6.3).

use std::{cmp::Reverse, collections::HashMap};

use bytes::Bytes;
use redis::{RedisError, Value};
use serde::Deserialize;
use serde_json::json;

use super::{RedisBackplane, corrupt, keys, scripts};
use crate::{
    backplane::{
        Result,
        commit::{CommitBatch, CommitOutcome, GroupOutcome, OrchestratorCommit, StoreOutcome},
        queue::{
            ACK_MEMORY, Backlog, DEAD_LETTER_CAPACITY, EXPIRY_SLACK, EventQueue, Expired, LEGACY_PAGE,
            LegacyClaim, LegacySource, Loaded, QUEUE_CAPACITY, RECENT_ACKS, RETENTION, Waiting, queue_time,
        },
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
};

/// How many queues one sweep looks at.
const EXPIRE_PAGE: isize = 1000;
/// How many queues are asked for their depth at once.
const BACKLOG_PAGE: usize = 1000;

/// What `commit.lua` answers: see there.
type CommitReply = (String, Vec<u64>, Vec<String>, Vec<String>);
/// What `HMGET` answers.
type Values = Vec<Option<Vec<u8>>>;

/// What `daemon:pending_ack:{daemon}` holds per event.
#[derive(Deserialize)]
struct InFlight {
    attempts: u32,
}

impl RedisBackplane {
    async fn commit_queues(&self, batch: &CommitBatch) -> Result<CommitOutcome> {
        let mut names = Vec::with_capacity(2 + 8 * batch.groups.len());
        names.extend([keys::QUEUES.to_owned(), keys::RECENT_ACKS.to_owned()]);
        for OrchestratorCommit { orchestrator, .. } in &batch.groups {
            names.extend([
                keys::queue(orchestrator),
                keys::queue_data(orchestrator),
                keys::queue_meta(orchestrator),
                keys::acknowledged(orchestrator),
                keys::acknowledged_before(orchestrator),
                keys::queue_priorities(orchestrator),
                keys::dead_letters(orchestrator),
                keys::legacy_claim(&LegacySource::Orchestrator(orchestrator.clone())),
            ]);
        }
        let mut call = scripts::call(&scripts::COMMIT, &names);
        call.arg(batch.now.0).arg(QUEUE_CAPACITY).arg(RETENTION.as_secs()).arg(ACK_MEMORY);
        call.arg(RECENT_ACKS).arg(DEAD_LETTER_CAPACITY).arg(batch.groups.len());
        for group in &batch.groups {
            call.arg(group.orchestrator.as_str()).arg(group.completed.len());
            for ack in &group.completed {
                call.arg(ack.id.as_str());
            }
            call.arg(group.stores.len());
            for event in &group.stores {
                call.arg(event.id.as_str()).arg(queue_time(event.timestamp, batch.now).0);
                call.arg(event.priority).arg(event.body.as_ref());
            }
            call.arg(group.acks.len());
            for ack in &group.acks {
                call.arg(ack.id.as_str());
            }
            call.arg(group.dead.len());
            for dead in &group.dead {
                call.arg(dead.id.as_str()).arg(dead.reason).arg(dead.attempts);
            }
        }
        let reply: CommitReply = self.run(&call).await?;
        outcome(batch, reply)
    }

    /// Notes what is in flight, and forgets what was acknowledged. Written beside the queues: losing
    /// this costs a duplicate, never an event.
    async fn commit_in_flight(&self, groups: &[OrchestratorCommit]) -> Result<()> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        let mut commands = 0_usize;
        for group in groups {
            for sent in &group.sent {
                let key = keys::in_flight(&sent.daemon);
                let record = json!({
                    "sentAt": sent.at,
                    "attempts": sent.attempts,
                    "connectionId": sent.connection.to_string(),
                    "connId": sent.connection.to_string(),
                });
                pipe.hset(&key, sent.id.as_str(), record.to_string()).ignore();
                pipe.expire(&key, RETENTION.as_secs().cast_signed()).ignore();
                commands += 2;
            }
            for ack in &group.acks {
                pipe.hdel(keys::in_flight(&ack.daemon), ack.id.as_str()).ignore();
                commands += 1;
            }
        }
        if commands == 0 {
            return Ok(());
        }
        pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))
    }
}

fn outcome(
    batch: &CommitBatch,
    (letters, acknowledged, drops, failures): CommitReply,
) -> Result<CommitOutcome> {
    let mut letters = letters.bytes();
    let mut groups = Vec::with_capacity(batch.groups.len());
    for (index, group) in batch.groups.iter().enumerate() {
        let stores = group.stores.iter().map(|_| match letters.next() {
            Some(b'S') => Ok(StoreOutcome::Stored),
            Some(b'D') => Ok(StoreOutcome::Duplicate),
            Some(b'A') => Ok(StoreOutcome::AlreadyAcknowledged),
            Some(b'E') => Ok(StoreOutcome::Failed),
            _ => Err(corrupt("the commit script answered too little")),
        });
        groups.push(GroupOutcome {
            stores: stores.collect::<Result<_>>()?,
            acknowledged: acknowledged.get(index).copied().unwrap_or_default(),
            ..GroupOutcome::default()
        });
    }
    let index = |number: &String| number.parse::<usize>().ok()?.checked_sub(1);
    for (number, id) in pairs(&drops) {
        let group = index(number).and_then(|index| groups.get_mut(index));
        if let (Some(group), Ok(id)) = (group, EventId::parse(id)) {
            group.dropped.push(id);
        }
    }
    for (number, problem) in pairs(&failures) {
        if let Some(group) = index(number).and_then(|index| groups.get_mut(index)) {
            group.failure = Some(problem.clone());
        }
    }
    Ok(CommitOutcome { groups })
}

fn pairs(flat: &[String]) -> impl Iterator<Item = (&String, &String)> {
    flat.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
}

/// Whether another kind of value lies under the queue's name: a legacy list, which is drained, not
/// read here.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

impl EventQueue for RedisBackplane {
    async fn commit(&self, batch: &CommitBatch) -> Result<CommitOutcome> {
        let outcome = self.commit_queues(batch).await?;
        if let Err(error) = self.commit_in_flight(&batch.groups).await {
            log::warn!(error:% = error; "deliveries in flight were not noted; they may come again as new");
        }
        Ok(outcome)
    }

    async fn waiting(&self, orchestrator: &OrchestratorId) -> Result<Vec<Waiting>> {
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGE").arg(keys::queue(orchestrator)).arg(0).arg(-1);
        pipe.cmd("ZRANGE").arg(keys::queue_priorities(orchestrator)).arg(0).arg(-1).arg("WITHSCORES");
        let reply = pipe.query_async(&mut self.commands()).await;
        let (ids, priorities): (Vec<String>, Vec<(String, f64)>) = match reply {
            Err(error) if is_wrong_type(&error) => return Ok(Vec::new()),
            reply => reply.map_err(|error| self.failed(error))?,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a priority was written as a 32-bit number")]
        let priorities: HashMap<&str, i32> =
            priorities.iter().map(|(id, priority)| (id.as_str(), *priority as i32)).collect();
        let entry = |text: &String| {
            let id = EventId::parse(text).map_err(|error| corrupt(format!("an event id {error}")))?;
            let priority = priorities.get(text.as_str()).copied().unwrap_or_default();
            Ok(Waiting { id, priority })
        };
        let mut waiting = ids.iter().map(entry).collect::<Result<Vec<_>>>()?;
        waiting.sort_by_key(|entry| Reverse(entry.priority));
        Ok(waiting)
    }

    async fn load(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        ids: &[EventId],
    ) -> Result<Vec<Loaded>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut bodies = redis::cmd("HMGET");
        bodies.arg(keys::queue_data(orchestrator));
        let mut in_flight = redis::cmd("HMGET");
        in_flight.arg(keys::in_flight(daemon));
        for id in ids {
            bodies.arg(id.as_str());
            in_flight.arg(id.as_str());
        }
        let mut pipe = redis::pipe();
        pipe.add_command(bodies).add_command(in_flight);
        pipe.ignore_errors();
        let [bodies, in_flight]: [Value; 2] = self.run_all(&pipe).await?;
        let bodies: Values = redis::from_redis_value(bodies).map_err(|error| corrupt(error.to_string()))?;
        // Somebody else may use that name for something else; then every delivery counts as the first.
        let in_flight: Values = redis::from_redis_value(in_flight).unwrap_or_else(|_| vec![None; ids.len()]);
        let attempts = |record: Option<Vec<u8>>| {
            let record = record.and_then(|json| serde_json::from_slice::<InFlight>(&json).ok());
            record.map_or(0, |record| record.attempts)
        };
        let found = ids.iter().zip(bodies).zip(in_flight).filter_map(|((id, body), record)| {
            body.map(|body| Loaded {
                id: id.clone(),
                body: Bytes::from(body),
                attempts: attempts(record),
                crashes: 0,
                history: Vec::new(),
            })
        });
        Ok(found.collect())
    }

    async fn claim(
        &self,
        _: &OrchestratorId,
        _: ConnectionId,
        ids: &[EventId],
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<Option<u32>>> {
        Ok(vec![Some(0); ids.len()])
    }

    async fn release(&self, _: &OrchestratorId, _: ConnectionId, _: &[EventId], _: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn places(&self, _: &OrchestratorId, ids: &[EventId]) -> Result<Vec<Option<u64>>> {
        Ok(vec![None; ids.len()])
    }

    async fn depths(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<u64>> {
        if orchestrators.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for orchestrator in orchestrators {
            pipe.zcard(keys::queue(orchestrator));
        }
        let depths: Vec<Value> =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        let depth = |value: Value| match value {
            Value::Int(depth) => u64::try_from(depth).unwrap_or_default(),
            _ => 0,
        };
        Ok(depths.into_iter().map(depth).collect())
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Expired>> {
        let cutoff = now.minus(RETENTION.saturating_sub(EXPIRY_SLACK));
        let mut due = redis::cmd("ZRANGEBYSCORE");
        due.arg(keys::QUEUES).arg("-inf").arg(cutoff.0).arg("LIMIT").arg(0).arg(EXPIRE_PAGE);
        let names: Vec<String> = self.run(&due).await?;
        let mut expired = Vec::new();
        for name in names {
            let orchestrator = OrchestratorId::parse(&name).map_err(|error| corrupt(error.to_string()))?;
            let names = [
                keys::QUEUES.to_owned(),
                keys::queue(&orchestrator),
                keys::queue_data(&orchestrator),
                keys::queue_meta(&orchestrator),
                keys::queue_priorities(&orchestrator),
            ];
            let mut call = scripts::call(&scripts::EXPIRE, &names);
            call.arg(orchestrator.as_str()).arg(cutoff.0).arg(RETENTION.as_secs());
            let count: u64 = self.run(&call).await?;
            if count > 0 {
                expired.push(Expired { orchestrator, count });
            }
        }
        Ok(expired)
    }

    async fn recently_acknowledged(&self) -> Result<Vec<(OrchestratorId, EventId)>> {
        let mut range = redis::cmd("LRANGE");
        range.arg(keys::RECENT_ACKS).arg(0).arg(-1);
        let entries: Vec<String> = self.run(&range).await?;
        let parse = |entry: &String| {
            let (orchestrator, id) = entry.split_once(' ')?;
            Some((OrchestratorId::parse(orchestrator).ok()?, EventId::parse(id).ok()?))
        };
        Ok(entries.iter().rev().filter_map(parse).collect())
    }

    async fn backlog(&self) -> Result<Backlog> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys::QUEUES).arg(0).arg(-1);
        let names: Vec<String> = self.run(&range).await?;
        let mut backlog = Backlog::default();
        for page in names.chunks(BACKLOG_PAGE) {
            let page: Vec<_> = page.iter().filter_map(|name| OrchestratorId::parse(name).ok()).collect();
            for depth in self.depths(&page).await?.into_iter().filter(|depth| *depth > 0) {
                backlog.queues += 1;
                backlog.events += depth;
            }
        }
        Ok(backlog)
    }

    async fn claim_legacy(&self, source: &LegacySource) -> Result<LegacyClaim> {
        let names = [keys::legacy(source), keys::legacy_claim(source)];
        let mut call = scripts::call(&scripts::CLAIM, &names);
        call.arg(newest_end(source)).arg(RETENTION.as_secs()).arg(LEGACY_PAGE);
        let mut entries: Vec<Vec<u8>> = self.run(&call).await?;
        if newest_end(source) == "head" {
            entries.reverse();
        }
        Ok(LegacyClaim { source: source.clone(), entries: entries.into_iter().map(Bytes::from).collect() })
    }

    async fn release_legacy(&self, claim: &LegacyClaim) -> Result<()> {
        let Some(oldest) = claim.entries.first() else { return Ok(()) };
        let mut call = scripts::call(&scripts::RELEASE, &[keys::legacy_claim(&claim.source)]);
        call.arg(claim.entries.len()).arg(oldest.as_ref()).arg(newest_end(&claim.source));
        self.run(&call).await
    }
}

fn newest_end(source: &LegacySource) -> &'static str {
    match source {
        LegacySource::Orchestrator(_) | LegacySource::Daemon(..) => "head",
        LegacySource::Routing(_) => "tail",
    }
}

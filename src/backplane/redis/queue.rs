//! The event queue in Redis (contract 6.3).

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use bytes::Bytes;
use redis::{RedisError, Value};

use super::{
    RedisBackplane, corrupt,
    in_flight::{InFlight, is_of_another},
    keys, scripts,
};
use crate::{
    backplane::{
        Result,
        commit::{CommitBatch, CommitOutcome},
        queue::{
            Backlog, EXPIRY_SLACK, EventQueue, Expired, LEGACY_PAGE, LegacyClaim, LegacySource, Loaded,
            QUEUE_CAPACITY, RETENTION, Waiting,
        },
        trail::RECEIPTS_KEPT,
    },
    domain::{
        canary::is_reserved,
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
};

/// How many queues are looked at together for what is due, and how often before others have their turn.
const EXPIRE_PAGE: isize = 200;
const EXPIRE_PAGES: usize = 25;
/// When a queue is looked at again whose keys hold what the hub never wrote.
const BROKEN_PAUSE: Duration = Duration::from_secs(600);
/// How long an entry waits at most.
pub(super) const KEPT: Duration = RETENTION.saturating_sub(EXPIRY_SLACK);
/// How many queues are asked for their depth at once.
const BACKLOG_PAGE: usize = 1000;

/// What `HMGET` answers.
type Values = Vec<Option<Vec<u8>>>;

/// The keys of one queue, for the scripts that take entries out of it.
pub(super) fn whole_queue(orchestrator: &OrchestratorId) -> [String; 8] {
    [
        keys::QUEUES.to_owned(),
        keys::queue(orchestrator),
        keys::queue_data(orchestrator),
        keys::queue_meta(orchestrator),
        keys::queue_priorities(orchestrator),
        keys::expiries(orchestrator),
        keys::claims(orchestrator),
        keys::RECEIPTS.to_owned(),
    ]
}

/// Whether another kind of value lies under the queue's name: a legacy list, which is drained, not
/// read here.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

impl RedisBackplane {
    /// Removes what is due from the queues of the index that have these names. One whose keys somebody
    /// else uses waits, and holds up no other one.
    async fn expire_queues(&self, names: &[String], now: Timestamp) -> Result<Vec<(OrchestratorId, u64)>> {
        let mut orchestrators = Vec::with_capacity(names.len());
        let (mut calls, mut index) = (Vec::with_capacity(names.len()), redis::pipe());
        for name in names {
            let Ok(orchestrator) = OrchestratorId::parse(name) else {
                log::warn!(name; "the index of queues names no orchestrator there; the entry is removed");
                index.zrem(keys::QUEUES, name).ignore();
                continue;
            };
            let mut call = scripts::call(&scripts::EXPIRE, &whole_queue(&orchestrator));
            call.arg(orchestrator.as_str()).arg(now.0).arg(KEPT.as_millis().to_string());
            call.arg(RETENTION.as_secs()).arg(QUEUE_CAPACITY).arg(RECEIPTS_KEPT);
            call.arg(keys::RECEIPTS_PREFIX);
            calls.push(call);
            orchestrators.push(orchestrator);
        }
        let mut expired = Vec::new();
        for (orchestrator, reply) in orchestrators.into_iter().zip(self.run_each(calls).await?) {
            match reply {
                Ok(0) => {}
                Ok(count) => expired.push((orchestrator, count)),
                Err(error) if is_wrong_type(&error) => {
                    log::warn!(orchestrator = orchestrator.as_str(), error:% = error;
                        "what waits there too long cannot be removed; trying again in ten minutes");
                    let again = now.plus(BROKEN_PAUSE).0;
                    index
                        .cmd("ZADD")
                        .arg(keys::QUEUES)
                        .arg("XX")
                        .arg(again)
                        .arg(orchestrator.as_str())
                        .ignore();
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        if !index.is_empty() {
            self.run_all::<()>(&index).await?;
        }
        Ok(expired)
    }
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
        let mut claims = redis::cmd("HMGET");
        claims.arg(keys::claims(orchestrator));
        for id in ids {
            bodies.arg(id.as_str());
            in_flight.arg(id.as_str());
            claims.arg(id.as_str());
        }
        let mut pipe = redis::pipe();
        pipe.add_command(bodies).add_command(in_flight).add_command(claims);
        pipe.ignore_errors();
        let [bodies, in_flight, claims]: [Value; 3] = self.run_all(&pipe).await?;
        let bodies: Values = redis::from_redis_value(bodies).map_err(|error| corrupt(error.to_string()))?;
        // Somebody else may use that name for something else; then every delivery counts as the first.
        let in_flight: Values = redis::from_redis_value(in_flight).unwrap_or_else(|_| vec![None; ids.len()]);
        let claims: Values = redis::from_redis_value(claims).unwrap_or_else(|_| vec![None; ids.len()]);
        let ended = ids.iter().zip(&bodies).zip(&in_flight);
        let ended = ended.filter(|((_, body), record)| {
            body.is_none() && record.as_ref().is_some_and(|json| !is_of_another(json, orchestrator))
        });
        let ended: Vec<&str> = ended.map(|((id, _), _)| id.as_str()).collect();
        if let Err(error) = self.forget(daemon, &ended).await {
            log::debug!(error:% = error; "deliveries of events that are gone are still noted");
        }
        let records = in_flight.into_iter().zip(claims);
        let found = ids.iter().zip(bodies).zip(records).filter_map(|((id, body), (record, claim))| {
            let shared = claim.and_then(|claim| InFlight::beside(&claim, orchestrator));
            let record = shared.or_else(|| InFlight::read(&record?, orchestrator)).unwrap_or_default();
            body.map(|body| Loaded {
                id: id.clone(),
                body: Bytes::from(body),
                attempts: record.attempts,
                crashes: record.crashes,
                history: record.told(id, daemon),
            })
        });
        Ok(found.collect())
    }

    async fn claim(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        most: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<u32>>> {
        self.grant(orchestrator, connection, ids, most, until, now).await
    }

    async fn release(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) -> Result<()> {
        self.let_go(orchestrator, connection, ids, not_before).await
    }

    async fn places(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<Option<u64>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for id in ids {
            pipe.zrank(keys::queue(orchestrator), id.as_str());
        }
        let ranks: Vec<Value> =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        let place = |rank: Value| match rank {
            Value::Int(rank) => u64::try_from(rank).ok().map(|rank| rank + 1),
            _ => None,
        };
        Ok(ranks.into_iter().map(place).collect())
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
        let mut expired = Vec::new();
        for _ in 0..EXPIRE_PAGES {
            let mut due = redis::cmd("ZRANGEBYSCORE");
            due.arg(keys::QUEUES).arg("-inf").arg(format!("({}", now.0)).arg("LIMIT").arg(0).arg(EXPIRE_PAGE);
            let names: Vec<String> = self.run(&due).await?;
            if names.is_empty() {
                break;
            }
            for (orchestrator, count) in self.expire_queues(&names, now).await? {
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
            let page = page.iter().filter_map(|name| OrchestratorId::parse(name).ok());
            let page: Vec<_> = page.filter(|id| !is_reserved(id)).collect();
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

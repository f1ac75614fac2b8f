//! Receipts, and where events are, in Redis.

use std::collections::HashMap;

use bytes::Bytes;
use redis::{AsyncCommands as _, Value};

use super::{RedisBackplane, in_flight::InFlight, keys};
use crate::{
    backplane::{
        Result,
        trail::{Among, EventTrail, LastSend, Outcome, RECEIPTS_KEPT, Receipt, Receipts, Whereabouts},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
    },
};

/// How many receipts are read with one call, of all streams that it reads from together.
const RECEIPTS_PAGE: usize = 2000;
/// From how many streams one call reads.
const STREAMS: usize = 20;
/// How many receipts one look reads at most, over all organizations.
const RECEIPTS_READ: u64 = 2 * RECEIPTS_KEPT;
/// How many queues are asked at once whether an event waits there.
const QUEUES_PAGE: usize = 1000;
/// The stream of those whose organization nobody knows.
const NOBODY: &str = "-";

/// An entry of a stream: its id and its fields.
type Entry = (String, HashMap<String, String>);

/// A stream of receipts that is read from its end.
struct Backwards {
    organization: String,
    /// From where on it was not read.
    before: String,
}

impl Backwards {
    fn new(organization: String) -> Self {
        Self { organization, before: "+".to_owned() }
    }
}

/// Somebody who looks for the receipts of one event.
struct Search<'a> {
    event: &'a EventId,
    found: Vec<Receipt>,
    /// How many receipts may still be read.
    left: u64,
}

fn receipt(organization: &str, fields: &HashMap<String, String>) -> Option<Receipt> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    Some(Receipt {
        event: EventId::parse(text("event")?).ok()?,
        orchestrator: OrchestratorId::parse(text("orchestrator")?).ok()?,
        organization: OrganizationId::parse(organization).ok().filter(|id| id.as_str() != NOBODY),
        outcome: Outcome::parse(text("outcome")?)?,
        at: Timestamp(text("at")?.parse().ok()?),
        daemon: text("daemon").and_then(|id| DaemonId::parse(id).ok()),
        attempts: text("attempts").and_then(|count| count.parse().ok()).unwrap_or_default(),
        reason: text("reason").map(str::to_owned),
    })
}

/// The number in a reply, if it is one.
fn rank(value: &Value) -> Option<u64> {
    match value {
        Value::Int(rank) => u64::try_from(*rank).ok(),
        _ => None,
    }
}

impl RedisBackplane {
    /// Those of `orchestrators` whose queue holds the event, with its rank by age.
    async fn ranks(&self, event: &EventId, orchestrators: &[String]) -> Result<Vec<(OrchestratorId, u64)>> {
        // A name that somebody else put into the index is nobody's queue.
        let orchestrators: Vec<OrchestratorId> =
            orchestrators.iter().filter_map(|name| OrchestratorId::parse(name).ok()).collect();
        if orchestrators.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for orchestrator in &orchestrators {
            pipe.zrank(keys::queue(orchestrator), event.as_str());
        }
        let ranks: Vec<Value> =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        Ok(orchestrators.into_iter().zip(ranks).filter_map(|(id, value)| Some((id, rank(&value)?))).collect())
    }

    /// Looks through streams from their ends, all of them in turn, so that the latest receipts of
    /// everybody come before the old ones of anybody. Whether it came to an end.
    async fn look_through(&self, search: &mut Search<'_>, mut streams: Vec<Backwards>) -> Result<bool> {
        while !streams.is_empty() {
            let mut longer = Vec::new();
            for streams in streams.chunks(STREAMS) {
                if search.left == 0 {
                    return Ok(false);
                }
                longer.extend(self.look_at(search, streams).await?);
            }
            streams = longer;
        }
        Ok(true)
    }

    /// Reads the next page of some streams. Returns those that may have more.
    async fn look_at(&self, search: &mut Search<'_>, streams: &[Backwards]) -> Result<Vec<Backwards>> {
        let count = RECEIPTS_PAGE / streams.len().max(1);
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for Backwards { organization, before } in streams {
            pipe.cmd("XREVRANGE")
                .arg(keys::receipts(organization))
                .arg(before)
                .arg("-")
                .arg("COUNT")
                .arg(count);
        }
        let pages: Vec<Value> =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        let mut longer = Vec::new();
        for (Backwards { organization, .. }, page) in streams.iter().zip(pages) {
            let Ok(entries) = redis::from_redis_value::<Vec<Entry>>(page) else {
                log::warn!(organization:% = organization; "its receipts cannot be read");
                continue;
            };
            // Asking costs something too.
            let read = u64::try_from(entries.len()).unwrap_or(u64::MAX).max(1);
            search.left = search.left.saturating_sub(read);
            let ours = |fields: &HashMap<String, String>| {
                fields.get("event").is_some_and(|id| id == search.event.as_str())
            };
            let ours = entries.iter().filter(|(_, fields)| ours(fields));
            search.found.extend(ours.filter_map(|(_, fields)| receipt(organization, fields)));
            if let Some((last, _)) = entries.last().filter(|_| entries.len() == count) {
                longer.push(Backwards { organization: organization.clone(), before: format!("({last}") });
            }
        }
        Ok(longer)
    }

    async fn last_sends(&self, orchestrator: &OrchestratorId, event: &EventId) -> Result<Vec<LastSend>> {
        let mut sends = Vec::new();
        for daemon in self.instances(orchestrator).await? {
            let mut read = redis::cmd("HGET");
            read.arg(keys::in_flight(&daemon)).arg(event.as_str());
            let record: Option<Vec<u8>> = self.run(&read).await?;
            let Some(record) = record.and_then(|json| InFlight::read(&json, orchestrator)) else { continue };
            if let Ok(connection) = ConnectionId::parse(&record.connection_id) {
                sends.push(LastSend { daemon, connection, at: record.sent_at, attempts: record.attempts });
            }
        }
        Ok(sends)
    }
}

impl EventTrail for RedisBackplane {
    async fn receipts(&self, event: &EventId, among: Among<'_>) -> Result<Receipts> {
        let mut search = Search { event, found: Vec::new(), left: RECEIPTS_READ };
        let (first, others) = match among {
            Among::Organization(organization) => (Some(organization), Vec::new()),
            Among::Everybody { first } => {
                let all = self.commands().smembers(keys::RECEIPTS).await;
                let mut all: Vec<String> = all.map_err(|error| self.failed(error))?;
                all.retain(|organization| first.is_none_or(|first| first.as_str() != organization));
                (first, all)
            }
        };
        let first = first.map(|organization| Backwards::new(organization.to_string())).into_iter().collect();
        let others = others.into_iter().map(Backwards::new).collect();
        let complete =
            self.look_through(&mut search, first).await? && self.look_through(&mut search, others).await?;
        let mut found = search.found;
        found.reverse();
        found.sort_by_key(|receipt| receipt.at);
        Ok(Receipts { found, truncated: !complete })
    }

    async fn whereabouts(
        &self,
        event: &EventId,
        orchestrator: Option<&OrchestratorId>,
    ) -> Result<Vec<Whereabouts>> {
        let orchestrators: Vec<String> = match orchestrator {
            Some(orchestrator) => vec![orchestrator.to_string()],
            None => self.commands().zrange(keys::QUEUES, 0, -1).await.map_err(|error| self.failed(error))?,
        };
        let mut found = Vec::new();
        for page in orchestrators.chunks(QUEUES_PAGE) {
            for (orchestrator, rank) in self.ranks(event, page).await? {
                let mut pipe = redis::pipe();
                pipe.zscore(keys::queue(&orchestrator), event.as_str());
                pipe.hget(keys::queue_data(&orchestrator), event.as_str());
                let (score, body): (Option<f64>, Option<Vec<u8>>) = self.run_all(&pipe).await?;
                // Taken since the look at the queue.
                let (Some(score), Some(body)) = (score, body) else { continue };
                #[expect(clippy::cast_possible_truncation, reason = "a score is a time in milliseconds")]
                let time = Timestamp(score.floor() as i64);
                let sends = self.last_sends(&orchestrator, event).await?;
                let (position, body) = (rank + 1, Bytes::from(body));
                found.push(Whereabouts { orchestrator, position, time, body, sends });
            }
        }
        Ok(found)
    }
}

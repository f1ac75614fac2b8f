//! Receipts, and where events are, in Redis.

use std::collections::HashMap;

use bytes::Bytes;
use redis::{AsyncCommands as _, Value};

use super::{RedisBackplane, corrupt, in_flight::InFlight, keys};
use crate::{
    backplane::{
        Result,
        trail::{EventTrail, LastSend, Outcome, RECEIPTS_KEPT, Receipt, Whereabouts},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
    },
};

/// How many receipts are read at once.
const RECEIPTS_PAGE: usize = 1000;
/// How many receipts one look reads at most, over all organizations.
const RECEIPTS_READ: u64 = 2 * RECEIPTS_KEPT;
/// How many queues are asked at once whether an event waits there.
const QUEUES_PAGE: usize = 1000;
/// The stream of those whose organization nobody knows.
const NOBODY: &str = "-";

/// An entry of a stream: its id and its fields.
type Entry = (String, HashMap<String, String>);

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
        let parse = |name: &String| OrchestratorId::parse(name).map_err(|error| corrupt(error.to_string()));
        let orchestrators = orchestrators.iter().map(parse).collect::<Result<Vec<_>>>()?;
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

    async fn last_sends(&self, orchestrator: &OrchestratorId, event: &EventId) -> Result<Vec<LastSend>> {
        let mut sends = Vec::new();
        for daemon in self.instances(orchestrator).await? {
            let mut read = redis::cmd("HGET");
            read.arg(keys::in_flight(&daemon)).arg(event.as_str());
            let record: Option<Vec<u8>> = self.run(&read).await?;
            let Some(record) = record.and_then(|json| InFlight::read(&json)) else { continue };
            if let Ok(connection) = ConnectionId::parse(&record.connection_id) {
                sends.push(LastSend { daemon, connection, at: record.sent_at, attempts: record.attempts });
            }
        }
        Ok(sends)
    }
}

impl EventTrail for RedisBackplane {
    async fn receipts(&self, event: &EventId, organization: Option<&OrganizationId>) -> Result<Vec<Receipt>> {
        let organizations: Vec<String> = match organization {
            Some(organization) => vec![organization.to_string()],
            None => self.commands().smembers(keys::RECEIPTS).await.map_err(|error| self.failed(error))?,
        };
        let (mut found, mut left) = (Vec::new(), RECEIPTS_READ);
        for organization in &organizations {
            let mut before = "+".to_owned();
            while left > 0 {
                let mut page = redis::cmd("XREVRANGE");
                page.arg(keys::receipts(organization)).arg(&before).arg("-").arg("COUNT").arg(RECEIPTS_PAGE);
                let entries: Vec<Entry> = self.run(&page).await?;
                left = left.saturating_sub(RECEIPTS_PAGE as u64);
                let ours = |fields: &HashMap<String, String>| {
                    fields.get("event").is_some_and(|id| id == event.as_str())
                };
                let ours = entries.iter().filter(|(_, fields)| ours(fields));
                found.extend(ours.filter_map(|(_, fields)| receipt(organization, fields)));
                let Some((last, _)) = entries.last().filter(|_| entries.len() == RECEIPTS_PAGE) else {
                    break;
                };
                before = format!("({last}");
            }
        }
        found.reverse();
        found.sort_by_key(|receipt| receipt.at);
        Ok(found)
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

//! Dead letters that wait for the database, in Redis: a stream, whose entry ids are their keys.

use std::collections::HashMap;

use bytes::Bytes;

use super::{RedisBackplane, keys};
use crate::{
    backplane::{
        Result,
        dead_letters::{DeadLetters, Unfiled},
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, EventId, OrchestratorId, OrganizationId},
    },
};

/// An entry of a stream: its id and its fields.
type Entry = (String, HashMap<String, Vec<u8>>);

fn unfiled((key, mut fields): Entry) -> Option<Unfiled> {
    let body = fields.remove("body").map(Bytes::from)?;
    let text = |name: &str| fields.get(name).and_then(|text| std::str::from_utf8(text).ok());
    Some(Unfiled {
        orchestrator: OrchestratorId::parse(text("orchestrator")?).ok()?,
        organization: text("organization").and_then(|id| OrganizationId::parse(id).ok()),
        id: EventId::parse(text("event")?).ok()?,
        reason: text("reason")?.to_owned(),
        attempts: text("attempts")?.parse().ok()?,
        daemon: text("daemon").and_then(|id| DaemonId::parse(id).ok()),
        history: text("history").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
        at: Timestamp(text("at")?.parse().ok()?),
        key,
        body,
    })
}

/// Whether it looks like what Redis calls an entry: a time and a number.
fn is_entry_id(key: &str) -> bool {
    key.split_once('-')
        .is_some_and(|(time, number)| time.parse::<u64>().is_ok() && number.parse::<u64>().is_ok())
}

impl DeadLetters for RedisBackplane {
    async fn unfiled(&self, limit: usize) -> Result<Vec<Unfiled>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(keys::UNFILED).arg("-").arg("+").arg("COUNT").arg(limit);
        let entries: Vec<Entry> = self.run(&range).await?;
        let (mut letters, mut strange) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let key = entry.0.clone();
            match unfiled(entry) {
                Some(letter) => letters.push(letter),
                None => strange.push(key),
            }
        }
        if !strange.is_empty() {
            // They would be in the way of the others for ever.
            log::error!(count = strange.len(); "the outbox of dead letters held what the hub never wrote; it is dropped");
            let mut delete = redis::cmd("XDEL");
            delete.arg(keys::UNFILED).arg(strange);
            self.run::<u64>(&delete).await?;
        }
        Ok(letters)
    }

    async fn filed(&self, letters: &[Unfiled]) -> Result<()> {
        // Another backplane has other keys; Redis would refuse them all for one of those.
        let keys: Vec<&str> =
            letters.iter().map(|letter| letter.key.as_str()).filter(|key| is_entry_id(key)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut delete = redis::cmd("XDEL");
        delete.arg(keys::UNFILED).arg(keys);
        self.run::<u64>(&delete).await.map(drop)
    }
}

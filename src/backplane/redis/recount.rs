//! Counting everything again, in Redis.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{
        Result,
        inspection::Ledger,
        recount::{Beside, IngressView, Recount, Snapshot, Surroundings},
    },
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId},
    },
};

/// How many keys one step of a scan looks at.
const SCAN: usize = 1000;

/// What `XPENDING` answers: how many entries, from and to which one, and how many each consumer has.
type Pending = (u64, Option<String>, Option<String>, Option<Vec<(String, String)>>);
/// What `recount.lua` answers: see there.
type Reply =
    (Vec<String>, Vec<u64>, Vec<String>, Vec<String>, Vec<String>, Vec<String>, Vec<String>, Vec<String>, u8);

impl RedisBackplane {
    /// The orchestrators that keys of the form `{prefix}{orchestrator}` or `{prefix}{orchestrator}:…`
    /// name.
    async fn scan(&self, prefix: &str, found: &mut BTreeSet<OrchestratorId>) -> Result<()> {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(SCAN);
            let (next, names): (String, Vec<Vec<u8>>) = self.run(&scan).await?;
            let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
            found.extend(names.filter_map(|name| {
                let rest = name.strip_prefix(prefix)?;
                let rest = rest.strip_suffix(":data").or_else(|| rest.strip_suffix(":meta")).unwrap_or(rest);
                OrchestratorId::parse(rest).ok()
            }));
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// How many deliveries to connected instances are noted of events that are not among `entries`.
    async fn stale_deliveries(&self, orchestrator: &OrchestratorId, entries: &[String]) -> Result<u64> {
        let waiting: HashSet<&str> = entries.iter().map(String::as_str).collect();
        let mut instances = redis::cmd("HKEYS");
        instances.arg(keys::instances(orchestrator));
        let instances: Vec<String> = self.run(&instances).await.unwrap_or_default();
        let mut stale = 0;
        for daemon in instances.iter().filter_map(|daemon| DaemonId::parse(daemon).ok()) {
            let mut noted = redis::cmd("HKEYS");
            noted.arg(keys::in_flight(&daemon));
            let noted: Vec<String> = self.run(&noted).await.unwrap_or_default();
            stale += noted.iter().filter(|id| !waiting.contains(id.as_str())).count();
        }
        Ok(u64::try_from(stale).unwrap_or(u64::MAX))
    }

    async fn type_of(&self, key: &str) -> Result<String> {
        self.run(redis::cmd("TYPE").arg(key)).await
    }

    async fn ingress(&self) -> Result<Option<IngressView>> {
        if self.type_of(keys::INGRESS).await? != "stream" {
            return Ok(None);
        }
        let length: u64 = self.run(redis::cmd("XLEN").arg(keys::INGRESS)).await?;
        let first = redis::cmd("XRANGE").arg(keys::INGRESS).arg("-").arg("+").arg("COUNT").arg(1).to_owned();
        let first: Vec<(String, Vec<Vec<u8>>)> = self.run(&first).await?;
        let written = |id: &str| id.split('-').next().and_then(|ms| ms.parse().ok()).map(Timestamp);
        // Without a group nobody has taken anything.
        let pending = redis::cmd("XPENDING").arg(keys::INGRESS).arg(keys::INGRESS_GROUP).to_owned();
        let pending = self.run::<Pending>(&pending).await.unwrap_or_default();
        let hubs = pending.3.unwrap_or_default().into_iter();
        Ok(Some(IngressView {
            length,
            oldest: first.first().and_then(|(id, _)| written(id)),
            pending: hubs.map(|(hub, count)| (hub, count.parse().unwrap_or_default())).collect(),
        }))
    }
}

impl Recount for RedisBackplane {
    async fn subjects(&self) -> Result<BTreeSet<OrchestratorId>> {
        let mut found = BTreeSet::new();
        for prefix in ["daemon:events:", "hub:priorities:", "hub:expiries:", "hub:claims:"] {
            self.scan(prefix, &mut found).await?;
        }
        Ok(found)
    }

    async fn snapshot(&self, orchestrator: &OrchestratorId) -> Result<Snapshot> {
        let names = [
            keys::QUEUES.to_owned(),
            keys::queue(orchestrator),
            keys::queue_data(orchestrator),
            keys::queue_meta(orchestrator),
            keys::acknowledged(orchestrator),
            keys::acknowledged_before(orchestrator),
            keys::queue_priorities(orchestrator),
            keys::expiries(orchestrator),
            keys::claims(orchestrator),
        ];
        let mut call = scripts::call(&scripts::RECOUNT, &names);
        call.arg(orchestrator.as_str());
        let reply: Reply = self.run(&call).await?;
        let (foreign, books, entries, bodies, priorities, expiries, claims, remembered, indexed) = reply;
        let count = |at: usize| books.get(at).copied().unwrap_or_default();
        let books = Ledger {
            accepted: count(0),
            acknowledged: count(1),
            expired: count(2),
            dropped: count(3),
            dead: count(4),
            queued: u64::try_from(entries.len()).unwrap_or(u64::MAX),
        };
        let kinds = [(Beside::Priority, priorities), (Beside::Expiry, expiries), (Beside::Claim, claims)];
        let beside = kinds.into_iter().flat_map(|(kind, ids)| ids.into_iter().map(move |id| (kind, id)));
        Ok(Snapshot {
            books,
            booked: None,
            stale_deliveries: self.stale_deliveries(orchestrator, &entries).await?,
            entries,
            remembered,
            bodies: Some(bodies.into_iter().collect()),
            beside: beside.collect(),
            indexed: Some(indexed == 1),
            foreign: foreign.chunks(2).filter_map(pair).collect(),
        })
    }

    async fn bodies(&self, orchestrator: &OrchestratorId, ids: &[String]) -> Result<Vec<Option<Bytes>>> {
        if ids.is_empty() || self.type_of(&keys::queue_data(orchestrator)).await? != "hash" {
            return Ok(vec![None; ids.len()]);
        }
        let mut read = redis::cmd("HMGET");
        read.arg(keys::queue_data(orchestrator)).arg(ids);
        let bodies: Vec<Option<Vec<u8>>> = self.run(&read).await?;
        Ok(bodies.into_iter().map(|body| body.map(Bytes::from)).collect())
    }

    async fn surroundings(&self) -> Result<Surroundings> {
        let unfiled = match self.type_of(keys::UNFILED).await?.as_str() {
            "stream" => self.run(redis::cmd("XLEN").arg(keys::UNFILED)).await?,
            _ => 0,
        };
        Ok(Surroundings { unfiled, ingress: self.ingress().await? })
    }
}

fn pair(words: &[String]) -> Option<(String, String)> {
    match words {
        [key, holds] => Some((key.clone(), holds.clone())),
        _ => None,
    }
}

//! Signs of life in one sorted set, by their time.

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{Result, liveness::Liveness},
    domain::{clock::Timestamp, ids::OrchestratorId},
};

impl Liveness for RedisBackplane {
    async fn watch(&self, orchestrators: &[OrchestratorId], at: Timestamp) -> Result<()> {
        if orchestrators.is_empty() {
            return Ok(());
        }
        let mut add = redis::cmd("ZADD");
        add.arg(keys::ALIVE).arg("NX");
        for orchestrator in orchestrators {
            add.arg(at.0).arg(orchestrator.as_str());
        }
        self.run(&add).await
    }

    async fn silent(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<OrchestratorId>> {
        let mut call = scripts::call(&scripts::SILENT, &[keys::ALIVE.to_owned()]);
        call.arg(before.0).arg(now.0).arg(limit);
        let names: Vec<String> = self.run(&call).await?;
        Ok(names.iter().filter_map(|name| OrchestratorId::parse(name).ok()).collect())
    }

    async fn departed(&self, orchestrators: &[OrchestratorId]) -> Result<()> {
        if orchestrators.is_empty() {
            return Ok(());
        }
        let mut remove = redis::cmd("ZREM");
        remove.arg(keys::ALIVE);
        for orchestrator in orchestrators {
            remove.arg(orchestrator.as_str());
        }
        self.run(&remove).await
    }
}

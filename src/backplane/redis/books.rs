//! Checking the books, in Redis.

use super::{RedisBackplane, corrupt, keys, scripts};
use crate::{
    backplane::{
        Result,
        books::{AwaitedPage, Books},
        inspection::Ledger,
    },
    domain::ids::OrchestratorId,
};

/// How many numbers `books.lua` answers per orchestrator.
const NUMBERS: usize = 6;

impl Books for RedisBackplane {
    async fn awaited(&self, after: Option<&str>, limit: usize) -> Result<AwaitedPage> {
        let mut scan = redis::cmd("ZSCAN");
        scan.arg(keys::QUEUES).arg(after.unwrap_or("0")).arg("COUNT").arg(limit);
        let (next, entries): (String, Vec<(String, f64)>) = self.run(&scan).await?;
        let orchestrators = entries.iter().filter_map(|(name, _)| OrchestratorId::parse(name).ok()).collect();
        Ok(AwaitedPage { orchestrators, next: (next != "0").then_some(next) })
    }

    async fn audit(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Ledger>> {
        if orchestrators.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> =
            orchestrators.iter().flat_map(|id| [keys::queue_meta(id), keys::queue(id)]).collect();
        let numbers: Vec<u64> = self.run(&scripts::call(&scripts::BOOKS, &names)).await?;
        if numbers.len() != orchestrators.len() * NUMBERS {
            return Err(corrupt("the script of the books answered too little"));
        }
        let ledger = |numbers: &[u64]| match *numbers {
            [accepted, acknowledged, expired, dropped, dead, queued] => {
                Ledger { accepted, acknowledged, expired, dropped, dead, queued }
            }
            _ => Ledger::default(),
        };
        Ok(numbers.chunks(NUMBERS).map(ledger).collect())
    }
}

//! What a check of the books reads.

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};

use super::{
    Transaction, foreign_id,
    schema::{ledgers, queue_entries},
};
use crate::{domain::ids::OrchestratorId, store::Result};

impl Transaction<'_> {
    /// The orchestrators that events wait for by their books: at most `limit` of those whose
    /// id sorts after `after`.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn awaited_after(&mut self, after: &str, limit: i64) -> Result<Vec<OrchestratorId>> {
        let ids: Vec<String> = ledgers::table
            .filter(ledgers::orchestrator.gt(after).and(ledgers::queued.ne(0)))
            .order(ledgers::orchestrator)
            .limit(limit)
            .select(ledgers::orchestrator)
            .load(self.connection)?;
        ids.iter().map(|id| OrchestratorId::parse(id).map_err(foreign_id)).collect()
    }

    /// How many events really wait for an orchestrator.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_waiting(&mut self, orchestrator: &OrchestratorId) -> Result<u64> {
        let count: i64 = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .count()
            .get_result(self.connection)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

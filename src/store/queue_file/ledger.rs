//! The books of each orchestrator.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl, Selectable, SelectableHelper, TextExpressionMethods, dsl::not,
};

use super::{Transaction, schema::ledgers};
use crate::{
    domain::{canary::RESERVED_PREFIX, ids::OrchestratorId},
    store::Result,
};

/// What became of the events of one orchestrator. Always:
/// `accepted = acknowledged + expired + dropped + dead + queued`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = ledgers)]
pub struct Ledger {
    /// Events taken in, since the beginning.
    pub accepted: i64,
    /// Events that a daemon took, since the beginning.
    pub acknowledged: i64,
    /// Events that waited too long, since the beginning.
    pub expired: i64,
    /// Events that a full queue dropped, since the beginning.
    pub dropped: i64,
    /// Events that were given up, since the beginning.
    pub dead: i64,
    /// Events that wait now, in flight or not.
    pub queued: i64,
    /// Ids that are remembered now as taken or given up.
    pub remembered: i64,
    /// How many drops a daemon was told of last.
    pub told_dropped: i64,
    /// How many expiries a daemon was told of last.
    pub told_expired: i64,
    /// The tenant, where it is known. Once known, it is only replaced.
    pub organization: Option<String>,
}

impl Ledger {
    /// How many events wait now.
    #[must_use]
    pub fn depth(&self) -> u64 {
        u64::try_from(self.queued).unwrap_or(0)
    }
}

impl Transaction<'_> {
    /// How many queues hold something, and how many events they hold. Those that hubs keep for themselves
    /// do not count.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn backlog(&mut self) -> Result<(u64, u64)> {
        // SQLite takes `_` for any character, which is no matter: nobody else's id is that close.
        let reserved = ledgers::orchestrator.like(format!("{RESERVED_PREFIX}%"));
        let depths: Vec<i64> = ledgers::table
            .filter(ledgers::queued.gt(0).and(not(reserved)))
            .select(ledgers::queued)
            .load(self.connection)?;
        let queues = u64::try_from(depths.len()).unwrap_or_default();
        Ok((queues, depths.into_iter().map(|depth| u64::try_from(depth).unwrap_or_default()).sum()))
    }

    /// The books of an orchestrator; empty ones when it has none yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ledger(&mut self, orchestrator: &OrchestratorId) -> Result<Ledger> {
        let ledger = ledgers::table
            .find(orchestrator.as_str())
            .select(Ledger::as_select())
            .first(self.connection)
            .optional()?;
        Ok(ledger.unwrap_or_default())
    }

    /// Writes the books of an orchestrator.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_ledger(&mut self, orchestrator: &OrchestratorId, ledger: &Ledger) -> Result<()> {
        diesel::insert_into(ledgers::table)
            .values((ledgers::orchestrator.eq(orchestrator.as_str()), ledger))
            .on_conflict(ledgers::orchestrator)
            .do_update()
            .set(ledger)
            .execute(self.connection)?;
        Ok(())
    }
}

//! Which losses each daemon instance was told of.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{Transaction, schema::told};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId},
    },
    store::Result,
};

impl Transaction<'_> {
    /// How many drops and how many expiries an instance was told of; `None` when it never was.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn told(&mut self, orchestrator: &OrchestratorId, daemon: &DaemonId) -> Result<Option<(i64, i64)>> {
        let row = told::table
            .find((orchestrator.as_str(), daemon.as_str()))
            .select((told::dropped, told::expired))
            .first(self.connection)
            .optional()?;
        Ok(row)
    }

    /// Notes how many drops and how many expiries an instance was told of, until `until`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        (dropped, expired): (i64, i64),
        until: Timestamp,
    ) -> Result<()> {
        let row = (
            told::orchestrator.eq(orchestrator.as_str()),
            told::daemon.eq(daemon.as_str()),
            told::dropped.eq(dropped),
            told::expired.eq(expired),
            told::expires_at_ms.eq(until.0),
        );
        diesel::replace_into(told::table).values(row).execute(self.connection)?;
        Ok(())
    }
}

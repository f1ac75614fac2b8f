//! What a recount reads: everything, whether it makes sense or not.

use std::collections::BTreeSet;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
    dsl::{exists, not},
};

use super::{
    Transaction,
    schema::{acknowledged, claims, in_flight, ledgers, queue_entries, unfiled},
};
use crate::{domain::ids::OrchestratorId, store::Result};

diesel::allow_tables_to_appear_in_same_query!(queue_entries, acknowledged);
diesel::allow_tables_to_appear_in_same_query!(queue_entries, claims);

impl Transaction<'_> {
    /// Everybody who has books or entries. Names that the hub never wrote are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn known_orchestrators(&mut self) -> Result<BTreeSet<OrchestratorId>> {
        let mut names: Vec<String> = ledgers::table.select(ledgers::orchestrator).load(self.connection)?;
        let awaited: Vec<String> =
            queue_entries::table.select(queue_entries::orchestrator).distinct().load(self.connection)?;
        names.extend(awaited);
        Ok(names.iter().filter_map(|name| OrchestratorId::parse(name).ok()).collect())
    }

    /// The ids of what waits for an orchestrator, as they are written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting_ids(&mut self, orchestrator: &OrchestratorId) -> Result<Vec<String>> {
        Ok(queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .order((queue_entries::time_ms, queue_entries::arrival))
            .select(queue_entries::event_id)
            .load(self.connection)?)
    }

    /// Those of them that are remembered as taken.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting_though_taken(&mut self, orchestrator: &OrchestratorId) -> Result<Vec<String>> {
        let taken = acknowledged::table
            .filter(acknowledged::orchestrator.eq(queue_entries::orchestrator))
            .filter(acknowledged::event_id.eq(queue_entries::event_id));
        Ok(queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()).and(exists(taken)))
            .select(queue_entries::event_id)
            .load(self.connection)?)
    }

    /// The events that are claimed and do not wait.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stray_claims(&mut self, orchestrator: &OrchestratorId) -> Result<Vec<String>> {
        let waits = queue_entries::table
            .filter(queue_entries::orchestrator.eq(claims::orchestrator))
            .filter(queue_entries::event_id.eq(claims::event_id));
        Ok(claims::table
            .filter(claims::orchestrator.eq(orchestrator.as_str()).and(not(exists(waits))))
            .select(claims::event_id)
            .load(self.connection)?)
    }

    /// How many deliveries are noted of events that do not wait.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_stale_deliveries(&mut self, orchestrator: &OrchestratorId) -> Result<u64> {
        let waits = queue_entries::table
            .filter(queue_entries::orchestrator.eq(in_flight::orchestrator))
            .filter(queue_entries::event_id.eq(in_flight::event_id));
        let count: i64 = in_flight::table
            .filter(in_flight::orchestrator.eq(orchestrator.as_str()).and(not(exists(waits))))
            .count()
            .get_result(self.connection)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The content of a waiting event, by its id as it is written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn body_by_text(&mut self, orchestrator: &OrchestratorId, id: &str) -> Result<Option<Vec<u8>>> {
        Ok(queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(queue_entries::event_id.eq(id))
            .select(queue_entries::body)
            .first(self.connection)
            .optional()?)
    }

    /// How many dead letters wait for the accounts database.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_unfiled(&mut self) -> Result<u64> {
        let count: i64 = unfiled::table.count().get_result(self.connection)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

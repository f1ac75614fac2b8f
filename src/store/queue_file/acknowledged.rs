//! Ids that were acknowledged, so that a late duplicate is not queued again.

use std::collections::HashMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{
    Transaction, foreign_id,
    schema::{acknowledged, ledgers},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
    store::Result,
};

impl Transaction<'_> {
    /// Whether an id is remembered as acknowledged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_acknowledged(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        let sequence = acknowledged::table
            .filter(acknowledged::orchestrator.eq(orchestrator.as_str()))
            .filter(acknowledged::event_id.eq(id.as_str()))
            .select(acknowledged::sequence)
            .first::<i64>(self.connection)
            .optional()?;
        Ok(sequence.is_some())
    }

    /// Remembers an id as acknowledged; `false` when it was already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_acknowledged(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        at: Timestamp,
    ) -> Result<bool> {
        let written = diesel::insert_into(acknowledged::table)
            .values((
                acknowledged::orchestrator.eq(orchestrator.as_str()),
                acknowledged::event_id.eq(id.as_str()),
                acknowledged::at_ms.eq(at.0),
            ))
            .on_conflict((acknowledged::orchestrator, acknowledged::event_id))
            .do_nothing()
            .execute(self.connection)?;
        Ok(written == 1)
    }

    /// Forgets that an id was acknowledged; `false` when it was not remembered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_acknowledged(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        let known = acknowledged::table
            .filter(acknowledged::orchestrator.eq(orchestrator.as_str()))
            .filter(acknowledged::event_id.eq(id.as_str()));
        Ok(diesel::delete(known).execute(self.connection)? > 0)
    }

    /// Forgets the `count` ids of an orchestrator that were acknowledged first. This reads all of
    /// them, so it is for many at a time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_first_acknowledged(&mut self, orchestrator: &OrchestratorId, count: i64) -> Result<()> {
        let own = acknowledged::table.filter(acknowledged::orchestrator.eq(orchestrator.as_str()));
        let first_kept: Option<i64> = own
            .order(acknowledged::sequence)
            .select(acknowledged::sequence)
            .offset(count)
            .first(self.connection)
            .optional()?;
        let first_kept = first_kept.unwrap_or(i64::MAX);
        diesel::delete(own.filter(acknowledged::sequence.lt(first_kept))).execute(self.connection)?;
        Ok(())
    }

    /// Forgets ids that were acknowledged before `before`, over all orchestrators, at most `limit`;
    /// returns how many. The ledgers follow.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_acknowledged_before(&mut self, before: Timestamp, limit: i64) -> Result<usize> {
        // Sequence and time grow together; where a clock was set back, an id is kept for longer.
        let first: Vec<(i64, String, i64)> = acknowledged::table
            .order(acknowledged::sequence)
            .limit(limit)
            .select((acknowledged::sequence, acknowledged::orchestrator, acknowledged::at_ms))
            .load(self.connection)?;
        let old: Vec<_> = first.into_iter().take_while(|(_, _, at)| *at < before.0).collect();
        let Some((last, ..)) = old.last() else { return Ok(0) };
        diesel::delete(acknowledged::table.filter(acknowledged::sequence.le(last)))
            .execute(self.connection)?;
        let mut forgotten: HashMap<&str, i64> = HashMap::new();
        for (_, orchestrator, _) in &old {
            *forgotten.entry(orchestrator).or_default() += 1;
        }
        for (orchestrator, count) in forgotten {
            diesel::update(ledgers::table.find(orchestrator))
                .set(ledgers::remembered.eq(ledgers::remembered - count))
                .execute(self.connection)?;
        }
        Ok(old.len())
    }

    /// The `count` events acknowledged last over all orchestrators, in the order of acknowledgement.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn last_acknowledged(&mut self, count: i64) -> Result<Vec<(OrchestratorId, EventId)>> {
        let newest_first: Vec<(String, String)> = acknowledged::table
            .order(acknowledged::sequence.desc())
            .limit(count)
            .select((acknowledged::orchestrator, acknowledged::event_id))
            .load(self.connection)?;
        let parse = |(orchestrator, id): &(String, String)| {
            Ok((
                OrchestratorId::parse(orchestrator).map_err(foreign_id)?,
                EventId::parse(id).map_err(foreign_id)?,
            ))
        };
        newest_first.iter().rev().map(parse).collect()
    }
}

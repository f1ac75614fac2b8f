//! Looking through a queue.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl, dsl::max,
};

use super::{
    Transaction, foreign_id,
    schema::{in_flight, ledgers, queue_entries},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
    store::Result,
};

diesel::allow_tables_to_appear_in_same_query!(ledgers, queue_entries);

/// One waiting event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEntry {
    /// Which.
    pub id: EventId,
    /// The time by which it is ordered.
    pub time: Timestamp,
    /// Its place among those of the same millisecond.
    pub arrival: i64,
    /// Higher is sent first.
    pub priority: i32,
    /// Its JSON.
    pub body: Vec<u8>,
    /// How often it was sent, to the instance that got it most often.
    pub attempts: u32,
}

impl Transaction<'_> {
    /// What waits, oldest first: at most `limit` entries after the given time and arrival.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn page(
        &mut self,
        orchestrator: &OrchestratorId,
        (time, arrival): (Timestamp, i64),
        limit: i64,
    ) -> Result<Vec<PageEntry>> {
        let younger = queue_entries::time_ms
            .gt(time.0)
            .or(queue_entries::time_ms.eq(time.0).and(queue_entries::arrival.gt(arrival)));
        let rows: Vec<(String, i64, i64, i32, Vec<u8>)> = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(younger)
            .order((queue_entries::time_ms, queue_entries::arrival))
            .limit(limit)
            .select((
                queue_entries::event_id,
                queue_entries::time_ms,
                queue_entries::arrival,
                queue_entries::priority,
                queue_entries::body,
            ))
            .load(self.connection)?;
        let mut page = Vec::with_capacity(rows.len());
        for (id, time, arrival, priority, body) in rows {
            let attempts: Option<i64> = in_flight::table
                .filter(in_flight::orchestrator.eq(orchestrator.as_str()))
                .filter(in_flight::event_id.eq(&id))
                .select(max(in_flight::attempts))
                .first(self.connection)?;
            let id = EventId::parse(&id).map_err(foreign_id)?;
            let attempts = attempts.map_or(0, |attempts| u32::try_from(attempts).unwrap_or(u32::MAX));
            page.push(PageEntry { id, time: Timestamp(time), arrival, priority, body, attempts });
        }
        Ok(page)
    }

    /// One waiting event, with its place by age, counted from 1; `None` when it does not wait.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn place(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<Option<(u64, Timestamp)>> {
        let own = queue_entries::table.filter(queue_entries::orchestrator.eq(orchestrator.as_str()));
        let found: Option<(i64, i64)> = own
            .filter(queue_entries::event_id.eq(id.as_str()))
            .select((queue_entries::time_ms, queue_entries::arrival))
            .first(self.connection)
            .optional()?;
        let Some((time, arrival)) = found else { return Ok(None) };
        let older = queue_entries::time_ms
            .lt(time)
            .or(queue_entries::time_ms.eq(time).and(queue_entries::arrival.lt(arrival)));
        let older: i64 = own.filter(older).count().get_result(self.connection)?;
        Ok(Some((u64::try_from(older).unwrap_or_default() + 1, Timestamp(time))))
    }

    /// The orchestrators that an event waits for.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn awaiting(&mut self, id: &EventId) -> Result<Vec<OrchestratorId>> {
        let rows: Vec<String> = ledgers::table
            .inner_join(
                queue_entries::table.on(queue_entries::orchestrator
                    .eq(ledgers::orchestrator)
                    .and(queue_entries::event_id.eq(id.as_str()))),
            )
            .select(ledgers::orchestrator)
            .load(self.connection)?;
        rows.iter().map(|row| OrchestratorId::parse(row).map_err(foreign_id)).collect()
    }
}

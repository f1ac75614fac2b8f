//! Looking through a queue, and emptying it.

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl, dsl::max};

use super::{
    Transaction, foreign_id,
    schema::{in_flight, queue_entries},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
    store::Result,
};

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

    /// Removes everything that waits, with its deliveries; returns how many events that were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_all(&mut self, orchestrator: &OrchestratorId) -> Result<i64> {
        let deliveries = in_flight::table.filter(in_flight::orchestrator.eq(orchestrator.as_str()));
        diesel::delete(deliveries).execute(self.connection)?;
        let waiting = queue_entries::table.filter(queue_entries::orchestrator.eq(orchestrator.as_str()));
        let removed = diesel::delete(waiting).execute(self.connection)?;
        Ok(i64::try_from(removed).unwrap_or(i64::MAX))
    }
}

//! Deliveries that wait for an acknowledgement.

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, query_dsl::methods::FilterDsl, upsert::excluded};

use super::{Transaction, schema::in_flight};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
    store::Result,
};

/// The latest delivery of one event to one daemon instance.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Which event.
    pub id: &'a EventId,
    /// To which instance.
    pub daemon: &'a DaemonId,
    /// On which connection.
    pub connection: ConnectionId,
    /// How often by now.
    pub attempts: u32,
    /// When.
    pub at: Timestamp,
}

impl Transaction<'_> {
    /// Writes down a delivery, unless a later one is known. The event must be waiting, or its record
    /// would outlive it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record_delivery(&mut self, orchestrator: &OrchestratorId, delivery: Delivery<'_>) -> Result<()> {
        let insert = diesel::insert_into(in_flight::table)
            .values((
                in_flight::orchestrator.eq(orchestrator.as_str()),
                in_flight::event_id.eq(delivery.id.as_str()),
                in_flight::daemon.eq(delivery.daemon.as_str()),
                in_flight::attempts.eq(i64::from(delivery.attempts)),
                in_flight::sent_at_ms.eq(delivery.at.0),
                in_flight::connection.eq(delivery.connection.to_string()),
            ))
            .on_conflict((in_flight::orchestrator, in_flight::event_id, in_flight::daemon))
            .do_update()
            .set((
                in_flight::attempts.eq(excluded(in_flight::attempts)),
                in_flight::sent_at_ms.eq(excluded(in_flight::sent_at_ms)),
                in_flight::connection.eq(excluded(in_flight::connection)),
            ));
        FilterDsl::filter(insert, in_flight::attempts.le(excluded(in_flight::attempts)))
            .execute(self.connection)?;
        Ok(())
    }

    /// Forgets the deliveries of an event to all daemons.
    pub(super) fn forget_deliveries(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<()> {
        let deliveries =
            QueryDsl::filter(in_flight::table, in_flight::orchestrator.eq(orchestrator.as_str()));
        diesel::delete(QueryDsl::filter(deliveries, in_flight::event_id.eq(id.as_str())))
            .execute(self.connection)?;
        Ok(())
    }
}

//! Deliveries that wait for an acknowledgement.

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, query_dsl::methods::FilterDsl, upsert::excluded};

use super::{Transaction, entries::count, schema::in_flight};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
    store::Result,
};

/// What stands for the daemon where it does not matter which one it was: no daemon's name.
pub(super) const ANY: &str = "";

/// The latest delivery of one event to one daemon instance.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Which event.
    pub id: &'a EventId,
    /// To which instance; `None` stands for any, where the next one follows this one.
    pub daemon: Option<&'a DaemonId>,
    /// On which connection.
    pub connection: ConnectionId,
    /// How often by now.
    pub attempts: u32,
    /// When.
    pub at: Timestamp,
    /// How often a connection broke within seconds of it.
    pub crashes: u32,
    /// How the earlier deliveries ended, as JSON.
    pub history: &'a str,
}

/// A delivery that is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDelivery {
    /// To which instance.
    pub daemon: String,
    /// On which connection.
    pub connection: String,
    /// How often by then.
    pub attempts: u32,
    /// When.
    pub at: Timestamp,
}

impl Transaction<'_> {
    /// The latest delivery of an event to each daemon instance.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn deliveries(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<Vec<KnownDelivery>> {
        let known = QueryDsl::filter(in_flight::table, in_flight::orchestrator.eq(orchestrator.as_str()));
        let known = QueryDsl::filter(known, in_flight::event_id.eq(id.as_str()));
        let known = QueryDsl::filter(known, in_flight::daemon.ne(ANY));
        let columns = (in_flight::daemon, in_flight::connection, in_flight::attempts, in_flight::sent_at_ms);
        let rows: Vec<(String, String, i64, i64)> = QueryDsl::select(known, columns).load(self.connection)?;
        let delivery = |(daemon, connection, attempts, at)| KnownDelivery {
            daemon,
            connection,
            attempts: count(attempts),
            at: Timestamp(at),
        };
        Ok(rows.into_iter().map(delivery).collect())
    }

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
                in_flight::daemon.eq(delivery.daemon.map_or(ANY, DaemonId::as_str)),
                in_flight::attempts.eq(i64::from(delivery.attempts)),
                in_flight::sent_at_ms.eq(delivery.at.0),
                in_flight::connection.eq(delivery.connection.to_string()),
                in_flight::crashes.eq(i64::from(delivery.crashes)),
                in_flight::history.eq(delivery.history),
            ))
            .on_conflict((in_flight::orchestrator, in_flight::event_id, in_flight::daemon))
            .do_update()
            .set((
                in_flight::attempts.eq(excluded(in_flight::attempts)),
                in_flight::sent_at_ms.eq(excluded(in_flight::sent_at_ms)),
                in_flight::connection.eq(excluded(in_flight::connection)),
                in_flight::crashes.eq(excluded(in_flight::crashes)),
                in_flight::history.eq(excluded(in_flight::history)),
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

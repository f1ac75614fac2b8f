//! Events that wait.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension,
    QueryDsl, RunQueryDsl,
};

use super::{
    Transaction, foreign_id,
    in_flight::ANY,
    schema::{in_flight, queue_entries},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{DaemonId, EventId, OrchestratorId},
    },
    store::Result,
};

diesel::allow_tables_to_appear_in_same_query!(queue_entries, in_flight);

/// An event to append.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What it is known by.
    pub id: &'a EventId,
    /// The time by which it is ordered.
    pub time: Timestamp,
    /// Higher is sent first.
    pub priority: i32,
    /// After this it has waited for too long.
    pub due: Timestamp,
    /// Its JSON.
    pub body: &'a [u8],
}

/// A waiting event as one daemon instance sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedEntry {
    /// Its JSON.
    pub body: Vec<u8>,
    /// Its deliveries to that instance, if there were any.
    pub delivered: Option<Delivered>,
}

/// How an event was delivered to one daemon instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// How often.
    pub attempts: u32,
    /// The last time.
    pub at: Timestamp,
    /// On which connection then.
    pub connection: String,
    /// How often a connection broke within seconds of it.
    pub crashes: u32,
    /// How the deliveries ended, as JSON.
    pub history: String,
}

impl Transaction<'_> {
    /// Appends an event; `false` when one with its id waits already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, orchestrator: &OrchestratorId, entry: Entry<'_>) -> Result<bool> {
        let written = diesel::insert_into(queue_entries::table)
            .values((
                queue_entries::orchestrator.eq(orchestrator.as_str()),
                queue_entries::event_id.eq(entry.id.as_str()),
                queue_entries::time_ms.eq(entry.time.0),
                queue_entries::priority.eq(entry.priority),
                queue_entries::body.eq(entry.body),
                queue_entries::due_ms.eq(entry.due.0),
            ))
            .on_conflict((queue_entries::orchestrator, queue_entries::event_id))
            .do_nothing()
            .execute(self.connection)?;
        Ok(written == 1)
    }

    /// Takes an event out of the queue together with its deliveries; `false` when it was not there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        let entry = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(queue_entries::event_id.eq(id.as_str()));
        if diesel::delete(entry).execute(self.connection)? == 0 {
            return Ok(false);
        }
        self.forget_deliveries(orchestrator, id)?;
        self.forget_claim(orchestrator, id)?;
        Ok(true)
    }

    /// Whether an event waits.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_waiting(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        let arrival = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(queue_entries::event_id.eq(id.as_str()))
            .select(queue_entries::arrival)
            .first::<i64>(self.connection)
            .optional()?;
        Ok(arrival.is_some())
    }

    /// The JSON of a waiting event, and how often it was delivered to `daemon`, or to any if it is for any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        id: &EventId,
    ) -> Result<Option<LoadedEntry>> {
        let found = queue_entries::table
            .left_join(
                in_flight::table.on(in_flight::orchestrator
                    .eq(queue_entries::orchestrator)
                    .and(in_flight::event_id.eq(queue_entries::event_id))
                    .and(in_flight::daemon.eq(daemon.as_str()).or(in_flight::daemon.eq(ANY)))),
            )
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(queue_entries::event_id.eq(id.as_str()))
            .select((
                queue_entries::body,
                (
                    in_flight::attempts,
                    in_flight::sent_at_ms,
                    in_flight::connection,
                    in_flight::crashes,
                    in_flight::history,
                )
                    .nullable(),
            ))
            .order(in_flight::attempts.desc())
            .first::<(Vec<u8>, Option<(i64, i64, String, i64, String)>)>(self.connection)
            .optional()?;
        Ok(found.map(|(body, delivered)| LoadedEntry {
            body,
            delivered: delivered.map(|(attempts, at, connection, crashes, history)| Delivered {
                attempts: count(attempts),
                at: Timestamp(at),
                connection,
                crashes: count(crashes),
                history,
            }),
        }))
    }

    /// The JSON of a waiting event.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn body(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<Option<Vec<u8>>> {
        let body = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .filter(queue_entries::event_id.eq(id.as_str()))
            .select(queue_entries::body)
            .first(self.connection)
            .optional()?;
        Ok(body)
    }

    /// What waits, with its priority, in the order of sending.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn in_send_order(&mut self, orchestrator: &OrchestratorId) -> Result<Vec<(EventId, i32)>> {
        let rows: Vec<(String, i32)> = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .order((queue_entries::priority.desc(), queue_entries::time_ms, queue_entries::arrival))
            .select((queue_entries::event_id, queue_entries::priority))
            .load(self.connection)?;
        rows.into_iter()
            .map(|(id, priority)| Ok((EventId::parse(&id).map_err(foreign_id)?, priority)))
            .collect()
    }

    /// The `count` oldest of what waits, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn oldest(&mut self, orchestrator: &OrchestratorId, count: i64) -> Result<Vec<EventId>> {
        let ids: Vec<String> = queue_entries::table
            .filter(queue_entries::orchestrator.eq(orchestrator.as_str()))
            .order((queue_entries::time_ms, queue_entries::arrival))
            .limit(count)
            .select(queue_entries::event_id)
            .load(self.connection)?;
        ids.iter().map(|id| EventId::parse(id).map_err(foreign_id)).collect()
    }

    /// At most `limit` events of all orchestrators that have waited for too long at `now`, in the order
    /// of becoming due.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn due(&mut self, now: Timestamp, limit: i64) -> Result<Vec<(OrchestratorId, EventId)>> {
        let rows: Vec<(String, String)> = queue_entries::table
            .filter(queue_entries::due_ms.lt(now.0))
            .order((queue_entries::due_ms, queue_entries::arrival))
            .limit(limit)
            .select((queue_entries::orchestrator, queue_entries::event_id))
            .load(self.connection)?;
        let parse = |(orchestrator, id): &(String, String)| {
            Ok((
                OrchestratorId::parse(orchestrator).map_err(foreign_id)?,
                EventId::parse(id).map_err(foreign_id)?,
            ))
        };
        rows.iter().map(parse).collect()
    }
}

/// A number as it is counted; the file holds them wider.
pub(super) fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

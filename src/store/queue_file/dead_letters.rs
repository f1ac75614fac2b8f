//! Events that were given up.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{Transaction, foreign_id, schema::dead_letters};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
    store::Result,
};

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuriedEvent {
    /// Which event.
    pub id: EventId,
    /// Why it was given up, as a word.
    pub reason: String,
    /// How often it was delivered.
    pub attempts: u32,
    /// Its JSON.
    pub body: Vec<u8>,
    /// When it was given up.
    pub at: Timestamp,
}

impl Transaction<'_> {
    /// Keeps a dead letter.
    ///
    /// # Errors
    /// When the file cannot be written, or has the letter already.
    pub fn bury(&mut self, orchestrator: &OrchestratorId, event: &BuriedEvent) -> Result<()> {
        diesel::insert_into(dead_letters::table)
            .values((
                dead_letters::orchestrator.eq(orchestrator.as_str()),
                dead_letters::event_id.eq(event.id.as_str()),
                dead_letters::reason.eq(&event.reason),
                dead_letters::attempts.eq(i64::from(event.attempts)),
                dead_letters::body.eq(&event.body),
                dead_letters::at_ms.eq(event.at.0),
            ))
            .execute(self.connection)?;
        Ok(())
    }

    /// Whether an event is among the dead letters.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_buried(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        let sequence = dead_letters::table
            .filter(dead_letters::orchestrator.eq(orchestrator.as_str()))
            .filter(dead_letters::event_id.eq(id.as_str()))
            .select(dead_letters::sequence)
            .first::<i64>(self.connection)
            .optional()?;
        Ok(sequence.is_some())
    }

    /// Forgets the oldest dead letter of an orchestrator; `false` when it has none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_oldest_buried(&mut self, orchestrator: &OrchestratorId) -> Result<bool> {
        let oldest: Option<i64> = dead_letters::table
            .filter(dead_letters::orchestrator.eq(orchestrator.as_str()))
            .order(dead_letters::sequence)
            .select(dead_letters::sequence)
            .first(self.connection)
            .optional()?;
        let Some(oldest) = oldest else { return Ok(false) };
        diesel::delete(dead_letters::table.find(oldest)).execute(self.connection)?;
        Ok(true)
    }

    /// The dead letters of an orchestrator, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an id that is none.
    pub fn buried(&mut self, orchestrator: &OrchestratorId) -> Result<Vec<BuriedEvent>> {
        let rows: Vec<(String, String, i64, Vec<u8>, i64)> = dead_letters::table
            .filter(dead_letters::orchestrator.eq(orchestrator.as_str()))
            .order(dead_letters::sequence)
            .select((
                dead_letters::event_id,
                dead_letters::reason,
                dead_letters::attempts,
                dead_letters::body,
                dead_letters::at_ms,
            ))
            .load(self.connection)?;
        rows.into_iter()
            .map(|(id, reason, attempts, body, at)| {
                let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
                Ok(BuriedEvent {
                    id: EventId::parse(&id).map_err(foreign_id)?,
                    reason,
                    attempts,
                    body,
                    at: Timestamp(at),
                })
            })
            .collect()
    }
}

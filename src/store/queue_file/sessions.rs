//! Authentication sessions: each a JSON text with its owner, until it expires.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{Transaction, schema::sessions};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{OrchestratorId, SessionId},
    },
    store::Result,
};

impl Transaction<'_> {
    /// Writes a session down, as JSON, in place of one with its id.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_session(
        &mut self,
        id: &SessionId,
        owner: &OrchestratorId,
        json: &str,
        until: Timestamp,
    ) -> Result<()> {
        let row = (
            sessions::id.eq(id.as_str()),
            sessions::body.eq(json),
            sessions::expires_at_ms.eq(until.0),
            sessions::orchestrator.eq(owner.as_str()),
        );
        diesel::replace_into(sessions::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// A session, as JSON, and its end, unless that is over at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session(&mut self, id: &SessionId, now: Timestamp) -> Result<Option<(String, Timestamp)>> {
        let row = sessions::table
            .find(id.as_str())
            .filter(sessions::expires_at_ms.gt(now.0))
            .select((sessions::body, sessions::expires_at_ms))
            .first::<(String, i64)>(self.connection)
            .optional()?;
        Ok(row.map(|(json, until)| (json, Timestamp(until))))
    }

    /// The sessions of an orchestrator, each with its JSON and its end, unless that is over at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions_of(
        &mut self,
        owner: &OrchestratorId,
        now: Timestamp,
    ) -> Result<Vec<(String, String, Timestamp)>> {
        let rows: Vec<(String, String, i64)> = sessions::table
            .filter(sessions::orchestrator.eq(owner.as_str()))
            .filter(sessions::expires_at_ms.gt(now.0))
            .select((sessions::id, sessions::body, sessions::expires_at_ms))
            .load(self.connection)?;
        Ok(rows.into_iter().map(|(id, json, until)| (id, json, Timestamp(until))).collect())
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_session(&mut self, id: &SessionId) -> Result<()> {
        diesel::delete(sessions::table.find(id.as_str())).execute(self.connection)?;
        Ok(())
    }
}

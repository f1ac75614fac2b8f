//! Subscriptions, sessions and revoked tokens: each a text under a key, until it expires.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{
    Transaction,
    schema::{revoked_tokens, sessions, subscriptions},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId, SessionId},
    },
    store::Result,
};

impl Transaction<'_> {
    /// Remembers, as JSON, what a daemon instance is subscribed to.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_subscriptions(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        json: &str,
        until: Timestamp,
    ) -> Result<()> {
        let row = (
            subscriptions::orchestrator.eq(orchestrator.as_str()),
            subscriptions::daemon.eq(daemon.as_str()),
            subscriptions::body.eq(json),
            subscriptions::expires_at_ms.eq(until.0),
        );
        diesel::replace_into(subscriptions::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// What a daemon instance was subscribed to, as JSON.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn subscriptions(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
    ) -> Result<Option<String>> {
        let json = subscriptions::table
            .find((orchestrator.as_str(), daemon.as_str()))
            .select(subscriptions::body)
            .first(self.connection)
            .optional()?;
        Ok(json)
    }

    /// Keeps the subscriptions and the session of a daemon instance until `until`, if there are any.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prolong(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        session: &SessionId,
        until: Timestamp,
    ) -> Result<()> {
        diesel::update(subscriptions::table.find((orchestrator.as_str(), daemon.as_str())))
            .set(subscriptions::expires_at_ms.eq(until.0))
            .execute(self.connection)?;
        diesel::update(sessions::table.find(session.as_str()))
            .set(sessions::expires_at_ms.eq(until.0))
            .execute(self.connection)?;
        Ok(())
    }

    /// Writes a session down, as JSON, unless it is there already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create_session(&mut self, id: &SessionId, json: &str, until: Timestamp) -> Result<()> {
        diesel::insert_into(sessions::table)
            .values((
                sessions::id.eq(id.as_str()),
                sessions::body.eq(json),
                sessions::expires_at_ms.eq(until.0),
            ))
            .on_conflict(sessions::id)
            .do_nothing()
            .execute(self.connection)?;
        Ok(())
    }

    /// A session, as JSON.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session(&mut self, id: &SessionId) -> Result<Option<String>> {
        let json =
            sessions::table.find(id.as_str()).select(sessions::body).first(self.connection).optional()?;
        Ok(json)
    }

    /// Revokes the token or session called `jti`, which would itself expire at `until`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn revoke(&mut self, jti: &str, until: Timestamp) -> Result<()> {
        let row = (revoked_tokens::jti.eq(jti), revoked_tokens::expires_at_ms.eq(until.0));
        diesel::replace_into(revoked_tokens::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Whether the token or session called `jti` was revoked. The revocation of a token that has
    /// expired is forgotten some time after.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_revoked(&mut self, jti: &str) -> Result<bool> {
        let until = revoked_tokens::table
            .find(jti)
            .select(revoked_tokens::expires_at_ms)
            .first::<i64>(self.connection)
            .optional()?;
        Ok(until.is_some())
    }

    /// Forgets subscriptions, sessions and revocations that are over at `now`; returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_expired_records(&mut self, now: Timestamp) -> Result<usize> {
        let connection = &mut *self.connection;
        let over = subscriptions::table.filter(subscriptions::expires_at_ms.le(now.0));
        let mut forgotten = diesel::delete(over).execute(connection)?;
        let over = sessions::table.filter(sessions::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = revoked_tokens::table.filter(revoked_tokens::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        Ok(forgotten)
    }
}

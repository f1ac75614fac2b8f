//! Subscriptions, registrations and revoked tokens: each under a key, until it expires.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{
    Transaction,
    schema::{idempotency, registrations, revoked_before, revoked_tokens, sessions, subscriptions, told},
};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId},
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

    /// Keeps the subscriptions of a daemon instance until `until`, if there are any.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prolong(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        until: Timestamp,
    ) -> Result<()> {
        diesel::update(subscriptions::table.find((orchestrator.as_str(), daemon.as_str())))
            .set(subscriptions::expires_at_ms.eq(until.0))
            .execute(self.connection)?;
        Ok(())
    }

    /// Writes the registration of an orchestrator's daemon down, as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_registration(
        &mut self,
        orchestrator: &OrchestratorId,
        json: &str,
        until: Timestamp,
    ) -> Result<()> {
        let row = (
            registrations::orchestrator.eq(orchestrator.as_str()),
            registrations::body.eq(json),
            registrations::expires_at_ms.eq(until.0),
        );
        diesel::replace_into(registrations::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// The registration of an orchestrator's daemon, as JSON, while it is known at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn registration(&mut self, orchestrator: &OrchestratorId, now: Timestamp) -> Result<Option<String>> {
        let json = registrations::table
            .find(orchestrator.as_str())
            .filter(registrations::expires_at_ms.gt(now.0))
            .select(registrations::body)
            .first(self.connection)
            .optional()?;
        Ok(json)
    }

    /// Forgets the registration of an orchestrator's daemon.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_registration(&mut self, orchestrator: &OrchestratorId) -> Result<()> {
        diesel::delete(registrations::table.find(orchestrator.as_str())).execute(self.connection)?;
        Ok(())
    }

    /// Revokes the token or session called `jti`, which would itself expire at `until`. An earlier
    /// revocation is never shortened.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn revoke(&mut self, jti: &str, until: Timestamp) -> Result<()> {
        let known = revoked_tokens::table
            .find(jti)
            .select(revoked_tokens::expires_at_ms)
            .first::<i64>(self.connection)
            .optional()?;
        let until = known.unwrap_or(until.0).max(until.0);
        let row = (revoked_tokens::jti.eq(jti), revoked_tokens::expires_at_ms.eq(until));
        diesel::replace_into(revoked_tokens::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Revokes the tokens of an orchestrator that were issued before `moment`; the last of them would
    /// expire at `until`. An earlier revocation is neither weakened nor shortened.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn revoke_before(
        &mut self,
        orchestrator: &OrchestratorId,
        moment: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let known = revoked_before::table
            .find(orchestrator.as_str())
            .select((revoked_before::before_ms, revoked_before::expires_at_ms))
            .first::<(i64, i64)>(self.connection)
            .optional()?;
        let (known_moment, known_until) = known.unwrap_or((moment.0, until.0));
        let row = (
            revoked_before::orchestrator.eq(orchestrator.as_str()),
            revoked_before::before_ms.eq(known_moment.max(moment.0)),
            revoked_before::expires_at_ms.eq(known_until.max(until.0)),
        );
        diesel::replace_into(revoked_before::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Before which moment a token of an orchestrator must not have been issued, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn revoked_before(&mut self, orchestrator: &OrchestratorId) -> Result<Option<Timestamp>> {
        let moment = revoked_before::table
            .find(orchestrator.as_str())
            .select(revoked_before::before_ms)
            .first(self.connection)
            .optional()?;
        Ok(moment.map(Timestamp))
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

    /// Forgets subscriptions, sessions, registrations, revocations and notes of what daemons were told
    /// that are over at `now`; returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_expired_records(&mut self, now: Timestamp) -> Result<usize> {
        let connection = &mut *self.connection;
        let over = subscriptions::table.filter(subscriptions::expires_at_ms.le(now.0));
        let mut forgotten = diesel::delete(over).execute(connection)?;
        let over = sessions::table.filter(sessions::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = registrations::table.filter(registrations::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = idempotency::table.filter(idempotency::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = revoked_before::table.filter(revoked_before::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = revoked_tokens::table.filter(revoked_tokens::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        let over = told::table.filter(told::expires_at_ms.le(now.0));
        forgotten += diesel::delete(over).execute(connection)?;
        Ok(forgotten)
    }
}

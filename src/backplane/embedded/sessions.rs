//! Sessions, in the file; their latest activity is memory, for the next heartbeat is seconds away.

use super::{EmbeddedBackplane, registry::json, state::State};
use crate::{
    backplane::{
        Result,
        revocations::Revocation,
        sessions::{
            Changed, SessionChange, SessionEnd, SessionRecord, SessionStatus, SessionUpdate, Sessions,
            TOKEN_LIFETIME, change,
        },
    },
    domain::{
        clock::{self, Timestamp},
        ids::{OrchestratorId, SessionId},
    },
};

impl State {
    /// A session as written, with what was seen of it since.
    fn read_session(&self, id: &SessionId, json: &str, end: Timestamp) -> Option<SessionRecord> {
        let mut record = SessionRecord::read(id, json, end)?;
        if let Some((at, status)) = self.observations.activity(&record.orchestrator, id)
            && record.last_heartbeat.is_none_or(|known| known < at)
        {
            // What its owner has said since counts for more.
            if record.last_activity_at <= at {
                record.status = match record.status {
                    SessionStatus::Active | SessionStatus::Idle if status == "idle" => SessionStatus::Idle,
                    SessionStatus::Active | SessionStatus::Idle => SessionStatus::Active,
                    over => over,
                };
            }
            record.last_heartbeat = Some(at);
            record.last_activity_at = record.last_activity_at.max(at);
            record.last_status = Some(status.to_owned());
        }
        Some(record)
    }

    /// A session whose time is not over at `now`.
    pub(super) fn session(&mut self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
        let stored = self.file.read(|transaction| transaction.session(id, now))?;
        Ok(stored.and_then(|(json, end)| self.read_session(id, &json, end)))
    }

    fn update_session(
        &mut self,
        id: &SessionId,
        owner: &OrchestratorId,
        wanted: &SessionChange,
        now: Timestamp,
    ) -> Result<SessionUpdate> {
        let Some((stored, end)) = self.file.read(|transaction| transaction.session(id, now))? else {
            return Ok(SessionUpdate::NotFound);
        };
        let (json, lifetime) = match change((id, &stored, end), owner, wanted, now) {
            Changed::Foreign => return Ok(SessionUpdate::Foreign),
            Changed::Unreadable => return Ok(SessionUpdate::NotFound),
            Changed::To { json, lifetime, .. } => (json, lifetime),
        };
        let until = now.plus(lifetime);
        self.file.durably(|transaction| transaction.save_session(id, owner, &json, until))?;
        let record = self.read_session(id, &json, until);
        Ok(record.map_or(SessionUpdate::NotFound, |record| SessionUpdate::Updated(Box::new(record))))
    }

    /// Ends a session and revokes its tokens.
    pub(super) fn end_session(
        &mut self,
        id: &SessionId,
        owner: Option<&OrchestratorId>,
        now: Timestamp,
    ) -> Result<SessionEnd> {
        let Some((stored, end)) = self.file.read(|transaction| transaction.session(id, now))? else {
            return Ok(SessionEnd::NotFound);
        };
        let known = SessionRecord::read(id, &stored, end).map(|record| record.orchestrator);
        if owner.is_some_and(|owner| known.as_ref() != Some(owner)) {
            return Ok(SessionEnd::Foreign);
        }
        self.file.durably(|transaction| {
            transaction.forget_session(id)?;
            transaction.revoke(id.as_str(), now.plus(TOKEN_LIFETIME))
        })?;
        Ok(SessionEnd::Ended)
    }

    /// Makes a revocation hold.
    pub(super) fn revoke(&mut self, revocation: &Revocation, now: Timestamp) -> Result<()> {
        let (Revocation::Token { until, .. }
        | Revocation::Session { until, .. }
        | Revocation::IssuedBefore { until, .. }) = revocation;
        if *until <= now {
            return Ok(());
        }
        self.file.durably(|transaction| match revocation {
            Revocation::Token { jti, .. } => transaction.revoke(jti, *until),
            Revocation::Session { id, .. } => transaction.revoke(id.as_str(), *until),
            Revocation::IssuedBefore { orchestrator, at, .. } => {
                transaction.revoke_before(orchestrator, *at, *until)
            }
        })?;
        Ok(())
    }
}

impl Sessions for EmbeddedBackplane {
    async fn create_session(&self, record: &SessionRecord) -> Result<()> {
        let (record, text) = (record.clone(), json(record)?);
        self.worker
            .run(move |state| {
                let SessionRecord { id, orchestrator, expires_at, .. } = &record;
                state.file.durably(|file| file.save_session(id, orchestrator, &text, *expires_at))?;
                state.connections.claim(id.as_str(), orchestrator);
                if let Some(daemon) = &record.daemon {
                    state.connections.claim(daemon.as_str(), orchestrator);
                }
                Ok(())
            })
            .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>> {
        let (id, now) = (id.clone(), clock::now().wall);
        self.worker.run(move |state| state.session(&id, now)).await
    }

    async fn sessions_of(&self, orchestrator: &OrchestratorId) -> Result<Vec<SessionRecord>> {
        let (orchestrator, now) = (orchestrator.clone(), clock::now().wall);
        self.worker
            .run(move |state| {
                let rows = state.file.read(|transaction| transaction.sessions_of(&orchestrator, now))?;
                let read = |(id, json, end): &(String, String, Timestamp)| {
                    state.read_session(&SessionId::parse(id).ok()?, json, *end)
                };
                let mut sessions: Vec<SessionRecord> = rows.iter().filter_map(read).collect();
                sessions.retain(|session| session.orchestrator == orchestrator);
                sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
                Ok(sessions)
            })
            .await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        change: &SessionChange,
        now: Timestamp,
    ) -> Result<SessionUpdate> {
        let (id, owner, change) = (id.clone(), owner.clone(), change.clone());
        self.worker.run(move |state| state.update_session(&id, &owner, &change, now)).await
    }

    async fn note_activity(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        status: &'static str,
        at: Timestamp,
    ) -> Result<bool> {
        let (id, owner) = (id.clone(), owner.clone());
        self.worker
            .run(move |state| {
                let known = state.session(&id, at)?.is_some_and(|session| session.orchestrator == owner);
                if known {
                    state.observations.note_activity(&owner, &id, status, at);
                }
                Ok(known)
            })
            .await
    }

    async fn end_session(
        &self,
        id: &SessionId,
        owner: Option<&OrchestratorId>,
        now: Timestamp,
    ) -> Result<SessionEnd> {
        let (id, owner) = (id.clone(), owner.cloned());
        self.worker.run(move |state| state.end_session(&id, owner.as_ref(), now)).await
    }
}

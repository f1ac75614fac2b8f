//! Sessions in Redis (contract 6.1, `daemon:session`).

use std::time::Duration;

use redis::{FromRedisValue as _, Value};

use super::{RedisBackplane, corrupt, keys, records::json, scripts};
use crate::{
    backplane::{
        BackplaneError, Result,
        sessions::{
            Changed, MAX_SESSION_LIFETIME, SessionChange, SessionEnd, SessionRecord, SessionUpdate, Sessions,
            TOKEN_LIFETIME, change,
        },
    },
    domain::{
        clock::{self, Timestamp},
        ids::{OrchestratorId, SessionId},
    },
};

/// How long the lists of sessions live; longer than what they list.
pub(super) const INDEX_LIFETIME: Duration = MAX_SESSION_LIFETIME.saturating_add(Duration::from_secs(86_400));
/// How often a change is tried when others change the same session meanwhile.
const ATTEMPTS: usize = 16;

impl RedisBackplane {
    /// What lies under the name of a session, and when it goes away.
    async fn stored_session(&self, id: &SessionId) -> Result<Option<(String, Timestamp)>> {
        let key = keys::session(id);
        let mut pipe = redis::pipe();
        pipe.get(&key).pttl(&key);
        let (record, left): (Option<String>, i64) = self.run_all(&pipe).await?;
        Ok(record.map(|record| (record, end(left))))
    }
}

/// When a record goes away that has so many milliseconds left; one that stays for ever is asked again
/// tomorrow.
fn end(left: i64) -> Timestamp {
    let left = u64::try_from(left).map_or(TOKEN_LIFETIME, Duration::from_millis);
    clock::now().wall.plus(left)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Sessions for RedisBackplane {
    async fn create_session(&self, record: &SessionRecord) -> Result<()> {
        let id = record.id.as_str();
        let mut indexes = vec![keys::orchestrator_sessions(&record.orchestrator)];
        indexes.extend(record.daemon.as_ref().map(keys::instance_sessions));
        let mut pipe = redis::pipe();
        // The lists first: a listed session that is not there is dropped when somebody reads the list.
        for index in indexes {
            pipe.sadd(&index, id).ignore();
            pipe.expire(&index, INDEX_LIFETIME.as_secs().cast_signed()).ignore();
        }
        let lifetime = millis(record.expires_at.since(clock::now().wall));
        pipe.cmd("SET").arg(keys::session(&record.id)).arg(json(record)?).arg("PX").arg(lifetime).ignore();
        self.run_all(&pipe).await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>> {
        let stored = self.stored_session(id).await?;
        Ok(stored.and_then(|(record, end)| SessionRecord::read(id, &record, end)))
    }

    async fn sessions_of(&self, orchestrator: &OrchestratorId) -> Result<Vec<SessionRecord>> {
        let index = keys::orchestrator_sessions(orchestrator);
        let mut members = redis::cmd("SMEMBERS");
        members.arg(&index);
        let members: Vec<String> = self.run(&members).await?;
        let ids: Vec<SessionId> = members.iter().filter_map(|id| SessionId::parse(id).ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for key in ids.iter().map(keys::session) {
            pipe.get(&key).pttl(&key);
        }
        let replies: Vec<Value> = self.run_all(&pipe).await?;
        let mut sessions = Vec::new();
        let mut gone: Vec<&str> = Vec::new();
        for (id, reply) in ids.iter().zip(replies.chunks_exact(2)) {
            let [record, left] = reply else { continue };
            let (record, left): (Option<String>, i64) = (
                Option::from_redis_value(record.clone()).map_err(|error| corrupt(error.to_string()))?,
                i64::from_redis_value(left.clone()).unwrap_or_default(),
            );
            match record {
                None => gone.push(id.as_str()),
                Some(record) => sessions.extend(
                    SessionRecord::read(id, &record, end(left))
                        .filter(|session| session.orchestrator == *orchestrator),
                ),
            }
        }
        if !gone.is_empty() {
            let mut forget = redis::cmd("SREM");
            forget.arg(&index).arg(gone);
            self.run::<usize>(&forget).await?;
        }
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        Ok(sessions)
    }

    /// Reads, changes and writes when nobody else has written meanwhile: the record may hold what a
    /// script could not write again unchanged.
    async fn update_session(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        wanted: &SessionChange,
        now: Timestamp,
    ) -> Result<SessionUpdate> {
        for _ in 0..ATTEMPTS {
            let Some((stored, end)) = self.stored_session(id).await? else {
                return Ok(SessionUpdate::NotFound);
            };
            match change((id, &stored, end), owner, wanted, now) {
                Changed::Foreign => return Ok(SessionUpdate::Foreign),
                Changed::Unreadable => return Ok(SessionUpdate::NotFound),
                Changed::To { json, record, lifetime } => {
                    let mut swap = scripts::call(&scripts::SESSION_SWAP, &[keys::session(id)]);
                    swap.arg(stored).arg(json).arg(millis(lifetime));
                    if self.run::<bool>(&swap).await? {
                        return Ok(SessionUpdate::Updated(record));
                    }
                }
            }
        }
        Err(BackplaneError::Unavailable("a session is changed by too many at once".to_owned()))
    }

    async fn note_activity(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        status: &'static str,
        at: Timestamp,
    ) -> Result<bool> {
        self.run(&activity(id, owner, status, at)).await
    }

    async fn end_session(
        &self,
        id: &SessionId,
        owner: Option<&OrchestratorId>,
        now: Timestamp,
    ) -> Result<SessionEnd> {
        let mut call = scripts::call(&scripts::SESSION_END, &[keys::session(id), keys::revoked(id.as_str())]);
        call.arg(owner.map_or("", OrchestratorId::as_str)).arg(millis(TOKEN_LIFETIME));
        let record: String = match self.run::<Value>(&call).await? {
            Value::Int(0) => return Ok(SessionEnd::NotFound),
            Value::Int(_) => return Ok(SessionEnd::Foreign),
            record => String::from_redis_value(record).map_err(|error| corrupt(error.to_string()))?,
        };
        if let Some(ended) = SessionRecord::read(id, &record, now) {
            let mut pipe = redis::pipe();
            pipe.srem(keys::orchestrator_sessions(&ended.orchestrator), id.as_str()).ignore();
            if let Some(daemon) = &ended.daemon {
                pipe.srem(keys::instance_sessions(daemon), id.as_str()).ignore();
            }
            // What matters has happened; the lists are pruned when they are read.
            if let Err(error) = self.run_all::<()>(&pipe).await {
                log::debug!(error:% = error; "an ended session is still listed");
            }
        }
        Ok(SessionEnd::Ended)
    }
}

/// Notes a heartbeat in a session.
pub(super) fn activity(
    id: &SessionId,
    owner: &OrchestratorId,
    status: &'static str,
    at: Timestamp,
) -> redis::Cmd {
    let session_status = if status == "idle" { "idle" } else { "active" };
    let mut call = scripts::call(&scripts::SESSION_ACTIVITY, &[keys::session(id)]);
    call.arg(at.to_string()).arg(status).arg(session_status).arg(owner.as_str());
    call
}

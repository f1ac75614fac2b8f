//! Connections, counted in memory; what must outlive them in the file.

use std::time::Duration;

use serde::Serialize;

use super::{EmbeddedBackplane, revocations::is_revoked, state::State};
use crate::{
    backplane::{
        BackplaneError, Result,
        queue::RETENTION,
        registry::{Attach, AttachOutcome, Attached, ConnectionRegistry, Detach, Remembered},
        revocations::TokenIdentity,
        rules,
        sessions::{SessionRecord, SessionStatus},
    },
    domain::{
        clock::{self, Timestamp},
        ids::{ConnectionId, DaemonId, NodeId, OrchestratorId},
        subscription::Subscriptions,
    },
};

/// How long subscriptions outlive the last sign of life.
const SUBSCRIPTIONS_TTL: Duration = RETENTION;

impl State {
    fn attach(&mut self, request: &Attach) -> Result<AttachOutcome> {
        let Attach { orchestrator, daemon, session, now, .. } = request;
        let token = TokenIdentity {
            jti: request.jti.clone(),
            session: Some(session.clone()),
            orchestrator: orchestrator.clone(),
            issued_at: request.issued_at,
        };
        let (revoked, known, subscriptions, depth) = self.file.read(|transaction| {
            let revoked = is_revoked(transaction, &token)?;
            let known = transaction.session(session, *now)?;
            let subscriptions = transaction.subscriptions(orchestrator, daemon)?;
            let depth = transaction.ledger(orchestrator)?.depth();
            Ok((revoked, known, subscriptions, depth))
        })?;
        let known = known.map(|(json, end)| SessionRecord::read(session, &json, end));
        let status = known.as_ref().and_then(Option::as_ref).map(|known| known.status);
        if revoked || matches!(status, Some(SessionStatus::Revoked | SessionStatus::Terminated)) {
            return Ok(AttachOutcome::Revoked);
        }
        if !self.connections.has_room(request) {
            return Ok(AttachOutcome::QuotaExceeded);
        }
        let new = if known.is_none() { Some(SessionRecord::of_attach(request)) } else { None };
        let text = new.as_ref().map(json).transpose()?;
        let until = now.plus(SUBSCRIPTIONS_TTL);
        // Before the connection counts: if this fails, nothing has happened.
        let gap = self.file.loosely(|transaction| {
            if let (Some(new), Some(text)) = (&new, &text) {
                transaction.save_session(session, orchestrator, text, new.expires_at)?;
            }
            transaction.prolong(orchestrator, daemon, until)?;
            rules::tell(transaction, orchestrator, daemon, *now)
        })?;
        let replaced = self.connections.admit(request);
        let subscriptions = subscriptions.as_deref().and_then(readable);
        Ok(AttachOutcome::Attached(Attached { replaced, subscriptions, depth, gap, legacy: false }))
    }

    fn prolong(&mut self, living: &[ConnectionId], now: Timestamp) -> Result<()> {
        let due = self.connections.due(living, now);
        if due.is_empty() {
            return Ok(());
        }
        let until = now.plus(SUBSCRIPTIONS_TTL);
        self.file.loosely(|transaction| {
            due.iter().try_for_each(|connection| {
                let (orchestrator, daemon) = (&connection.orchestrator, &connection.daemon);
                transaction.prolong(orchestrator, daemon, until)
            })
        })?;
        Ok(())
    }
}

impl ConnectionRegistry for EmbeddedBackplane {
    async fn attach(&self, request: &Attach) -> Result<AttachOutcome> {
        let request = request.clone();
        self.worker.run(move |state| state.attach(&request)).await
    }

    async fn detach(&self, gone: &[Detach]) -> Result<()> {
        let gone = gone.to_vec();
        self.worker
            .run(move |state| {
                gone.iter().for_each(|gone| state.connections.release(gone));
                Ok(())
            })
            .await
    }

    async fn save_subscriptions(&self, remembered: &[Remembered]) -> Result<()> {
        let until = clock::now().wall.plus(SUBSCRIPTIONS_TTL);
        let row =
            |one: &Remembered| Ok((one.orchestrator.clone(), one.daemon.clone(), json(&one.subscriptions)?));
        let rows = remembered.iter().map(row).collect::<Result<Vec<_>>>()?;
        self.worker
            .run(move |state| {
                state.file.loosely(|transaction| {
                    rows.iter().try_for_each(|(orchestrator, daemon, json)| {
                        transaction.save_subscriptions(orchestrator, daemon, json, until)
                    })
                })?;
                Ok(())
            })
            .await
    }

    async fn owner_of(&self, daemon: &DaemonId) -> Result<Option<OrchestratorId>> {
        let daemon = daemon.clone();
        self.worker.run(move |state| Ok(state.connections.owner(daemon.as_str()))).await
    }

    async fn touch(&self, connections: &[ConnectionId]) -> Result<()> {
        let living = connections.to_vec();
        let now = clock::now().wall;
        self.worker.run(move |state| state.prolong(&living, now)).await
    }

    /// There is one hub, and when it dies, all that it held goes with it.
    async fn forget_stale(&self, _orchestrators: &[OrchestratorId]) -> Result<usize> {
        std::future::ready(Ok(0)).await
    }

    /// There is one hub: this one.
    async fn announce(&self, _node: &NodeId, _now: Timestamp) -> Result<usize> {
        std::future::ready(Ok(1)).await
    }

    async fn retire(&self, node: &NodeId) -> Result<()> {
        let node = node.clone();
        self.worker
            .run(move |state| {
                state.connections.release_node(&node);
                Ok(())
            })
            .await
    }
}

/// Writes a record as JSON.
pub(super) fn json<T: Serialize>(record: &T) -> Result<String> {
    serde_json::to_string(record).map_err(|error| BackplaneError::Corrupt(error.to_string()))
}

/// Subscriptions as they were written down. What another version wrote and this one refuses is no
/// reason to keep the daemon out: it subscribes again.
fn readable(json: &str) -> Option<Subscriptions> {
    serde_json::from_str(json)
        .inspect_err(|problem| log::warn!("remembered subscriptions cannot be read: {problem}"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backplane::embedded::sweep::sweep,
        backplane::sessions::SESSION_LIFETIME,
        domain::{ids::SessionId, scope::ScopeSet},
    };

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn request() -> Attach {
        Attach {
            connection: ConnectionId::random(),
            node: NodeId::parse("node_1").expect("an id"),
            orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
            daemon: DaemonId::parse("d1").expect("an id"),
            session: SessionId::parse("s1").expect("an id"),
            organization: None,
            jti: None,
            issued_at: None,
            scopes: ScopeSet::from_names(["messages:read"]),
            limit: 1,
            now: NOW,
        }
    }

    fn open() -> (tempfile::TempDir, State) {
        let directory = tempfile::tempdir().expect("a directory");
        let state = State::open(&directory.path().join("queue.db")).expect("opened");
        (directory, state)
    }

    fn session_at(state: &mut State, now: Timestamp) -> Option<SessionRecord> {
        state.session(&request().session, now).expect("readable")
    }

    #[test]
    fn an_attach_without_a_session_creates_one_and_keeps_the_one_there_is() {
        let (_directory, mut state) = open();
        state.attach(&request()).expect("an answer");
        let created = session_at(&mut state, NOW);
        assert_eq!(created, Some(SessionRecord::of_attach(&request())));
        state.attach(&Attach { now: NOW.plus(DAY), ..request() }).expect("an answer");
        assert_eq!(session_at(&mut state, NOW.plus(DAY)), created);
        assert_eq!(session_at(&mut state, NOW.plus(SESSION_LIFETIME)), None, "its end has not moved");
    }

    #[test]
    fn a_session_that_its_owner_terminated_admits_nobody() {
        let (_directory, mut state) = open();
        let over =
            SessionRecord { status: SessionStatus::Terminated, ..SessionRecord::of_attach(&request()) };
        let text = json(&over).expect("JSON");
        let saved = state
            .file
            .durably(|file| file.save_session(&over.id, &over.orchestrator, &text, over.expires_at));
        saved.expect("written");
        assert_eq!(state.attach(&request()), Ok(AttachOutcome::Revoked));
    }

    #[test]
    fn a_refused_connection_leaves_no_session() {
        let (_directory, mut state) = open();
        let outcome = state.attach(&Attach { limit: 0, ..request() });
        assert_eq!(outcome, Ok(AttachOutcome::QuotaExceeded));
        assert_eq!(session_at(&mut state, NOW), None);
    }

    #[test]
    fn the_subscriptions_of_a_living_connection_do_not_end() {
        let (_directory, mut state) = open();
        let request = request();
        state.attach(&request).expect("an answer");
        let (orchestrator, daemon) = (&request.orchestrator, &request.daemon);
        let until = NOW.plus(SUBSCRIPTIONS_TTL);
        let saved = state.file.durably(|file| file.save_subscriptions(orchestrator, daemon, "{}", until));
        saved.expect("written");
        state.prolong(&[request.connection], NOW.plus(2 * DAY)).expect("written");
        let mut kept_at = |now| {
            sweep(&mut state.file, now).expect("swept");
            state.file.read(|file| file.subscriptions(orchestrator, daemon)).expect("readable").is_some()
        };
        assert!(kept_at(until));
        assert!(!kept_at(until.plus(2 * DAY)), "nobody has touched it since");
    }
}

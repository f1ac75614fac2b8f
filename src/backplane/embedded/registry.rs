//! Connections, counted in memory; subscriptions, sessions and revocations in the file.

use std::time::Duration;

use serde::Serialize;

use super::{EmbeddedBackplane, state::State};
use crate::{
    backplane::{
        BackplaneError, Result,
        queue::RETENTION,
        registry::{Attach, AttachOutcome, Attached, ConnectionRegistry, Detach, Remembered},
    },
    domain::{
        clock::{self, Timestamp},
        ids::{ConnectionId, DaemonId, NodeId, OrchestratorId},
        subscription::Subscriptions,
    },
};

/// How long a session and its subscriptions outlive the last sign of life (contract 6.1).
const SESSION_TTL: Duration = RETENTION;

/// An authentication session as HTTP routes read it (contract 6.1, `daemon:session`, variant A).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session<'a> {
    orchestrator_id: &'a OrchestratorId,
    scopes: Vec<&'static str>,
    created_at: Timestamp,
    last_heartbeat: Timestamp,
}

impl State {
    fn attach(&mut self, request: &Attach) -> Result<AttachOutcome> {
        let Attach { orchestrator, daemon, session, now, .. } = request;
        let revocable = request.jti.as_deref().into_iter().chain([session.as_str()]);
        let (revoked, subscriptions, depth) = self.file.read(|transaction| {
            let mut revoked = false;
            for id in revocable {
                revoked |= transaction.is_revoked(id)?;
            }
            let subscriptions = transaction.subscriptions(orchestrator, daemon)?;
            let depth = transaction.ledger(orchestrator)?.depth();
            Ok((revoked, subscriptions, depth))
        })?;
        if revoked {
            return Ok(AttachOutcome::Revoked);
        }
        if !self.connections.has_room(request) {
            return Ok(AttachOutcome::QuotaExceeded);
        }
        let record = json(&Session {
            orchestrator_id: orchestrator,
            scopes: request.scopes.names(),
            created_at: *now,
            last_heartbeat: *now,
        })?;
        let until = now.plus(SESSION_TTL);
        // Before the connection counts: if this fails, nothing has happened.
        self.file.loosely(|transaction| {
            transaction.create_session(session, &record, until)?;
            transaction.prolong(orchestrator, daemon, session, until)
        })?;
        let replaced = self.connections.admit(request);
        let subscriptions = subscriptions.as_deref().and_then(readable);
        Ok(AttachOutcome::Attached(Attached { replaced, subscriptions, depth, legacy: false }))
    }

    fn prolong(&mut self, living: &[ConnectionId], now: Timestamp) -> Result<()> {
        let due = self.connections.due(living, now);
        if due.is_empty() {
            return Ok(());
        }
        let until = now.plus(SESSION_TTL);
        self.file.loosely(|transaction| {
            due.iter().try_for_each(|connection| {
                let (orchestrator, daemon) = (&connection.orchestrator, &connection.daemon);
                transaction.prolong(orchestrator, daemon, &connection.session, until)
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
        let until = clock::now().wall.plus(SESSION_TTL);
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

    async fn is_revoked(&self, jti: &str) -> Result<bool> {
        let jti = jti.to_owned();
        self.worker.run(move |state| Ok(state.file.read(|transaction| transaction.is_revoked(&jti))?)).await
    }

    async fn touch(&self, connections: &[ConnectionId]) -> Result<()> {
        let living = connections.to_vec();
        let now = clock::now().wall;
        self.worker.run(move |state| state.prolong(&living, now)).await
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

fn json<T: Serialize>(record: &T) -> Result<String> {
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

    fn session(state: &mut State) -> Option<serde_json::Value> {
        let id = request().session;
        let json = state.file.read(|transaction| transaction.session(&id)).expect("readable")?;
        Some(serde_json::from_str(&json).expect("JSON"))
    }

    #[test]
    fn an_attach_without_a_session_creates_one_and_keeps_the_one_there_is() {
        let (_directory, mut state) = open();
        state.attach(&request()).expect("an answer");
        let created = session(&mut state).expect("a session");
        assert_eq!(
            created,
            serde_json::json!({
                "orchestratorId": "vp_1",
                "scopes": ["messages:read"],
                "createdAt": NOW.to_string(),
                "lastHeartbeat": NOW.to_string(),
            })
        );
        state.attach(&Attach { now: NOW.plus(DAY), ..request() }).expect("an answer");
        assert_eq!(session(&mut state), Some(created.clone()));
        sweep(&mut state.file, NOW.plus(SESSION_TTL)).expect("swept");
        assert_eq!(session(&mut state), Some(created), "it lives on from the last attach");
    }

    #[test]
    fn a_refused_connection_leaves_no_session() {
        let (_directory, mut state) = open();
        let outcome = state.attach(&Attach { limit: 0, ..request() });
        assert_eq!(outcome, Ok(AttachOutcome::QuotaExceeded));
        assert_eq!(session(&mut state), None);
    }

    #[test]
    fn the_session_of_a_living_connection_does_not_end() {
        let (_directory, mut state) = open();
        let request = request();
        state.attach(&request).expect("an answer");
        state.prolong(&[request.connection], NOW.plus(2 * DAY)).expect("written");
        sweep(&mut state.file, NOW.plus(SESSION_TTL)).expect("swept");
        assert!(session(&mut state).is_some());
        sweep(&mut state.file, NOW.plus(SESSION_TTL + 2 * DAY)).expect("swept");
        assert_eq!(session(&mut state), None, "nobody has touched it since");
    }
}

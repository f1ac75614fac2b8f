//! Revoking tokens and closing what lives on them, over all hubs.

use std::sync::Arc;

use actix::Addr;

use super::{
    connection_manager::{Condemn, ConnectionManager},
    connections::{ConnectionHandle, Connections},
    services::Shared,
};
use crate::{
    backplane::{
        Result,
        bus::{EventBus as _, NodeCommand},
        revocations::{Revocation, Revocations as _, TokenIdentity},
        sessions::{SessionEnd, Sessions as _},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, OrchestratorId, SessionId},
    },
    protocol::codes::CloseReason,
};

/// How many connections are checked with one question.
const BATCH: usize = 500;

/// Makes a revocation hold and tells every hub to close the sockets that live on what was revoked.
///
/// # Errors
/// When the backplane does not answer. The revocation may hold by then; repeating it does no harm.
pub async fn revoke(shared: &Shared, revocation: &Revocation) -> Result<()> {
    // Stored first: whoever comes in between is refused, and whoever came before is found.
    shared.backplane.revoke(revocation).await?;
    let command = match revocation {
        Revocation::Token { jti, .. } => NodeCommand::EndToken { jti: jti.clone() },
        Revocation::Session { id, .. } => NodeCommand::EndSession { session: id.clone() },
        Revocation::IssuedBefore { orchestrator, at, .. } => {
            NodeCommand::EndOrchestrator { orchestrator: orchestrator.clone(), issued_before_ms: at.0 }
        }
    };
    shared.backplane.command_all(&command).await
}

/// Ends a session, of `owner` if one is named: it is deleted, its tokens are revoked, and its sockets are
/// closed on every hub.
///
/// # Errors
/// When the backplane does not answer. The session may be gone by then, and its sockets still open;
/// [`revoke`] closes them.
pub async fn end_session(
    shared: &Shared,
    id: &SessionId,
    owner: Option<&OrchestratorId>,
    now: Timestamp,
) -> Result<SessionEnd> {
    let end = shared.backplane.end_session(id, owner, now).await?;
    if end == SessionEnd::Ended {
        shared.backplane.command_all(&NodeCommand::EndSession { session: id.clone() }).await?;
    }
    Ok(end)
}

/// Tells every hub to close one connection; the hub that holds it does. `reason` is for its log.
///
/// # Errors
/// When the backplane does not answer.
pub async fn disconnect(shared: &Shared, connection: ConnectionId, reason: &str) -> Result<()> {
    let connection = connection.to_string();
    shared.backplane.command_all(&NodeCommand::Disconnect { connection, reason: reason.to_owned() }).await
}

/// The connections of this hub that a command closes. Looks at all of them where it must, so not on a
/// thread that others wait for.
pub(super) fn concerned(connections: &Connections, command: &NodeCommand) -> Vec<Arc<ConnectionHandle>> {
    let mut found = Vec::new();
    let named = |id: &str| ConnectionId::parse(id).ok().and_then(|id| connections.get(id));
    match command {
        NodeCommand::Look { .. } => {}
        NodeCommand::Evict { connection } => found.extend(named(connection)),
        NodeCommand::Disconnect { connection, reason } => {
            found.extend(named(connection));
            if !found.is_empty() {
                log::info!(connection, reason; "a connection is closed on demand");
            }
        }
        NodeCommand::EndSession { session } => connections.for_each(|handle| {
            let own = handle.identity().is_some_and(|identity| identity.session == *session);
            if own || handle.credential(|token| token.session.as_ref() == Some(session)) {
                found.push(handle.clone());
            }
        }),
        NodeCommand::EndToken { jti } => connections.for_each(|handle| {
            if handle.credential(|token| token.jti.as_deref() == Some(jti)) {
                found.push(handle.clone());
            }
        }),
        NodeCommand::EndOrchestrator { orchestrator, issued_before_ms } => {
            let moment = Timestamp(*issued_before_ms);
            connections.for_orchestrator(orchestrator, |handle| {
                if handle.credential(|token| token.issued_at.is_none_or(|issued| issued < moment)) {
                    found.push(handle.clone());
                }
            });
        }
    }
    found
}

/// What the tokens of a connection can be revoked by: the one that it lives on now, and the session
/// that it was opened with.
fn tokens(handle: &ConnectionHandle) -> Vec<TokenIdentity> {
    let Some(identity) = handle.identity() else { return Vec::new() };
    let mut tokens = Vec::with_capacity(1);
    handle.credential(|token| {
        tokens.push(TokenIdentity {
            jti: token.jti.as_deref().map(str::to_owned),
            session: token.session.clone(),
            orchestrator: identity.orchestrator.clone(),
            issued_at: token.issued_at,
        });
        if token.session.as_ref() != Some(&identity.session) {
            tokens.push(TokenIdentity {
                jti: None,
                session: Some(identity.session.clone()),
                orchestrator: identity.orchestrator.clone(),
                issued_at: token.issued_at,
            });
        }
        true
    });
    tokens
}

/// Closes the connections of this hub whose token was revoked while commands did not arrive.
///
/// # Errors
/// When the backplane does not answer; those that were not looked at are as they were.
pub(super) async fn check_all(shared: &Shared, manager: &Addr<ConnectionManager>) -> Result<()> {
    for batch in shared.connections.all().chunks(BATCH) {
        let (mut handles, mut asked) = (Vec::new(), Vec::new());
        for handle in batch {
            for token in tokens(handle) {
                handles.push(handle);
                asked.push(token);
            }
        }
        let revoked = shared.backplane.are_revoked(&asked).await?;
        for (handle, _) in handles.into_iter().zip(revoked).filter(|(_, revoked)| *revoked) {
            manager.do_send(Condemn { handle: handle.clone(), reason: CloseReason::SessionTerminated });
        }
    }
    Ok(())
}

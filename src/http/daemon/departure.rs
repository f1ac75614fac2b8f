//! What happens when a daemon leaves for good (contract 1.3, C45).

use crate::{
    actors::{revocation, status_recorder::Because},
    backplane::{
        registrations::{Registrations as _, Unregister},
        revocations::Revocation,
        sessions::{ORCHESTRATOR_REVOCATION, Sessions as _, TOKEN_LIFETIME},
    },
    domain::{
        clock::now,
        ids::{OrchestratorId, OrganizationId, SessionId},
    },
    http::{HttpState, error::ApiError},
};

/// Revokes the session's tokens, or those of every session of the orchestrator when none is named;
/// closes the sockets; forgets the registration; tells everybody.
///
/// # Errors
/// 503 when the backplane is away: then nothing may be half done that matters, for the revocation
/// comes first.
pub(in crate::http) async fn depart(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    organization: Option<&OrganizationId>,
    session: Option<&SessionId>,
) -> Result<(), ApiError> {
    let shared = state.shared();
    let at = now().wall;
    let until = at.plus(TOKEN_LIFETIME);
    match session {
        Some(id) => revocation::revoke(shared, &Revocation::Session { id: id.clone(), until }).await?,
        None => {
            let until = at.plus(ORCHESTRATOR_REVOCATION);
            let all = Revocation::IssuedBefore { orchestrator: orchestrator.clone(), at, until };
            revocation::revoke(shared, &all).await?;
            for gone in shared.backplane.sessions_of(orchestrator).await? {
                shared.backplane.end_session(&gone.id, Some(orchestrator), at).await?;
            }
        }
    }
    let leaving = Unregister {
        orchestrator: orchestrator.clone(),
        organization: organization.cloned(),
        daemon: None,
        session: session.cloned(),
        at,
    };
    shared.backplane.unregister(&leaving).await?;
    state.note_status(orchestrator, organization, "OFFLINE", Because::Stated);
    let name = orchestrator.clone();
    let noted = state.database(move |database| database.unregister_daemons(name.as_str(), None, at)).await;
    // It cannot be asked for again, for its token is worth nothing any more; and it is gone all the same.
    if let Err(error) = noted {
        log::warn!(orchestrator:%, error:%; "that a daemon unregistered is not on record");
    }
    Ok(())
}

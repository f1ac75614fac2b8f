//! How many sessions an orchestrator has: each lives for days, and a daemon that starts again and again
//! leaves one behind every time.

use crate::{
    actors::revocation,
    backplane::sessions::Sessions as _,
    domain::{
        clock::now,
        ids::{OrchestratorId, SessionId},
    },
    http::{HttpState, error::ApiError},
};

/// How many sessions an orchestrator may have; a new one beyond takes the place of the one that was not
/// used for the longest time.
const MAX_SESSIONS: usize = 100;

/// Makes room for one more session of an orchestrator. `kept`: the session of whoever asks, which stays.
///
/// # Errors
/// 503 when the backplane is away.
pub(super) async fn make_room(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    kept: Option<&SessionId>,
) -> Result<(), ApiError> {
    let shared = state.shared();
    let mut sessions = shared.backplane.sessions_of(orchestrator).await?;
    let Some(excess) = (sessions.len() + 1).checked_sub(MAX_SESSIONS).filter(|excess| *excess > 0) else {
        return Ok(());
    };
    sessions.sort_by_key(|session| session.last_heartbeat.max(Some(session.last_activity_at)));
    let unused = sessions.iter().filter(|session| Some(&session.id) != kept).take(excess);
    for session in unused {
        log::info!(orchestrator:% = orchestrator, session:% = session.id; "the session that was unused for the longest time makes room");
        revocation::end_session(shared, &session.id, Some(orchestrator), now().wall).await?;
    }
    Ok(())
}

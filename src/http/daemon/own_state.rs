//! How the daemon that asks is, as the hub sees it (contract 1.2).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    auth::token::AccessToken,
    backplane::{
        records::{HeartbeatView, Records as _},
        sessions::{SessionKind, SessionRecord, Sessions as _},
    },
    domain::{clock::Timestamp, ids::DaemonId},
    http::{
        HttpState,
        caller::{self, Unknown},
        error::ApiError,
    },
};

/// How a daemon is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnStateAnswer {
    success: bool,
    data: OwnState,
}

/// How a daemon is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OwnState {
    orchestrator_id: String,
    vp_id: String,
    /// The id of the authentication session.
    daemon_id: String,
    /// `online` with a heartbeat in the last 90 s, else `offline`.
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<Timestamp>,
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<OwnSession>,
}

/// The session that counts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OwnSession {
    id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Timestamp,
}

/// See how the hub sees you
#[utoipa::path(
    get, path = "/api/daemon", tag = "daemon", security(("bearer" = [])),
    responses((status = 200, description = "How the daemon is", body = OwnStateAnswer), (status = 401))
)]
pub(super) async fn own_state(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Tolerated).await?;
    // Nobody is asked who is known to be away: then the daemon counts as offline (contract 1.2).
    let (beat, session) =
        if state.shared().state.is_backplane_up() { seen(&state, &token).await } else { (None, None) };
    let daemon_id = token.session.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(HttpResponse::Ok().json(OwnStateAnswer {
        success: true,
        data: OwnState {
            orchestrator_id: token.orchestrator.to_string(),
            vp_id: token.orchestrator.to_string(),
            daemon_id,
            status: if beat.is_some() { "online" } else { "offline" },
            last_heartbeat: beat.as_ref().map(|beat| beat.received_at),
            metrics: beat.map(|beat| beat.metrics),
            session: session.map(|session| OwnSession {
                id: session.id.to_string(),
                created_at: session.created_at,
                last_activity_at: session.last_heartbeat.unwrap_or(session.created_at),
            }),
        },
    }))
}

/// The last heartbeat of the daemon's orchestrator, and the session that counts.
async fn seen(state: &HttpState, token: &AccessToken) -> (Option<HeartbeatView>, Option<SessionRecord>) {
    let backplane = &state.shared().backplane;
    let beats = backplane.heartbeats_of(std::slice::from_ref(&token.orchestrator)).await.unwrap_or_default();
    let known = match &token.session {
        Some(id) => backplane.session(id).await.unwrap_or_default(),
        None => None,
    };
    // A session that the daemon opened by itself counts only when there is no authentication session
    // (contract C41).
    let session = match known.filter(|session| session.orchestrator == token.orchestrator) {
        Some(session) => Some(session),
        None => {
            let opened = backplane.sessions_of(&token.orchestrator).await.unwrap_or_default();
            let of_daemons = opened.into_iter().filter(|session| session.kind == SessionKind::Daemon);
            of_daemons.max_by_key(|session| session.last_activity_at)
        }
    };
    (beats.into_iter().next().flatten(), session)
}

/// The name by which records call whoever holds a token: its session, else its orchestrator.
pub(super) fn daemon_name(token: &AccessToken) -> Result<DaemonId, ApiError> {
    let name = token.session.as_ref().map_or(token.orchestrator.as_str(), |session| session.as_str());
    DaemonId::parse(name).map_err(|_| ApiError::unauthorized())
}

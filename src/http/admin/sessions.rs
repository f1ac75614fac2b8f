//! Sessions, as administrators see them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    fields::Done,
    orchestrators::visible,
    paging::List,
    record::{Changer, Deed, viewer},
};
use crate::{
    actors::revocation,
    backplane::sessions::{SessionEnd, SessionRecord, Sessions as _},
    domain::{
        clock::{Timestamp, now},
        ids::{OrganizationId, SessionId},
    },
    http::{
        HttpState,
        error::{ApiError, Code},
    },
};

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminSession)]
pub(super) struct Session {
    id: String,
    orchestrator_id: String,
    daemon_id: Option<String>,
    organization_id: Option<String>,
    workspace_id: Option<String>,
    /// `daemon`, `user` or `system`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `active`, `idle`, `expired`, `terminated` or `revoked`.
    status: &'static str,
    scopes: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_heartbeat: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_refresh: Option<Timestamp>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

impl From<SessionRecord> for Session {
    fn from(record: SessionRecord) -> Self {
        Self {
            id: record.id.to_string(),
            orchestrator_id: record.orchestrator.to_string(),
            daemon_id: record.daemon.map(|id| id.to_string()),
            organization_id: record.organization.map(|id| id.to_string()),
            workspace_id: record.workspace,
            kind: record.kind.as_str(),
            status: record.status.as_str(),
            scopes: record.scopes.names(),
            created_at: record.created_at,
            last_activity_at: record.last_activity_at,
            expires_at: record.expires_at,
            last_heartbeat: record.last_heartbeat,
            last_refresh: record.last_refresh,
            metadata: record.metadata,
        }
    }
}

/// List the sessions of an orchestrator
///
/// All of them, newest first: there are never many.
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/sessions", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Sessions", body = List<Session>),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let (orchestrator, _) = visible(&state, &path, scope).await?;
    let records = state.shared().backplane.sessions_of(&orchestrator).await?;
    Ok(HttpResponse::Ok().json(List::new(records.into_iter().map(Session::from).collect(), None)))
}

fn not_found() -> ApiError {
    ApiError::new(Code::SessionNotFound, "Session not found or expired")
}

/// The session that a path names, if its orchestrator may be seen.
///
/// # Errors
/// 404.
pub(super) async fn find(
    state: &HttpState,
    id: &str,
    scope: Option<OrganizationId>,
) -> Result<SessionRecord, ApiError> {
    let id = SessionId::parse(id).map_err(|_| not_found())?;
    let record = state.shared().backplane.session(&id).await?.ok_or_else(not_found)?;
    match visible(state, record.orchestrator.as_str(), scope).await {
        Ok(_) => Ok(record),
        Err(error) if error.code() == Code::NotFound => Err(not_found()),
        Err(error) => Err(error),
    }
}

/// Look at a session
#[utoipa::path(
    get, path = "/api/admin/sessions/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The session", body = Session),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    Ok(HttpResponse::Ok().json(Session::from(find(&state, &path, scope).await?)))
}

/// End a session
///
/// Its tokens are revoked and its sockets closed, on every hub.
#[utoipa::path(
    delete, path = "/api/admin/sessions/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Ended", body = Done), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn end(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let record = find(&state, &path, changer.organization().cloned()).await?;
    match revocation::end_session(state.shared(), &record.id, Some(&record.orchestrator), now().wall).await? {
        SessionEnd::Ended => {}
        SessionEnd::NotFound | SessionEnd::Foreign => return Err(not_found()),
    }
    let deed = Deed::new("session.end", "session", record.id.as_str());
    let deed = deed.with(json!({ "orchestratorId": record.orchestrator }));
    let deed = match record.organization {
        Some(organization) => deed.within(organization.as_str()),
        None => deed,
    };
    changer.note(&state, deed).await;
    Ok(Done::response())
}

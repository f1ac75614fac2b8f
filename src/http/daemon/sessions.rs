//! Sessions that clients open by themselves, and their authentication sessions (contract 1.6 to 1.9).

use actix_web::{HttpRequest, HttpResponse, web};
use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

use super::{registration::Done, session_room::make_room};
use crate::{
    actors::revocation,
    backplane::{
        revocations::Revocation,
        sessions::{
            MAX_SESSION_LIFETIME, SESSION_LIFETIME, SessionChange, SessionEnd, SessionKind, SessionRecord,
            SessionStatus, SessionUpdate, Sessions as _, TOKEN_LIFETIME,
        },
    },
    domain::{
        clock::{Timestamp, now},
        ids::SessionId,
    },
    http::{
        HttpState,
        caller::{self, Unknown},
        error::{ApiError, Code},
        input::Input,
    },
};

/// The most bytes of metadata that are kept with a session.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    id: String,
    orchestrator_id: String,
    vp_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// `active`, `idle`, `expired` or `terminated`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<String>,
}

impl From<SessionRecord> for Session {
    fn from(record: SessionRecord) -> Self {
        // Clients of the first document know four words (contract C14).
        let status = match record.status {
            SessionStatus::Revoked => SessionStatus::Terminated,
            status => status,
        };
        Self {
            id: record.id.to_string(),
            orchestrator_id: record.orchestrator.to_string(),
            vp_id: record.orchestrator.to_string(),
            kind: record.kind.as_str(),
            status: status.as_str(),
            created_at: record.created_at,
            last_activity_at: record.last_activity_at,
            expires_at: record.expires_at,
            metadata: record.metadata,
            last_heartbeat: record.last_heartbeat,
            last_status: record.last_status,
        }
    }
}

/// Sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<Session>,
    total: usize,
}

/// List the own sessions
#[utoipa::path(
    get, path = "/api/daemon/sessions", tag = "daemon", security(("bearer" = [])),
    responses((status = 200, description = "Sessions", body = SessionList), (status = 401))
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    let records = state.shared().backplane.sessions_of(&token.orchestrator).await?;
    let sessions: Vec<Session> = records.into_iter().map(Session::from).collect();
    Ok(HttpResponse::Ok().json(SessionList { total: sessions.len(), sessions }))
}

/// A session to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateSessionRequest {
    /// Whose; must be the token's. `vpId` is the same.
    #[schema(min_length = 1)]
    orchestrator_id: String,
    #[serde(rename = "type")]
    kind: KindRequest,
    metadata: Option<SessionMetadataRequest>,
    /// How long it lives, in seconds; at most 30 days, 7 days by default.
    #[schema(minimum = 1)]
    timeout_seconds: Option<u64>,
}

/// Who a session is for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionKindRequest)]
enum KindRequest {
    Daemon,
    User,
    System,
}

impl From<KindRequest> for SessionKind {
    fn from(kind: KindRequest) -> Self {
        match kind {
            KindRequest::Daemon => Self::Daemon,
            KindRequest::User => Self::User,
            KindRequest::System => Self::System,
        }
    }
}

/// What to keep with a session; any other member is kept too.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionMetadataRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_type: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = Object, ignore)]
    others: Map<String, Value>,
}

impl Input for CreateSessionRequest {
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] =
        &[("orchestratorId", "Orchestrator ID is required")];
}

/// A session, as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionAnswer {
    success: bool,
    session: Session,
    message: &'static str,
}

/// Open a session
#[utoipa::path(
    post, path = "/api/daemon/sessions", tag = "daemon", security(("bearer" = [])),
    request_body = CreateSessionRequest,
    responses(
        (status = 201, description = "Opened", body = SessionAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    let (body, naming) = state.inputs.read_named::<CreateSessionRequest>(payload).await?;
    if body.orchestrator_id != token.orchestrator.as_str() {
        return Err(ApiError::new(Code::Forbidden, "The token belongs to another orchestrator"));
    }
    state.account(&token.orchestrator).await?.ok_or_else(|| naming.not_found())?;
    let metadata = body.metadata.map(object).unwrap_or_default();
    check_size(&metadata)?;
    make_room(&state, &token.orchestrator, token.session.as_ref()).await?;
    let at = now().wall;
    let lifetime =
        body.timeout_seconds.map_or(SESSION_LIFETIME, Duration::from_secs).min(MAX_SESSION_LIFETIME);
    let kind = SessionKind::from(body.kind);
    let record = SessionRecord {
        id: new_id(kind, token.orchestrator.as_str(), at)?,
        orchestrator: token.orchestrator,
        daemon: None,
        organization: token.organization,
        workspace: None,
        kind,
        status: SessionStatus::Active,
        scopes: token.scopes,
        refresh_digest: None,
        created_at: at,
        last_activity_at: at,
        expires_at: at.plus(lifetime),
        last_heartbeat: None,
        last_refresh: None,
        last_status: None,
        metadata,
    };
    state.shared().backplane.create_session(&record).await?;
    Ok(HttpResponse::Created().json(SessionAnswer {
        success: true,
        session: record.into(),
        message: "Session created successfully",
    }))
}

/// Refuses metadata that would make every list of sessions slow.
fn check_size(metadata: &Map<String, Value>) -> Result<(), ApiError> {
    let bytes = serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len());
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    let problem = format!("Must be at most {MAX_METADATA_BYTES} bytes long");
    Err(ApiError::validation("Validation failed")
        .with_details(json!({ "errors": { "metadata": [problem] } })))
}

fn object(metadata: SessionMetadataRequest) -> Map<String, Value> {
    match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The documented form; the end comes from a generator that cannot be guessed, and is longer than its
/// ancestors'.
fn new_id(kind: SessionKind, orchestrator: &str, at: Timestamp) -> Result<SessionId, ApiError> {
    let end = Alphanumeric.sample_string(&mut rand::rng(), 20).to_lowercase();
    SessionId::parse(&format!("session_{}_{orchestrator}_{}_{end}", kind.as_str(), at.0))
        .or_else(|_| SessionId::parse(&format!("session_{}_{}_{end}", kind.as_str(), at.0)))
        .map_err(|_| ApiError::new(Code::Internal, "Internal error"))
}

/// What is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateSessionRequest {
    #[schema(min_length = 1)]
    session_id: String,
    status: Option<StatusRequest>,
    /// Members that replace those of the same name.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// Whether it lives for another 7 days.
    #[serde(rename = "extendTTL")]
    extend_ttl: Option<bool>,
    #[schema(format = DateTime)]
    last_activity_at: Option<String>,
}

/// How a session is, as its owner may say.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionStatusRequest)]
enum StatusRequest {
    Active,
    Idle,
    Expired,
    Terminated,
}

impl From<StatusRequest> for SessionStatus {
    fn from(status: StatusRequest) -> Self {
        match status {
            StatusRequest::Active => Self::Active,
            StatusRequest::Idle => Self::Idle,
            StatusRequest::Expired => Self::Expired,
            StatusRequest::Terminated => Self::Terminated,
        }
    }
}

impl Input for UpdateSessionRequest {
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] = &[("sessionId", "Session ID is required")];
}

/// Change a session
#[utoipa::path(
    patch, path = "/api/daemon/sessions", tag = "daemon", security(("bearer" = [])),
    request_body = UpdateSessionRequest,
    responses(
        (status = 200, description = "Changed", body = SessionAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn update(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    let body: UpdateSessionRequest = state.inputs.read(payload).await?;
    let id = SessionId::parse(&body.session_id).map_err(|_| not_found())?;
    if let Some(more) = &body.metadata {
        let known = state.shared().backplane.session(&id).await?;
        let known = known.filter(|session| session.orchestrator == token.orchestrator);
        let mut merged = known.map(|session| session.metadata).unwrap_or_default();
        merged.extend(more.clone());
        check_size(&merged)?;
    }
    let change = SessionChange {
        status: body.status.map(SessionStatus::from),
        metadata: body.metadata,
        extend: body.extend_ttl.unwrap_or(false),
        last_activity_at: body.last_activity_at.as_deref().and_then(Timestamp::parse_datetime),
        ..SessionChange::default()
    };
    let backplane = &state.shared().backplane;
    match backplane.update_session(&id, &token.orchestrator, &change, now().wall).await? {
        SessionUpdate::Updated(record) => {
            // Whoever says that a session is over means its tokens and sockets too; the record stays.
            if !matches!(record.status, SessionStatus::Active | SessionStatus::Idle) {
                let until = now().wall.plus(TOKEN_LIFETIME);
                revocation::revoke(state.shared(), &Revocation::Session { id, until }).await?;
            }
            Ok(HttpResponse::Ok().json(SessionAnswer {
                success: true,
                session: Session::from(*record),
                message: "Session updated successfully",
            }))
        }
        SessionUpdate::NotFound => Err(not_found()),
        SessionUpdate::Foreign => Err(foreign()),
    }
}

/// Which session to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct EndSession {
    #[serde(default)]
    #[param(required = true, min_length = 1)]
    session_id: String,
}

/// End a session
///
/// Revokes its tokens and closes its sockets.
#[utoipa::path(
    delete, path = "/api/daemon/sessions", tag = "daemon", security(("bearer" = [])), params(EndSession),
    responses(
        (status = 200, description = "Ended", body = Done),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn end(request: HttpRequest, state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    let query = web::Query::<EndSession>::from_query(request.query_string());
    let query = query.map_err(|_| ApiError::validation("The query cannot be understood"))?;
    if query.session_id.is_empty() {
        return Err(ApiError::validation("Session ID is required"));
    }
    let id = SessionId::parse(&query.session_id).map_err(|_| not_found())?;
    let at = now().wall;
    let shared = state.shared();
    match revocation::end_session(shared, &id, Some(&token.orchestrator), at).await? {
        SessionEnd::Ended => Ok(HttpResponse::Ok().json(Done::new("Session terminated successfully"))),
        SessionEnd::NotFound => Err(not_found()),
        SessionEnd::Foreign => Err(foreign()),
    }
}

fn not_found() -> ApiError {
    ApiError::new(Code::SessionNotFound, "Session not found or expired")
}

fn foreign() -> ApiError {
    ApiError::new(Code::Forbidden, "The session belongs to another orchestrator")
}

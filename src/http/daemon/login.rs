//! Tokens for keys, and new access tokens for refresh tokens (contract 1.4, 1.5, 4.7).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    credentials::{self, Holder, Named, Proof},
    session_room::make_room,
};
use crate::{
    actors::{revocation, status_recorder::Because},
    auth::token::{Grant, TokenError},
    backplane::{
        revocations::{Revocations as _, TokenIdentity},
        sessions::{
            SESSION_LIFETIME, SessionChange, SessionKind, SessionRecord, SessionStatus, SessionUpdate,
            Sessions as _,
        },
    },
    domain::{
        clock::{Timestamp, now},
        ids::SessionId,
        scope::ScopeSet,
    },
    http::{
        HttpState, body,
        caller::{self, presented_key},
        error::{ApiError, Code},
        input::{self, Input},
        limits::counted,
    },
    store::accounts::orchestrators::Profile,
};

/// How long an access token lives (contract C11).
const ACCESS_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a refresh token lives (contract C11).
const REFRESH_LIFETIME: Duration = Duration::from_secs(604_800);

/// A daemon that logs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthRequest {
    #[schema(min_length = 1, max_length = 512)]
    api_key: String,
    /// Checked if the key was issued with one.
    #[schema(min_length = 1, max_length = 512)]
    api_secret: String,
    /// What the tokens shall allow; the standard set when empty.
    #[schema(max_items = 64)]
    #[serde(default)]
    scopes: Vec<String>,
}

impl Input for AuthRequest {
    const SENTENCE: &'static str = "API key and secret required";
}

/// Tokens, and whom they speak for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthAnswer {
    access_token: String,
    refresh_token: String,
    /// When the access token expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The same in seconds from now.
    expires_in: u64,
    token_type: &'static str,
    session_id: String,
    scopes: Vec<&'static str>,
    daemon_id: String,
    orchestrator_id: String,
    vp_id: String,
    client_id: String,
    orchestrator: AuthOrchestrator,
    vp: AuthOrchestrator,
}

/// The orchestrator that a token speaks for.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct AuthOrchestrator {
    id: String,
    discipline: String,
    role: String,
    /// As it was before the login.
    status: String,
    user: AuthUser,
    organization: AuthOrganization,
}

/// The user that an orchestrator appears as.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
struct AuthUser {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    status: Option<String>,
}

/// An orchestrator's organization.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct AuthOrganization {
    id: String,
    name: String,
    slug: String,
}

/// Log in with an API key
#[utoipa::path(
    post, path = "/api/daemon/auth", tag = "daemon", request_body = AuthRequest,
    responses(
        (status = 200, description = "Tokens", body = AuthAnswer),
        (status = 400), (status = 401), (status = 403), (status = 413),
    )
)]
pub(super) async fn authenticate(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let body: AuthRequest = state.inputs.read(payload).await?;
    let holder = credentials::verify(
        &request,
        &state,
        &body.api_key,
        Proof::KeyAndSecret(&body.api_secret),
        Named::default(),
    )
    .await?;
    let key = body.api_key;
    open_session(&state, &holder, &key, &body.scopes).await
}

/// Log in with an API key in the header
///
/// For clients of the first generation; the body does not matter.
#[utoipa::path(
    post, path = "/api/daemon/auth/token", tag = "daemon", security(("apiKey" = [])),
    responses((status = 200, description = "Tokens", body = AuthAnswer), (status = 401), (status = 403))
)]
pub(super) async fn authenticate_by_header(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let invalid = || ApiError::new(Code::InvalidCredentials, "Invalid credentials");
    let key = presented_key(&request).filter(|key| !key.is_empty()).ok_or_else(invalid)?.to_owned();
    let holder = credentials::verify(&request, &state, &key, Proof::KeyAlone, Named::default()).await?;
    open_session(&state, &holder, &key, &[]).await
}

async fn open_session(
    state: &HttpState,
    holder: &Holder,
    key: &str,
    requested: &[String],
) -> Result<HttpResponse, ApiError> {
    let (name, scope) = (holder.orchestrator.to_string(), holder.organization.clone());
    let profile = state.database(move |database| database.profile(&name, Some(&scope))).await?;
    let profile = profile.ok_or_else(|| ApiError::new(Code::InvalidCredentials, "Invalid credentials"))?;
    let capabilities = profile.orchestrator.capabilities.as_array().into_iter().flatten();
    let capabilities = capabilities.filter_map(Value::as_str);
    let scopes = ScopeSet::grant(requested.iter().map(String::as_str), holder.allowed, capabilities);
    let at = issue_time(state, holder).await?;
    let session = session_id(holder)?;
    let grant = Grant {
        orchestrator: &holder.orchestrator,
        session: &session,
        daemon: session.as_str(),
        organization: Some(&holder.organization),
        workspace: profile.orchestrator.workspace_id.as_deref(),
        scopes,
        lifetime: ACCESS_LIFETIME,
    };
    let access_token = state.minter.access(&grant, at).map_err(unsigned)?;
    let long = Grant { lifetime: REFRESH_LIFETIME, ..grant.clone() };
    let refresh_token = state.minter.refresh(&long, at).map_err(unsigned)?;
    let record = SessionRecord {
        id: session.clone(),
        orchestrator: holder.orchestrator.clone(),
        daemon: None,
        organization: Some(holder.organization.clone()),
        workspace: profile.orchestrator.workspace_id.clone(),
        kind: SessionKind::Daemon,
        status: SessionStatus::Active,
        scopes,
        refresh_digest: Some(digest(&refresh_token)),
        created_at: at,
        last_activity_at: at,
        expires_at: at.plus(SESSION_LIFETIME),
        last_heartbeat: Some(at),
        last_refresh: None,
        last_status: None,
        metadata: Map::new(),
    };
    make_room(state, &holder.orchestrator, None).await?;
    let shared = state.shared();
    shared.backplane.create_session(&record).await?;
    // Whoever revoked the key meanwhile did not know of this session, and its tokens are too young for
    // what was revoked.
    if let Err(refusal) = credentials::confirm(state, key, holder).await {
        revocation::end_session(shared, &record.id, None, now().wall).await?;
        return Err(refusal);
    }
    state.note_status(&holder.orchestrator, Some(&holder.organization), "ONLINE", Because::Arrival);
    let orchestrator = AuthOrchestrator::of(profile);
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(AuthAnswer {
        access_token,
        refresh_token,
        expires_at: at.plus(ACCESS_LIFETIME),
        expires_in: ACCESS_LIFETIME.as_secs(),
        token_type: "Bearer",
        session_id: session.to_string(),
        scopes: scopes.names(),
        daemon_id: session.to_string(),
        orchestrator_id: holder.orchestrator.to_string(),
        vp_id: holder.orchestrator.to_string(),
        client_id: holder.orchestrator.to_string(),
        vp: orchestrator.clone(),
        orchestrator,
    }))
}

/// The time from which new tokens count. Tokens say in whole seconds when they were issued, so those of
/// the second in which everything before was revoked count as revoked; then the next second is awaited.
async fn issue_time(state: &HttpState, holder: &Holder) -> Result<Timestamp, ApiError> {
    let at = now().wall;
    let issued_at = Timestamp(at.0 - at.0.rem_euclid(1000));
    let token = TokenIdentity {
        jti: None,
        session: None,
        orchestrator: holder.orchestrator.clone(),
        issued_at: Some(issued_at),
    };
    if !state.shared().backplane.is_revoked(&token).await? {
        return Ok(at);
    }
    let next = issued_at.plus(Duration::from_secs(1));
    tokio::time::sleep(next.since(at)).await;
    Ok(now().wall)
}

/// Unpredictable, unlike its ancestors, and long names stay within the limit of ids.
fn session_id(holder: &Holder) -> Result<SessionId, ApiError> {
    let random = Uuid::new_v4().simple();
    SessionId::parse(&format!("daemon_session_{}_{random}", holder.orchestrator))
        .or_else(|_| SessionId::parse(&format!("daemon_session_{random}")))
        .map_err(|_| ApiError::new(Code::Internal, "Internal error"))
}

fn unsigned(error: TokenError) -> ApiError {
    log::error!(error:% = error; "a token cannot be issued");
    ApiError::new(Code::Internal, "Authentication failed")
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

impl AuthOrchestrator {
    fn of(profile: Profile) -> Self {
        let Profile { orchestrator, user, organization } = profile;
        let user = user.map(|user| AuthUser {
            id: Some(user.id),
            name: user.name,
            email: user.email,
            status: Some(user.status),
        });
        Self {
            id: orchestrator.id,
            discipline: orchestrator.discipline,
            role: orchestrator.role,
            status: orchestrator.status,
            user: user.unwrap_or_default(),
            organization: AuthOrganization {
                id: organization.id,
                name: organization.name,
                slug: organization.slug,
            },
        }
    }
}

/// A refresh token, which may stand in `Authorization` instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshRequest {
    #[schema(min_length = 1, max_length = 8192)]
    refresh_token: String,
}

impl Input for RefreshRequest {
    const SENTENCE: &'static str = "Refresh token required";
}

/// A new access token. The refresh token stays the same, and stays good.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshAnswer {
    access_token: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    expires_in: u64,
    token_type: &'static str,
    refresh_token: String,
    scopes: Vec<&'static str>,
}

/// Get a new access token
#[utoipa::path(
    post, path = "/api/daemon/auth/refresh", tag = "daemon", request_body = RefreshRequest,
    responses(
        (status = 200, description = "A new access token", body = RefreshAnswer),
        (status = 400), (status = 401), (status = 413),
    )
)]
pub(super) async fn refresh(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let bytes = body::read(payload).await?;
    let body = if bytes.is_empty() { json!({}) } else { input::parse(&bytes)? };
    let has_none = body.as_object().is_some_and(|body| !body.contains_key("refreshToken"));
    let presented = match caller::bearer(&request).filter(|_| has_none) {
        Some(token) => token.to_owned(),
        None => state.inputs.parse::<RefreshRequest>(body)?.0.refresh_token,
    };
    if let Some(address) = state.client(&request) {
        state.limits.login.count(&counted(address))?;
    }
    let at = now().wall;
    let shared = state.shared();
    let token = match shared.verifier.verify_refresh(&presented, at) {
        Ok(token) => token,
        Err(error) => {
            caller::slow_down(&request, &state).await;
            return Err(match error {
                TokenError::Expired => ApiError::new(Code::TokenExpired, "Token expired"),
                TokenError::Invalid(_) => ApiError::new(Code::InvalidToken, "Invalid token"),
            });
        }
    };
    let revoked = || ApiError::new(Code::TokenRevoked, "Token revoked");
    let id = token.session.clone().ok_or_else(|| ApiError::new(Code::InvalidToken, "Invalid token"))?;
    let session = shared.backplane.session(&id).await?.ok_or_else(revoked)?;
    let is_live = matches!(session.status, SessionStatus::Active | SessionStatus::Idle);
    let is_own = session.orchestrator == token.orchestrator;
    let is_known = session.refresh_digest.as_ref().is_none_or(|known| *known == digest(&presented));
    if !is_live || !is_own || !is_known || shared.backplane.is_revoked(&caller::identity(&token)).await? {
        return Err(revoked());
    }
    let account = state.fresh_account(&session.orchestrator).await?;
    if !account.is_some_and(|account| account.enabled) {
        return Err(revoked());
    }
    let grant = Grant {
        orchestrator: &session.orchestrator,
        session: &id,
        daemon: id.as_str(),
        organization: session.organization.as_ref().or(token.organization.as_ref()),
        workspace: session.workspace.as_deref().or(token.workspace.as_deref()),
        scopes: session.scopes,
        lifetime: ACCESS_LIFETIME,
    };
    let access_token = state.minter.access(&grant, at).map_err(unsigned)?;
    let change = SessionChange { last_refresh: Some(at), ..SessionChange::default() };
    match shared.backplane.update_session(&id, &session.orchestrator, &change, at).await? {
        SessionUpdate::Updated(_) => {}
        SessionUpdate::NotFound | SessionUpdate::Foreign => return Err(revoked()),
    }
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(RefreshAnswer {
        access_token,
        expires_at: at.plus(ACCESS_LIFETIME),
        expires_in: ACCESS_LIFETIME.as_secs(),
        token_type: "Bearer",
        refresh_token: presented,
        scopes: session.scopes.names(),
    }))
}

//! A daemon's sign of life over HTTP (contract 1.10), and which of two forms a request has (1.24).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{fleet, own_state::daemon_name, registration};
use crate::{
    actors::{messages::DrainLegacy, status_recorder::Because},
    backplane::{
        queue::LegacySource,
        records::{HeartbeatRecord, Records as _},
    },
    domain::{
        clock::{Timestamp, now},
        ids::SessionId,
        reported,
    },
    http::{
        HttpState, body,
        caller::{self, Unknown},
        error::{ApiError, Shape},
        input::{self, Input},
    },
};

/// A heartbeat.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HeartbeatRequest {
    /// The session to note it in; must be the caller's own.
    session_id: Option<String>,
    /// What the daemon is doing: `active` unless said otherwise.
    status: Option<ActivityRequest>,
    /// Numbers and texts under any name, at most 64 of them and 4 KiB. Those with several spellings are
    /// kept under the documented one too.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Map<String, Value>>,
    /// Must be the token's when it is there; `vpId` is the same.
    orchestrator_id: Option<String>,
}

/// What a daemon is doing.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ActivityRequest)]
enum ActivityRequest {
    #[default]
    Active,
    Idle,
    Busy,
}

impl ActivityRequest {
    /// The word in heartbeat records, and the one in accounts (contract C20).
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Active => ("active", "ONLINE"),
            Self::Idle => ("idle", "AWAY"),
            Self::Busy => ("busy", "BUSY"),
        }
    }
}

impl Input for HeartbeatRequest {
    const SENTENCE: &'static str = "Invalid heartbeat data";
}

/// When to send the next one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeartbeatAnswer {
    success: bool,
    #[schema(value_type = String, format = DateTime)]
    server_time: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    next_heartbeat: Timestamp,
    heartbeat_interval_ms: u128,
    data: HeartbeatData,
}

/// The same for clients of the first revision.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeartbeatData {
    orchestrator_id: String,
    vp_id: String,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    received: bool,
    #[schema(value_type = String, format = DateTime)]
    next_expected_at: Timestamp,
}

/// Send a heartbeat
///
/// With `X-API-Key` and a body with `daemonId`, this is a fleet daemon's heartbeat.
#[utoipa::path(
    post, path = "/api/daemon/heartbeat", tag = "daemon", security(("bearer" = []), ("apiKey" = [])),
    request_body = HeartbeatBody,
    responses(
        (status = 200, description = "Noted; fleet daemons get `success` only", body = HeartbeatReply),
        (status = 400), (status = 401), (status = 404, description = "No such fleet daemon"), (status = 413),
    )
)]
pub(super) async fn heartbeat(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let bytes = body::read(payload).await?;
    // What is no JSON counts as an empty heartbeat: original clients rely on it.
    let value = input::parse(&bytes).unwrap_or_else(|_| json!({}));
    if fleet::is_meant(&request, &value) {
        return fleet::heartbeat(&request, &state, value).await;
    }
    let token = caller::daemon(&request, &state, Unknown::Tolerated).await?;
    let body: HeartbeatRequest =
        if value.is_object() { state.inputs.parse(value)?.0 } else { HeartbeatRequest::default() };
    if body.orchestrator_id.is_some_and(|named| named != token.orchestrator.as_str()) {
        return Err(ApiError::validation("The token belongs to another orchestrator"));
    }
    let metrics = body.metrics.filter(|metrics| !metrics.is_empty());
    if metrics.as_ref().is_some_and(|metrics| !reported::is_acceptable(metrics)) {
        return Err(ApiError::validation("Invalid heartbeat data")
            .with_details(json!({ "errors": { "metrics": ["At most 64 numbers and texts, and 4 KiB"] } })));
    }
    let account = match state.account(&token.orchestrator).await {
        Ok(account) => Some(account.ok_or_else(ApiError::unauthorized)?),
        // Nobody can say whose orchestrator this is; the heartbeat counts all the same.
        Err(_) => None,
    };
    let organization = token.organization.clone().or(account.map(|account| account.organization));
    let at = now().wall;
    let (activity, status) = body.status.unwrap_or_default().words();
    // Only the own session may be written; another one is no error, for it may just have ended.
    let named = body.session_id.as_deref().and_then(|id| SessionId::parse(id).ok());
    let own = match &token.session {
        Some(session) => session.clone(),
        // Some tokens of the platform name none; then the orchestrator stands for it.
        None => SessionId::parse(token.orchestrator.as_str()).map_err(|_| ApiError::unauthorized())?,
    };
    let daemon = daemon_name(&token)?;
    let noted = named.unwrap_or(own);
    let beat = HeartbeatRecord {
        orchestrator: token.orchestrator.clone(),
        daemon,
        session: noted,
        via: None,
        organization: organization.clone(),
        status: activity,
        metrics: metrics.map(reported::canonical),
        at,
    };
    let beats = std::slice::from_ref(&beat);
    state.note("a heartbeat", state.shared().backplane.heartbeats(beats)).await;
    // Routers may have queued something while nobody seemed to be there (contract C44).
    let queued = LegacySource::Routing(token.orchestrator.clone());
    state.services.offline_queue.do_send(DrainLegacy(vec![queued]));
    state.note_status(&token.orchestrator, organization.as_ref(), status, Because::Heartbeat);
    Ok(answer(&state, &token.orchestrator, at))
}

fn answer(
    state: &HttpState,
    orchestrator: &crate::domain::ids::OrchestratorId,
    at: Timestamp,
) -> HttpResponse {
    let interval = state.config.websocket.heartbeat_interval;
    let next = at.plus(interval);
    HttpResponse::Ok().json(HeartbeatAnswer {
        success: true,
        server_time: at,
        next_heartbeat: next,
        heartbeat_interval_ms: interval.as_millis(),
        data: HeartbeatData {
            orchestrator_id: orchestrator.to_string(),
            vp_id: orchestrator.to_string(),
            timestamp: at,
            received: true,
            next_expected_at: next,
        },
    })
}

/// Register a daemon, on the older path
///
/// With `X-API-Key` and a body with `daemonId`, this registers a fleet daemon.
#[utoipa::path(
    post, path = "/api/daemon/register", tag = "daemon", security((), ("apiKey" = [])),
    request_body = RegisterBody,
    responses(
        (status = 201, description = "Registered", body = RegisterReply),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413),
    )
)]
pub(super) async fn register(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let bytes = body::read(payload).await?;
    let value = input::parse(&bytes)
        .map_err(|error| error.with_code(<registration::RegisterRequest as Input>::CODE))?;
    if fleet::is_meant(&request, &value) {
        // Fleet clients read another shape of error than the others on this path.
        return Ok(fleet::register(&request, &state, value)
            .await
            .unwrap_or_else(|error| error.respond(Shape::Flat)));
    }
    registration::register_here(&request, &state, value).await
}

/// Either form of a heartbeat.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum HeartbeatBody {
    Daemon(HeartbeatRequest),
    Fleet(fleet::FleetHeartbeatRequest),
}

/// The answer to either form.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum HeartbeatReply {
    Daemon(HeartbeatAnswer),
    Fleet(fleet::FleetNoted),
}

/// Either form of a registration.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum RegisterBody {
    Daemon(registration::RegisterRequest),
    Fleet(fleet::FleetRegisterRequest),
}

/// The answer to either form.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum RegisterReply {
    Daemon(registration::RegisterDaemonAnswer),
    Fleet(fleet::FleetRegistered),
}

//! `POST /api/orchestrators/{id}/messages`: routes a message as the platform's own router does
//! (contract S4).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    HttpState,
    admin::orchestrators::visible,
    body,
    caller::{self, Admin},
    error::{ApiError, Code},
    idempotency::{self, Answer, OPERATOR, json},
    input::{self, Input},
};
use crate::{
    actors::routing::{RouteStatus, RoutingError},
    domain::{
        canary::parse_unreserved,
        clock::{Timestamp, now},
        ids::{ChannelId, OrchestratorId, SessionId},
        queued_message::QueuedMessage,
    },
};

/// A message to route.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteMessageRequest {
    /// The message's id; the same as `messageId`, one of which is needed.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\s{}]+$")]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\s{}]+$")]
    message_id: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    channel_id: String,
    #[schema(min_length = 1, max_length = 128)]
    author_id: String,
    #[schema(max_length = 262_144)]
    content: String,
    /// When it was written; now, when left out.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// Whether nothing is to be kept for an orchestrator that is away.
    require_online: Option<bool>,
}

impl Input for RouteMessageRequest {}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteAnswer {
    /// Whether it is delivered, or safe.
    success: bool,
    /// `delivered`, `pending`, `offline` or `failed`.
    status: &'static str,
    /// The session that has it.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    /// How often delivery was tried.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// Route a message to an orchestrator
///
/// Delivered to a session of an orchestrator that is online, tried again for a few seconds; queued for
/// one that is not. A tenant routes to orchestrators of its own organization.
#[utoipa::path(
    post, path = "/api/orchestrators/{id}/messages", tag = "events", security(("apiKey" = []), ("bearer" = [])),
    params(
        ("id" = String, Path, description = "The orchestrator, or its user"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters: the same key and body are answered the same for 24 h, and take effect once"),
    ),
    request_body = RouteMessageRequest,
    responses(
        (status = 200, description = "What became of it", body = RouteAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409, description = "The same request is under way"),
        (status = 413), (status = 422),
    )
)]
pub(super) async fn route(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let admin = caller::service(&request, &state).await?;
    let named = parse_unreserved(&path).map_err(|problem| ApiError::field("id", problem.to_string()))?;
    let orchestrator = own(&state, &admin, named).await?;
    let bytes = body::read(payload).await?;
    let (asked, _) = state.inputs.parse::<RouteMessageRequest>(input::parse(&bytes)?)?;
    let online_only = asked.require_online.unwrap_or(false);
    let message = message(asked)?;
    if !state.shared().state.is_backplane_up() {
        return Err(ApiError::unavailable("The backplane is unavailable; nothing was accepted"));
    }
    let router = state.services.messages.clone();
    let work = async move {
        // A task of its own: a client that hangs up must not stop a message between two attempts.
        let routing =
            actix_web::rt::spawn(async move { router.route(message, &orchestrator, online_only).await });
        let routed = routing.await.map_err(|_| failed("Internal error"))?;
        let route = routed.map_err(refusal)?;
        let is_final = route.status != RouteStatus::Failed;
        let answer = RouteAnswer {
            success: is_final,
            status: route.status.as_str(),
            session_id: route.session,
            attempts: route.attempts,
            error: route.error,
        };
        Ok(Answer { body: json(&answer)?, is_final })
    };
    let who = match &admin {
        Admin::Operator => OPERATOR.to_owned(),
        Admin::Tenant { organization, token } => format!("tenant {organization} {}", token.orchestrator),
    };
    idempotency::once(&request, &state, &who, &bytes, work).await
}

/// Whom the message is for. A tenant routes to its own orchestrators only, whatever they are called by.
async fn own(state: &HttpState, admin: &Admin, named: OrchestratorId) -> Result<OrchestratorId, ApiError> {
    let Some(organization) = admin.organization() else { return Ok(named) };
    let shared = state.shared();
    let meant = shared.resolver.orchestrator(&named, &shared.connections).await;
    let (own, _) = visible(state, meant.as_str(), Some(organization.clone())).await?;
    Ok(own)
}

fn message(body: RouteMessageRequest) -> Result<QueuedMessage, ApiError> {
    let message_id = match (body.id, body.message_id) {
        (Some(id), Some(other)) if id != other => {
            return Err(ApiError::field("messageId", "contradicts id"));
        }
        (id, other) => id.or(other).ok_or_else(|| ApiError::field("id", "Required"))?,
    };
    ChannelId::parse(&body.channel_id)
        .map_err(|problem| ApiError::field("channelId", problem.to_string()))?;
    // Written in the one form that every reader of events understands.
    let created_at = match body.created_at.as_deref().map(Timestamp::parse_datetime) {
        None => now().wall,
        Some(Some(time)) => time,
        Some(None) => return Err(ApiError::field("createdAt", "Invalid datetime")),
    };
    Ok(QueuedMessage {
        message_id,
        channel_id: Some(body.channel_id),
        author_id: Some(body.author_id),
        content: Some(body.content),
        created_at: Some(serde_json::json!(created_at)),
        queued_at: None,
    })
}

fn failed(message: &'static str) -> ApiError {
    ApiError::new(Code::OrchestratorRouting, message)
}

fn refusal(error: RoutingError) -> ApiError {
    match error {
        RoutingError::Offline => ApiError::new(Code::OrchestratorOffline, "The orchestrator is not online"),
        RoutingError::NoActiveSession => {
            ApiError::new(Code::NoActiveSession, "No active daemon session found")
        }
        RoutingError::Refused(_) => failed("The message cannot be routed"),
        RoutingError::Away(error) => error.into(),
        RoutingError::Unstored(_) => {
            ApiError::unavailable("The message could not be stored in time; route it again")
        }
    }
}

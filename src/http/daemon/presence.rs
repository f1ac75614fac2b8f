//! What a daemon says of itself: its presence, and whether it works (contract 1.13, 1.14).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::own_state::daemon_name;
use crate::{
    actors::status_recorder::Because,
    backplane::status::{ExplicitPresence, ExplicitStatus, OperationalStatus, PresenceStatus, Statuses as _},
    domain::{clock::now, notice::Notice, scope::Scope},
    http::{
        HttpState,
        caller::{self, Unknown},
        error::ApiError,
        input::Input,
    },
};

/// A presence.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceRequest {
    status: PresenceWord,
    #[schema(max_length = 1000)]
    status_text: Option<String>,
}

/// Whether a daemon is there.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PresenceWordRequest)]
enum PresenceWord {
    Online,
    Away,
    Busy,
    Offline,
}

impl From<PresenceWord> for PresenceStatus {
    fn from(word: PresenceWord) -> Self {
        match word {
            PresenceWord::Online => Self::Online,
            PresenceWord::Away => Self::Away,
            PresenceWord::Busy => Self::Busy,
            PresenceWord::Offline => Self::Offline,
        }
    }
}

impl Input for PresenceRequest {
    const SENTENCE: &'static str = "Invalid status. Must be one of: online, away, busy, offline";
}

/// It worked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Success {
    success: bool,
}

impl Success {
    /// As a response.
    pub(super) fn response() -> HttpResponse {
        HttpResponse::Ok().json(Self { success: true })
    }
}

/// Set the presence
#[utoipa::path(
    put, path = "/api/daemon/presence", tag = "daemon", security(("bearer" = [])),
    request_body = PresenceRequest,
    responses(
        (status = 200, description = "Noted", body = Success), (status = 400), (status = 401), (status = 403),
        (status = 413),
    )
)]
pub(super) async fn set_presence(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Tolerated).await?;
    caller::require_when_strict(&state, token.scopes, Scope::PresenceWrite)?;
    let body: PresenceRequest = state.inputs.read(payload).await?;
    let organization = state.organization_of(&token).await;
    let at = now().wall;
    let presence = ExplicitPresence {
        orchestrator: token.orchestrator.clone(),
        organization: organization.clone(),
        daemon: daemon_name(&token)?,
        status: body.status.into(),
        status_text: body.status_text,
        at,
    };
    state.note("a presence", state.shared().backplane.set_presence(&presence)).await;
    state.note_status(
        &token.orchestrator,
        organization.as_ref(),
        presence.status.as_upper(),
        Because::Stated,
    );
    let notice = Notice {
        kind: "presence.updated",
        orchestrator: &token.orchestrator,
        organization: organization.as_ref(),
        channel: None,
        payload: json!({ "status": presence.status, "statusText": presence.status_text }),
        at,
    };
    state.tell(notice.event());
    Ok(Success::response())
}

/// Whether a daemon works.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StatusRequest {
    status: StatusWord,
    #[schema(max_length = 1000)]
    message: Option<String>,
}

/// Whether a daemon works.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StatusWordRequest)]
enum StatusWord {
    Active,
    Paused,
    Error,
}

impl StatusWord {
    /// The status, and what it makes of the orchestrator (contract C20).
    fn meaning(self) -> (OperationalStatus, &'static str) {
        match self {
            Self::Active => (OperationalStatus::Active, "ONLINE"),
            Self::Paused => (OperationalStatus::Paused, "AWAY"),
            Self::Error => (OperationalStatus::Error, "OFFLINE"),
        }
    }
}

impl Input for StatusRequest {
    const SENTENCE: &'static str = "Invalid status. Must be one of: active, paused, error";
}

/// Say whether you work
#[utoipa::path(
    put, path = "/api/daemon/status", tag = "daemon", security(("bearer" = [])),
    request_body = StatusRequest,
    responses(
        (status = 200, description = "Noted", body = Success), (status = 400), (status = 401), (status = 403),
        (status = 413),
    )
)]
pub(super) async fn set_status(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Tolerated).await?;
    caller::require_when_strict(&state, token.scopes, Scope::VpStatus)?;
    let body: StatusRequest = state.inputs.read(payload).await?;
    let organization = state.organization_of(&token).await;
    let at = now().wall;
    let (status, becomes) = body.status.meaning();
    let stated = ExplicitStatus {
        orchestrator: token.orchestrator.clone(),
        organization: organization.clone(),
        daemon: daemon_name(&token)?,
        status,
        message: body.message.clone(),
        at,
    };
    state.note("a status", state.shared().backplane.set_status(&stated)).await;
    let (name, message) = (token.orchestrator.to_string(), body.message);
    let written = state
        .database(move |database| {
            database.set_operational_status(&name, status.as_str(), message.as_deref(), at)
        })
        .await;
    if let Err(error) = written {
        log::warn!(error:% = error; "a status was not written to the database");
    }
    state.note_status(&token.orchestrator, organization.as_ref(), becomes, Because::Stated);
    Ok(Success::response())
}

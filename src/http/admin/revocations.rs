//! Revoking tokens: one, those of a session, or all that an orchestrator was issued until some moment.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    fields::read,
    orchestrators::visible,
    record::{Changer, Deed},
    sessions,
};
use crate::{
    actors::revocation,
    backplane::{
        revocations::Revocation,
        sessions::{ORCHESTRATOR_REVOCATION, SessionEnd, TOKEN_LIFETIME},
    },
    domain::{
        clock::{Timestamp, now},
        ids::{OrchestratorId, SessionId},
    },
    http::{HttpState, error::ApiError, input::Input},
};

/// Revokes all that an orchestrator was issued before a moment, and closes what lives on it.
///
/// # Errors
/// 503 when the backplane is away.
pub(super) async fn revoke_all(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    before: Timestamp,
) -> Result<(), ApiError> {
    let until = now().wall.plus(ORCHESTRATOR_REVOCATION);
    let all = Revocation::IssuedBefore { orchestrator: orchestrator.clone(), at: before, until };
    Ok(revocation::revoke(state.shared(), &all).await?)
}

/// What to revoke: one of `tokenId`, `sessionId` and `orchestratorId`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevocationRequest {
    /// The `jti` of a token. For the operator: nobody can tell whose it is.
    #[schema(min_length = 1, max_length = 256)]
    token_id: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    session_id: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    orchestrator_id: Option<String>,
    /// Beside `orchestratorId`: what was issued before this moment. Now, when left out.
    #[schema(format = DateTime)]
    issued_before: Option<String>,
}

impl Input for RevocationRequest {}

/// It holds, and every hub was told.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revoked {
    success: bool,
    #[schema(value_type = String, format = DateTime)]
    revoked_at: Timestamp,
}

/// Revoke tokens
///
/// From now on they are refused everywhere; sockets that live on them are closed with 4006 within a
/// second, on every hub. A tenant revokes what belongs to its own orchestrators.
#[utoipa::path(
    post, path = "/api/admin/revocations", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = RevocationRequest,
    responses(
        (status = 200, description = "Revoked", body = Revoked),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn revoke(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<RevocationRequest>(&state, payload).await?;
    let before = body.issued_before.as_deref().and_then(Timestamp::parse_datetime);
    if before.is_some() && body.orchestrator_id.is_none() {
        return Err(ApiError::field("issuedBefore", "goes with orchestratorId only"));
    }
    let deed = match (body.token_id, body.session_id, body.orchestrator_id) {
        (Some(token), None, None) => of_token(&state, &changer, token).await?,
        (None, Some(session), None) => of_session(&state, &changer, &session).await?,
        (None, None, Some(orchestrator)) => of_orchestrator(&state, &changer, &orchestrator, before).await?,
        _ => {
            return Err(ApiError::validation("Name one of tokenId, sessionId and orchestratorId"));
        }
    };
    changer.note(&state, deed).await;
    Ok(HttpResponse::Ok().json(Revoked { success: true, revoked_at: now().wall }))
}

async fn of_token(state: &HttpState, changer: &Changer, jti: String) -> Result<Deed, ApiError> {
    changer.admin.operator_only()?;
    let deed = Deed::new("token.revoke", "token", &jti);
    let until = now().wall.plus(TOKEN_LIFETIME);
    revocation::revoke(state.shared(), &Revocation::Token { jti, until }).await?;
    Ok(deed)
}

async fn of_session(state: &HttpState, changer: &Changer, id: &str) -> Result<Deed, ApiError> {
    let scope = changer.organization().cloned();
    let at = now().wall;
    let deed = match sessions::find(state, id, scope.clone()).await {
        Ok(record) => {
            let end = revocation::end_session(state.shared(), &record.id, None, at).await?;
            let deed = Deed::new("session.revoke", "session", record.id.as_str());
            let deed = deed.with(json!({ "orchestratorId": record.orchestrator }));
            let deed = match &record.organization {
                Some(organization) => deed.within(organization.as_str()),
                None => deed,
            };
            if end == SessionEnd::Ended {
                return Ok(deed);
            }
            deed
        }
        // Tokens may name a session that no hub knows, or none knows any more; they are still revoked,
        // by whoever may revoke anything.
        Err(_) if scope.is_none() => Deed::new("session.revoke", "session", id),
        Err(error) => return Err(error),
    };
    let id = SessionId::parse(id).map_err(|problem| ApiError::field("sessionId", problem.to_string()))?;
    let until = at.plus(TOKEN_LIFETIME);
    revocation::revoke(state.shared(), &Revocation::Session { id, until }).await?;
    Ok(deed)
}

async fn of_orchestrator(
    state: &HttpState,
    changer: &Changer,
    id: &str,
    before: Option<Timestamp>,
) -> Result<Deed, ApiError> {
    let at = now().wall;
    let before = before.unwrap_or(at);
    if before > at {
        // It would lock out whoever logs in until then.
        return Err(ApiError::field("issuedBefore", "must not be in the future"));
    }
    let (orchestrator, account) = visible(state, id, changer.organization().cloned()).await?;
    revoke_all(state, &orchestrator, before).await?;
    let deed = Deed::new("orchestrator.revoke", "orchestrator", orchestrator.as_str());
    let deed = deed.with(json!({ "issuedBefore": before }));
    Ok(match account {
        Some(account) => deed.within(account.organization_id),
        None => deed,
    })
}

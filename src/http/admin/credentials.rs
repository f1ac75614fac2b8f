//! API keys of orchestrators. A key and its secret are shown once, when they are made.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{Done, read},
    orchestrators::visible,
    paging::{List, Paging, flag},
    record::{Changer, Deed, viewer},
    revocations::revoke_all,
};
use crate::{
    domain::{
        clock::{Timestamp, now},
        ids::{OrchestratorId, OrganizationId},
        scope::{Scope, ScopeSet},
    },
    http::{
        HttpState,
        error::{ApiError, Code},
        input::Input,
    },
    store::{
        self,
        accounts::{
            credential_changes::{IssuedCredential, NewCredential},
            credentials::Credential,
        },
        database::Database,
    },
};

/// A credential with what is known of it only now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedAnswer {
    #[serde(flatten)]
    credential: Credential,
    /// The key. It is shown this once.
    api_key: String,
    /// The secret that goes with it. It is shown this once.
    api_secret: String,
    /// Where that was asked for: whether the tokens that were issued before are revoked. If not, ask for
    /// it at `POST /api/admin/revocations`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_revoked: Option<bool>,
}

fn shown(
    mut response: actix_web::HttpResponseBuilder,
    issued: IssuedCredential,
    tokens_revoked: Option<bool>,
) -> HttpResponse {
    let IssuedCredential { credential, key, secret } = issued;
    let (api_key, api_secret) = (key.expose().to_owned(), secret.expose().to_owned());
    // No proxy and no browser keeps it either.
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.json(IssuedAnswer { credential, api_key, api_secret, tokens_revoked })
}

/// What was done to a credential, with the organization that it is in.
///
/// It is done by then, so what cannot be looked up stays out of the record.
fn deed(database: &Database, action: &'static str, credential: &Credential) -> Deed {
    let deed = Deed::new(action, "credential", &credential.id);
    let deed = deed.with(json!({ "orchestratorId": credential.orchestrator_id, "name": credential.name }));
    match database.orchestrator(&credential.orchestrator_id, None) {
        Ok(Some(owner)) => deed.within(owner.organization_id),
        _ => deed,
    }
}

/// Whether its tokens may administrate.
fn administrates(credential: &Credential) -> bool {
    let names = credential.scopes.iter().flatten().map(String::as_str);
    let scopes = ScopeSet::from_names(names);
    scopes.allows(Scope::AdminRead) || scopes.allows(Scope::AdminWrite)
}

fn operators_only() -> ApiError {
    ApiError::new(Code::Forbidden, "Only the operator may give the right to administrate")
}

/// List the credentials of an orchestrator
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/credentials", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), Paging),
    responses(
        (status = 200, description = "Credentials, without keys", body = List<Credential>),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let (_, account) = visible(&state, &path, scope.clone()).await?;
    account.ok_or_else(ApiError::not_found)?;
    let page =
        state.database(move |database| database.credentials(Some(&path), scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// A credential to issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateCredentialRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What its tokens may at most do; everything but administrating when left out. Only the operator
    /// gives `admin:read` and `admin:write`.
    #[schema(min_items = 1, max_items = 32)]
    scopes: Option<Vec<String>>,
    /// From when on it is refused; never when left out.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

impl Input for CreateCredentialRequest {}

/// Issue a credential
///
/// The answer shows the key and its secret, this once.
#[utoipa::path(
    post, path = "/api/admin/orchestrators/{id}/credentials", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = CreateCredentialRequest,
    responses(
        (status = 201, description = "Issued", body = IssuedAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<CreateCredentialRequest>(&state, payload).await?;
    for name in body.scopes.iter().flatten() {
        if name != "*" && Scope::parse(name).is_none() {
            return Err(ApiError::field("scopes", "names a scope that does not exist"));
        }
    }
    let expires_at = body.expires_at.as_deref().and_then(Timestamp::parse_datetime);
    if expires_at.is_some_and(|end| end <= now().wall) {
        return Err(ApiError::field("expiresAt", "must be in the future"));
    }
    let new = NewCredential {
        orchestrator_id: path.into_inner(),
        name: body.name,
        scopes: body.scopes,
        expires_at,
        created_by: Some(changer.id()),
    };
    let scopes = ScopeSet::from_names(new.scopes.iter().flatten().map(String::as_str));
    let administrates = scopes.allows(Scope::AdminRead) || scopes.allows(Scope::AdminWrite);
    let tenant = changer.organization().is_some();
    let issued = changer.change(&state, move |database, scope, at| {
        if database.orchestrator(&new.orchestrator_id, scope)?.is_none() {
            return Ok((None, None));
        }
        if administrates && tenant {
            return Ok((Some(Err(operators_only())), None));
        }
        let issued = database.issue_credential(new, scope, at)?;
        let deed = deed(database, "credential.create", &issued.credential);
        Ok((Some(Ok(issued)), Some(deed)))
    });
    let issued = issued.await?.ok_or_else(ApiError::not_found)??;
    Ok(shown(HttpResponse::Created(), issued, None))
}

/// Look at a credential
///
/// Never with its key.
#[utoipa::path(
    get, path = "/api/admin/credentials/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The credential", body = Credential),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.credential(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What becomes of tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct TokenQuery {
    /// Whether everything that the orchestrator was issued until now is revoked too, and its sockets
    /// are closed: a token does not say which key it was issued for.
    #[param(value_type = Option<bool>)]
    revoke_tokens: Option<String>,
}

impl TokenQuery {
    fn revokes(&self, otherwise: bool) -> Result<bool, ApiError> {
        Ok(flag("revokeTokens", self.revoke_tokens.as_deref())?.unwrap_or(otherwise))
    }
}

/// Revokes the tokens of a credential's orchestrator.
async fn revoke_tokens(state: &HttpState, credential: &Credential) -> Result<(), ApiError> {
    match OrchestratorId::parse(&credential.orchestrator_id) {
        Ok(orchestrator) => revoke_all(state, &orchestrator, now().wall).await,
        Err(_) => Ok(()),
    }
}

/// Refuses to let a tenant renew what only the operator may give.
fn check(
    database: &Database,
    id: &str,
    scope: Option<&OrganizationId>,
) -> store::Result<Option<Result<(), ApiError>>> {
    let Some(before) = database.credential(id, scope)? else { return Ok(None) };
    Ok(Some(if scope.is_some() && administrates(&before) { Err(operators_only()) } else { Ok(()) }))
}

/// Rotate a credential
///
/// It gets a new key and a new secret, shown this once; the old ones stop working at once. Tokens that
/// were issued stay valid unless `revokeTokens` is `true`.
#[utoipa::path(
    post, path = "/api/admin/credentials/{id}/rotate", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), TokenQuery),
    responses(
        (status = 200, description = "Rotated", body = IssuedAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn rotate(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let revokes = query.revokes(false)?;
    let rotated = changer.change(&state, move |database, scope, at| {
        if let Some(Err(refusal)) = check(database, &path, scope)? {
            return Ok((Some(Err(refusal)), None));
        }
        let Some(issued) = database.rotate_credential(&path, scope, at)? else { return Ok((None, None)) };
        let deed = deed(database, "credential.rotate", &issued.credential);
        Ok((Some(Ok(issued)), Some(deed)))
    });
    let issued = rotated.await?.ok_or_else(ApiError::not_found)??;
    // The new key is known from here on and nowhere else: it is shown whatever happens to old tokens.
    let revoked = if revokes {
        let revoked = revoke_tokens(&state, &issued.credential).await;
        if let Err(error) = &revoked {
            log::error!(credential = issued.credential.id.as_str(), error:% = error;
                "a credential was rotated, but the tokens issued for it are not revoked");
        }
        Some(revoked.is_ok())
    } else {
        None
    };
    Ok(shown(HttpResponse::Ok(), issued, revoked))
}

async fn set_disabled(
    request: &HttpRequest,
    state: &HttpState,
    id: String,
    disabled: bool,
) -> Result<Credential, ApiError> {
    let changer = Changer::admit(request, state).await?;
    let action = if disabled { "credential.disable" } else { "credential.enable" };
    let changed = changer.change(state, move |database, scope, at| {
        if !disabled && let Some(Err(refusal)) = check(database, &id, scope)? {
            return Ok((Some(Err(refusal)), None));
        }
        let Some(changed) = database.set_credential_disabled(&id, disabled, scope, at)? else {
            return Ok((None, None));
        };
        let deed = deed(database, action, &changed);
        Ok((Some(Ok(changed)), Some(deed)))
    });
    changed.await?.ok_or_else(ApiError::not_found)?
}

/// Disable a credential
///
/// Nobody can log in with it. Tokens that were issued stay valid unless `revokeTokens` is `true`.
#[utoipa::path(
    post, path = "/api/admin/credentials/{id}/disable", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), TokenQuery),
    responses(
        (status = 200, description = "Disabled", body = Credential),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn disable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, ApiError> {
    let revokes = query.revokes(false)?;
    let disabled = set_disabled(&request, &state, path.into_inner(), true).await?;
    if revokes {
        revoke_tokens(&state, &disabled).await?;
    }
    Ok(HttpResponse::Ok().json(disabled))
}

/// Enable a credential again
///
/// One that was revoked stays revoked.
#[utoipa::path(
    post, path = "/api/admin/credentials/{id}/enable", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Enabled", body = Credential),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn enable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(set_disabled(&request, &state, path.into_inner(), false).await?))
}

/// Revoke a credential for ever
///
/// It stays on record. Everything that its orchestrator was issued until now is revoked too, and its
/// sockets are closed, unless `revokeTokens` is `false`.
#[utoipa::path(
    delete, path = "/api/admin/credentials/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path), TokenQuery),
    responses(
        (status = 200, description = "Revoked", body = Done),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn revoke(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let revokes = query.revokes(true)?;
    let revoked = changer.change(&state, move |database, scope, at| {
        let Some(revoked) = database.revoke_credential(&path, scope, at)? else { return Ok((None, None)) };
        let deed = deed(database, "credential.revoke", &revoked);
        Ok((Some(revoked), Some(deed)))
    });
    let revoked = revoked.await?.ok_or_else(ApiError::not_found)?;
    if revokes {
        revoke_tokens(&state, &revoked).await?;
    }
    Ok(Done::response())
}

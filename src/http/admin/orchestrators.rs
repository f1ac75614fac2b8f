//! Orchestrators. Whoever is disabled or deleted is sent away from every hub.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{self, Done, chosen, clearable, read},
    paging::{List, Paging, flag, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    backplane::{inspection::Inspection as _, sessions::Sessions as _},
    domain::{
        canary::parse_unreserved,
        ids::{OrchestratorId, OrganizationId},
    },
    http::{HttpState, daemon::departure, error::ApiError, input::Input},
    store::{
        StoreError,
        accounts::{
            orchestrator_changes::{Face, NewOrchestrator, OrchestratorChanges},
            orchestrators::{Orchestrator, OrchestratorFilter},
            page::{Cursor, MAX_PAGE, PageRequest},
            users::NewUser,
        },
    },
};

/// An orchestrator that a path names, and that the caller may see in the accounts.
///
/// # Errors
/// 404.
pub(in crate::http) async fn visible(
    state: &HttpState,
    id: &str,
    scope: Option<OrganizationId>,
) -> Result<(OrchestratorId, Option<Orchestrator>), ApiError> {
    let id = parse_unreserved(id).map_err(|_| ApiError::not_found())?;
    let name = id.to_string();
    let found = state.database(move |database| Ok((database.orchestrator(&name, scope.as_ref())?, scope)));
    match found.await? {
        (None, Some(_)) => Err(ApiError::not_found()),
        // Orchestrators need no account, see contract C2; then only the operator can ask about them.
        (found, _) => Ok((id, found)),
    }
}

/// For how long somebody is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Until it is enabled again: what waits for it goes on waiting.
    ForNow,
    /// For ever. Whoever has this id next must not get what was meant for another.
    ForGood,
}

/// Revokes everything of an orchestrator, on every hub.
///
/// # Errors
/// 503 when the backplane is away; doing it again does no harm.
async fn expel(state: &HttpState, orchestrator: &Orchestrator, gone: Gone) -> Result<(), ApiError> {
    let Ok(id) = OrchestratorId::parse(&orchestrator.id) else { return Ok(()) };
    let organization = OrganizationId::parse(&orchestrator.organization_id).ok();
    state.accounts.forget(&id);
    departure::depart(state, &id, organization.as_ref(), None).await?;
    if gone == Gone::ForGood {
        // What was accepted a moment ago is on its way into the queue, and would be there afterwards.
        state.shared().queue.durable().await.map_err(|error| {
            log::warn!(error:% = error; "a queue cannot be emptied");
            ApiError::unavailable("The queue cannot be written; try again")
        })?;
        state.shared().backplane.purge(&id).await?;
    }
    Ok(())
}

/// The same for all of an organization.
///
/// # Errors
/// 503 when the backplane or the database is away; doing it again does no harm.
pub(super) async fn expel_all(state: &HttpState, organization: &str, gone: Gone) -> Result<(), ApiError> {
    let filter =
        OrchestratorFilter { organization: Some(organization.to_owned()), ..OrchestratorFilter::default() };
    let mut after: Option<Cursor> = None;
    loop {
        let (filter, page) = (filter.clone(), PageRequest::new(MAX_PAGE, after));
        let page = state.database(move |database| database.orchestrators(&filter, None, &page)).await?;
        for orchestrator in &page.items {
            expel(state, orchestrator, gone).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Refuses an id under which something waits or lives that has no account: it may be another tenant's.
async fn refuse_occupied(state: &HttpState, id: &str) -> Result<(), ApiError> {
    let Ok(id) = OrchestratorId::parse(id) else { return Ok(()) };
    let backplane = &state.shared().backplane;
    let is_free = backplane.ledger(&id).await?.queued == 0
        && backplane.connections(Some(&id), None, 1).await?.is_empty()
        && backplane.sessions_of(&id).await?.is_empty();
    if is_free { Ok(()) } else { Err(StoreError::Conflict("id".to_owned()).into()) }
}

/// Which orchestrators.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct OrchestratorQuery {
    /// Those of this organization.
    organization_id: Option<String>,
    /// Those in this workspace.
    workspace_id: Option<String>,
    /// `ONLINE`, `OFFLINE`, `BUSY` or `AWAY`.
    status: Option<String>,
    /// Those of this discipline.
    discipline: Option<String>,
    /// Those whose id, role, discipline or user's name contains this.
    text: Option<String>,
    /// Those that are disabled, or those that are not.
    #[param(value_type = Option<bool>)]
    disabled: Option<String>,
}

/// List orchestrators
#[utoipa::path(
    get, path = "/api/admin/orchestrators", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(OrchestratorQuery, Paging),
    responses(
        (status = 200, description = "Orchestrators", body = List<Orchestrator>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<OrchestratorQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = OrchestratorFilter {
        organization: given(query.organization_id),
        workspace: given(query.workspace_id),
        status: given(query.status),
        discipline: given(query.discipline),
        text: given(query.text),
        disabled: flag("disabled", query.disabled.as_deref())?,
    };
    let page = state.database(move |database| database.orchestrators(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// What an orchestrator can do: names, or an object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum Capabilities {
    Names(Vec<String>),
    Members(BTreeMap<String, Value>),
}

/// As the store takes it.
///
/// # Errors
/// 400 when there is too much of it.
fn capabilities(given: Option<Capabilities>) -> Result<Option<Value>, ApiError> {
    match given {
        None => Ok(None),
        Some(Capabilities::Names(names)) if names.len() > 256 => {
            Err(ApiError::field("capabilities", "Array must contain at most 256 element(s)"))
        }
        Some(Capabilities::Names(names)) if names.iter().any(|name| name.len() > 128) => {
            Err(ApiError::field("capabilities", "names must be at most 128 bytes long"))
        }
        Some(Capabilities::Names(names)) => Ok(Some(names.into())),
        Some(Capabilities::Members(members)) => fields::settings(Some(members.into_iter().collect())),
    }
}

/// An orchestrator to create. It appears as the user `userId`, or as a new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateOrchestratorRequest {
    /// Drawn when left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._@-]+$")]
    id: Option<String>,
    /// Its organization; the caller's own when left out.
    #[schema(min_length = 1, max_length = 128)]
    organization_id: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    workspace_id: Option<String>,
    /// The user that it appears as, if that exists.
    #[schema(min_length = 1, max_length = 128)]
    user_id: Option<String>,
    /// The name of the new user.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The address of the new user.
    #[schema(min_length = 3, max_length = 320)]
    email: Option<String>,
    #[schema(max_length = 200)]
    discipline: Option<String>,
    #[schema(max_length = 200)]
    role: Option<String>,
    capabilities: Option<Capabilities>,
    #[schema(max_length = 2048)]
    daemon_endpoint: Option<String>,
}

impl Input for CreateOrchestratorRequest {}

/// Create an orchestrator
#[utoipa::path(
    post, path = "/api/admin/orchestrators", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = CreateOrchestratorRequest,
    responses(
        (status = 201, description = "Created", body = Orchestrator),
        (status = 400), (status = 401), (status = 403), (status = 409), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<CreateOrchestratorRequest>(&state, payload).await?;
    chosen(body.id.as_deref(), parse_unreserved)?;
    if let (Some(id), Some(_)) = (&body.id, changer.organization()) {
        refuse_occupied(&state, id).await?;
    }
    let face = match (body.user_id, body.name, body.email) {
        (Some(user), None, None) => Face::Existing(user),
        (Some(_), ..) => return Err(ApiError::field("userId", "goes without name and email")),
        (None, None, _) => return Err(ApiError::field("name", "Required, or userId")),
        (None, name, email) => Face::New(NewUser { name, email, ..NewUser::default() }),
    };
    let new = NewOrchestrator {
        organization_id: fields::home(body.organization_id, &changer.admin)?.to_string(),
        id: body.id,
        workspace_id: body.workspace_id,
        face,
        discipline: body.discipline.unwrap_or_default(),
        role: body.role.unwrap_or_default(),
        capabilities: capabilities(body.capabilities)?,
        daemon_endpoint: body.daemon_endpoint,
    };
    let created = changer.change(&state, move |database, scope, at| {
        let created = database.create_orchestrator(new, scope, at)?;
        let deed = Deed::new("orchestrator.create", "orchestrator", &created.id);
        let deed = deed.within(&created.organization_id);
        Ok((created, Some(deed)))
    });
    let created = created.await?;
    if let Ok(id) = OrchestratorId::parse(&created.id) {
        state.accounts.forget(&id);
    }
    Ok(HttpResponse::Created().json(created))
}

/// Look at an orchestrator
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The orchestrator", body = Orchestrator),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.orchestrator(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What to change of an orchestrator; `null` empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrchestratorPatch {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    #[serde(default, deserialize_with = "clearable")]
    workspace_id: Option<Option<String>>,
    #[schema(nullable = false, max_length = 200)]
    discipline: Option<String>,
    #[schema(nullable = false, max_length = 200)]
    role: Option<String>,
    /// All of them.
    #[schema(nullable = false)]
    capabilities: Option<Capabilities>,
    #[schema(value_type = Option<String>, max_length = 2048)]
    #[serde(default, deserialize_with = "clearable")]
    daemon_endpoint: Option<Option<String>>,
}

impl Input for OrchestratorPatch {}

/// Change an orchestrator
#[utoipa::path(
    patch, path = "/api/admin/orchestrators/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = OrchestratorPatch,
    responses(
        (status = 200, description = "Changed", body = Orchestrator),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413),
    )
)]
pub(super) async fn update(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, fields) = read::<OrchestratorPatch>(&state, payload).await?;
    let changes = OrchestratorChanges {
        workspace_id: body.workspace_id,
        discipline: body.discipline,
        role: body.role,
        capabilities: capabilities(body.capabilities)?,
        daemon_endpoint: body.daemon_endpoint,
        status: None,
    };
    let changed = changer.change(&state, move |database, scope, at| {
        let changed = database.update_orchestrator(&path, changes, scope, at)?;
        let deed = changed.as_ref().map(|changed| {
            let deed = Deed::new("orchestrator.update", "orchestrator", &changed.id);
            deed.within(&changed.organization_id).with(fields)
        });
        Ok((changed, deed))
    });
    let changed = changed.await?.ok_or_else(ApiError::not_found)?;
    if let Ok(id) = OrchestratorId::parse(&changed.id) {
        state.accounts.forget(&id);
    }
    Ok(HttpResponse::Ok().json(changed))
}

async fn set_disabled(
    changer: &Changer,
    state: &HttpState,
    id: &str,
    disabled: bool,
) -> Result<Orchestrator, ApiError> {
    let action = if disabled { "orchestrator.disable" } else { "orchestrator.enable" };
    let id = id.to_owned();
    let changed = changer.change(state, move |database, scope, at| {
        let changed = database.set_orchestrator_disabled(&id, disabled, scope, at)?;
        let deed = changed
            .as_ref()
            .map(|changed| Deed::new(action, "orchestrator", &changed.id).within(&changed.organization_id));
        Ok((changed, deed))
    });
    let changed = changed.await?.ok_or_else(ApiError::not_found)?;
    if let Ok(id) = OrchestratorId::parse(&changed.id) {
        state.accounts.forget(&id);
    }
    Ok(changed)
}

/// Disable an orchestrator
///
/// It cannot log in any more; everything that it was issued is revoked, its sockets are closed, and
/// its registration is gone. What waits for it goes on waiting.
#[utoipa::path(
    post, path = "/api/admin/orchestrators/{id}/disable", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Disabled", body = Orchestrator),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn disable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let disabled = set_disabled(&changer, &state, &path, true).await?;
    expel(&state, &disabled, Gone::ForNow).await?;
    Ok(HttpResponse::Ok().json(disabled))
}

/// Enable an orchestrator again
#[utoipa::path(
    post, path = "/api/admin/orchestrators/{id}/enable", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Enabled", body = Orchestrator),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn enable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    Ok(HttpResponse::Ok().json(set_disabled(&changer, &state, &path, false).await?))
}

/// Delete an orchestrator
///
/// It is disabled first; then its credentials, its daemons and its queue go with it. Its user stays
/// as the author of what it wrote.
#[utoipa::path(
    delete, path = "/api/admin/orchestrators/{id}", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Deleted", body = Done), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn delete(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    // Nobody may come in between, and whoever is there must be known to be sent away.
    let before = set_disabled(&changer, &state, &path, true).await?;
    expel(&state, &before, Gone::ForGood).await?;
    let (id, organization) = (before.id.clone(), before.organization_id.clone());
    let deleted = changer.change(&state, move |database, scope, at| {
        let deleted = database.delete_orchestrator(&id, scope, at)?;
        let deed = Deed::new("orchestrator.delete", "orchestrator", id).within(organization);
        Ok((deleted, deleted.then_some(deed)))
    });
    let deleted = deleted.await?;
    if let Ok(id) = OrchestratorId::parse(&before.id) {
        state.accounts.forget(&id);
    }
    if deleted { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

//! Organizations: the tenants. Only the operator makes and ends them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{self, Done, chosen, clearable, read},
    orchestrators::{Gone, expel_all},
    paging::{List, Paging, flag, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    domain::{ids::OrganizationId, ingress::IngressPolicy},
    http::{HttpState, error::ApiError, input::Input},
    store::accounts::organizations::{
        NewOrganization, Organization, OrganizationChanges, OrganizationFilter,
    },
};

/// Which organizations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrganizationQuery {
    /// Those whose name or slug contains this.
    text: Option<String>,
    /// Those that are disabled, or those that are not.
    #[param(value_type = Option<bool>)]
    disabled: Option<String>,
}

/// List organizations
#[utoipa::path(
    get, path = "/api/admin/organizations", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(OrganizationQuery, Paging),
    responses(
        (status = 200, description = "Organizations", body = List<Organization>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<OrganizationQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = OrganizationFilter {
        text: given(query.text),
        disabled: flag("disabled", query.disabled.as_deref())?,
    };
    let page = state.database(move |database| database.organizations(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// An organization to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateOrganizationRequest {
    /// Drawn when left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._@-]+$")]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Made of the name when left out.
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Anything, up to 16 KiB.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

impl Input for CreateOrganizationRequest {}

/// Create an organization
///
/// For the operator.
#[utoipa::path(
    post, path = "/api/admin/organizations", tag = "admin", security(("apiKey" = [])),
    request_body = CreateOrganizationRequest,
    responses(
        (status = 201, description = "Created", body = Organization),
        (status = 400), (status = 401), (status = 403), (status = 409), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::operator(&request, &state).await?;
    let (body, _) = read::<CreateOrganizationRequest>(&state, payload).await?;
    chosen(body.id.as_deref(), OrganizationId::parse)?;
    let new = NewOrganization {
        slug: fields::slug(body.slug, &body.name)?,
        id: body.id,
        name: body.name,
        avatar_url: body.avatar_url,
        description: body.description,
        settings: fields::settings(body.settings)?,
    };
    let created = changer.change(&state, move |database, _, at| {
        let created = database.create_organization(new, at)?;
        let deed = Deed::new("organization.create", "organization", &created.id).within(&created.id);
        Ok((created, Some(deed)))
    });
    Ok(HttpResponse::Created().json(created.await?))
}

/// Look at an organization
#[utoipa::path(
    get, path = "/api/admin/organizations/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The organization", body = Organization),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.organization(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What becomes of events that are not rightly signed: nobody looks, they are counted, or refused.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum IngressPolicyWord {
    Off,
    Observe,
    Require,
}

impl From<IngressPolicyWord> for IngressPolicy {
    fn from(word: IngressPolicyWord) -> Self {
        match word {
            IngressPolicyWord::Off => Self::Off,
            IngressPolicyWord::Observe => Self::Observe,
            IngressPolicyWord::Require => Self::Require,
        }
    }
}

/// What to change of an organization; `null` empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrganizationPatch {
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(value_type = Option<String>, max_length = 2048)]
    #[serde(default, deserialize_with = "clearable")]
    avatar_url: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    #[serde(default, deserialize_with = "clearable")]
    description: Option<Option<String>>,
    /// All of them.
    #[schema(nullable = false, value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    /// Whether events for it must be signed.
    #[schema(nullable = false)]
    ingress_policy: Option<IngressPolicyWord>,
}

impl Input for OrganizationPatch {}

/// Change an organization
#[utoipa::path(
    patch, path = "/api/admin/organizations/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = OrganizationPatch,
    responses(
        (status = 200, description = "Changed", body = Organization),
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
    let (body, fields) = read::<OrganizationPatch>(&state, payload).await?;
    let changes = OrganizationChanges {
        name: body.name,
        slug: body.slug,
        avatar_url: body.avatar_url,
        description: body.description,
        settings: fields::settings(body.settings)?,
        ingress_policy: body.ingress_policy.map(IngressPolicy::from),
    };
    let changed = changer.change(&state, move |database, scope, at| {
        let changed = database.update_organization(&path, changes, scope, at)?;
        let deed = changed.as_ref().map(|changed| {
            Deed::new("organization.update", "organization", &changed.id).within(&changed.id).with(fields)
        });
        Ok((changed, deed))
    });
    let changed = changed.await?.ok_or_else(ApiError::not_found)?;
    state.read_rules().await;
    Ok(HttpResponse::Ok().json(changed))
}

async fn set_disabled(
    changer: &Changer,
    state: &HttpState,
    id: &str,
    disabled: bool,
) -> Result<Organization, ApiError> {
    let action = if disabled { "organization.disable" } else { "organization.enable" };
    let id = id.to_owned();
    let changed = changer.change(state, move |database, scope, at| {
        let changed = database.set_organization_disabled(&id, disabled, scope, at)?;
        let deed = changed
            .as_ref()
            .map(|changed| Deed::new(action, "organization", &changed.id).within(&changed.id));
        Ok((changed, deed))
    });
    let changed = changed.await?.ok_or_else(ApiError::not_found)?;
    state.accounts.forget_all();
    Ok(changed)
}

/// Disable an organization
///
/// For the operator. None of its orchestrators can log in any more; the tokens that they have are
/// revoked and their sockets closed.
#[utoipa::path(
    post, path = "/api/admin/organizations/{id}/disable", tag = "admin", security(("apiKey" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Disabled", body = Organization),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn disable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::operator(&request, &state).await?;
    let disabled = set_disabled(&changer, &state, &path, true).await?;
    expel_all(&state, &disabled.id, Gone::ForNow).await?;
    Ok(HttpResponse::Ok().json(disabled))
}

/// Enable an organization again
///
/// For the operator.
#[utoipa::path(
    post, path = "/api/admin/organizations/{id}/enable", tag = "admin", security(("apiKey" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Enabled", body = Organization),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn enable(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::operator(&request, &state).await?;
    Ok(HttpResponse::Ok().json(set_disabled(&changer, &state, &path, false).await?))
}

/// Delete an organization
///
/// For the operator. All that belongs to it goes with it: workspaces, channels, messages,
/// orchestrators and their queues. Users belong to nobody and stay.
#[utoipa::path(
    delete, path = "/api/admin/organizations/{id}", tag = "admin", security(("apiKey" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Deleted", body = Done), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn delete(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::operator(&request, &state).await?;
    // Nobody may come in between, and whoever is there must be known to be sent away.
    set_disabled(&changer, &state, &path, true).await?;
    expel_all(&state, &path, Gone::ForGood).await?;
    let deleted = changer.change(&state, move |database, scope, _| {
        let deleted = database.delete_organization(&path, scope)?;
        let deed = Deed::new("organization.delete", "organization", path.as_str()).within(path.as_str());
        Ok((deleted, deleted.then_some(deed)))
    });
    let deleted = deleted.await?;
    state.accounts.forget_all();
    if deleted { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

//! Workspaces: parts of an organization, each with channels of its own.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{self, Done, chosen, clearable, read, word},
    paging::{List, Paging, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    domain::ids::OrganizationId,
    http::{HttpState, error::ApiError, input::Input},
    store::accounts::workspaces::{NewWorkspace, Workspace, WorkspaceChanges, WorkspaceFilter},
};

/// Which workspaces.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct WorkspaceQuery {
    /// Those of this organization.
    organization_id: Option<String>,
    /// Those whose name or slug contains this.
    text: Option<String>,
}

/// List workspaces
#[utoipa::path(
    get, path = "/api/admin/workspaces", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(WorkspaceQuery, Paging),
    responses(
        (status = 200, description = "Workspaces", body = List<Workspace>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<WorkspaceQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = WorkspaceFilter { organization: given(query.organization_id), text: given(query.text) };
    let page = state.database(move |database| database.workspaces(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// Who sees a workspace.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum WorkspaceVisibility {
    Public,
    Private,
    Internal,
}

/// A workspace to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateWorkspaceRequest {
    /// Drawn when left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._@-]+$")]
    id: Option<String>,
    /// Its organization; the caller's own when left out.
    #[schema(min_length = 1, max_length = 128)]
    organization_id: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Made of the name when left out.
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    /// `PRIVATE` when left out.
    visibility: Option<WorkspaceVisibility>,
    /// Anything, up to 16 KiB.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

impl Input for CreateWorkspaceRequest {}

/// Create a workspace
#[utoipa::path(
    post, path = "/api/admin/workspaces", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = CreateWorkspaceRequest,
    responses(
        (status = 201, description = "Created", body = Workspace),
        (status = 400), (status = 401), (status = 403), (status = 409), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<CreateWorkspaceRequest>(&state, payload).await?;
    chosen(body.id.as_deref(), OrganizationId::parse)?;
    let new = NewWorkspace {
        organization_id: fields::home(body.organization_id, &changer.admin)?.to_string(),
        slug: fields::slug(body.slug, &body.name)?,
        id: body.id,
        name: body.name,
        description: body.description,
        avatar_url: body.avatar_url,
        visibility: body.visibility.map(word),
        settings: fields::settings(body.settings)?,
    };
    let created = changer.change(&state, move |database, scope, at| {
        let created = database.create_workspace(new, scope, at)?;
        let deed = Deed::new("workspace.create", "workspace", &created.id).within(&created.organization_id);
        Ok((created, Some(deed)))
    });
    Ok(HttpResponse::Created().json(created.await?))
}

/// Look at a workspace
#[utoipa::path(
    get, path = "/api/admin/workspaces/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The workspace", body = Workspace),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.workspace(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What to change of a workspace; `null` empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspacePatch {
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    #[serde(default, deserialize_with = "clearable")]
    description: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 2048)]
    #[serde(default, deserialize_with = "clearable")]
    avatar_url: Option<Option<String>>,
    #[schema(nullable = false)]
    visibility: Option<WorkspaceVisibility>,
    /// All of them.
    #[schema(nullable = false, value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

impl Input for WorkspacePatch {}

/// Change a workspace
#[utoipa::path(
    patch, path = "/api/admin/workspaces/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = WorkspacePatch,
    responses(
        (status = 200, description = "Changed", body = Workspace),
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
    let (body, fields) = read::<WorkspacePatch>(&state, payload).await?;
    let changes = WorkspaceChanges {
        name: body.name,
        slug: body.slug,
        description: body.description,
        avatar_url: body.avatar_url,
        visibility: body.visibility.map(word),
        settings: fields::settings(body.settings)?,
    };
    let changed = changer.change(&state, move |database, scope, at| {
        let changed = database.update_workspace(&path, changes, scope, at)?;
        let deed = changed.as_ref().map(|changed| {
            let deed = Deed::new("workspace.update", "workspace", &changed.id);
            deed.within(&changed.organization_id).with(fields)
        });
        Ok((changed, deed))
    });
    Ok(HttpResponse::Ok().json(changed.await?.ok_or_else(ApiError::not_found)?))
}

/// Delete a workspace
///
/// Its channels and their messages go with it; orchestrators in it are then in none.
#[utoipa::path(
    delete, path = "/api/admin/workspaces/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
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
    let changer = Changer::admit(&request, &state).await?;
    let deleted = changer.change(&state, move |database, scope, _| {
        let Some(before) = database.workspace(&path, scope)? else { return Ok((false, None)) };
        let deleted = database.delete_workspace(&path, scope)?;
        let deed = Deed::new("workspace.delete", "workspace", path.as_str()).within(before.organization_id);
        Ok((deleted, deleted.then_some(deed)))
    });
    if deleted.await? { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

//! Users: people, and the faces that orchestrators show in channels.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{Done, chosen, clearable, read, word},
    paging::{List, Paging, flag, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    domain::ids::OrganizationId,
    http::{HttpState, error::ApiError, input::Input},
    store::{
        self, StoreError,
        accounts::users::{NewUser, User, UserChanges, UserFilter},
        database::Database,
        directory::ResolvedOrchestrator,
    },
};

/// The orchestrator that appears as a user, if one does.
pub(super) fn face_of(database: &Database, user: &str) -> store::Result<Option<ResolvedOrchestrator>> {
    let Some(found) = database.resolve(user)? else { return Ok(None) };
    let orchestrator = database.orchestrator(found.orchestrator.as_str(), None)?;
    let own = orchestrator.is_some_and(|orchestrator| orchestrator.user_id.as_deref() == Some(user));
    Ok(own.then_some(found))
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct UserQuery {
    /// Those of this organization, its orchestrators' included.
    organization_id: Option<String>,
    /// Those whose address or names contain this.
    text: Option<String>,
    /// Those of orchestrators, or those of people.
    #[param(value_type = Option<bool>)]
    is_vp: Option<String>,
}

/// List users
#[utoipa::path(
    get, path = "/api/admin/users", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(UserQuery, Paging),
    responses(
        (status = 200, description = "Users", body = List<User>), (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<UserQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = UserFilter {
        text: given(query.text),
        organization: given(query.organization_id),
        is_vp: flag("isVp", query.is_vp.as_deref())?,
    };
    let page = state.database(move |database| database.users(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// How the account of a user is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum UserStatus {
    Active,
    Inactive,
    Pending,
    Suspended,
}

/// A user to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateUserRequest {
    /// Drawn when left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._@-]+$")]
    id: Option<String>,
    /// The organization that it is a member of; the caller's own for those who have one.
    #[schema(min_length = 1, max_length = 128)]
    organization_id: Option<String>,
    #[schema(min_length = 3, max_length = 320)]
    email: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    display_name: Option<String>,
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    #[schema(max_length = 2000)]
    bio: Option<String>,
    /// `ACTIVE` when left out.
    status: Option<UserStatus>,
}

impl Input for CreateUserRequest {}

/// Create a user
#[utoipa::path(
    post, path = "/api/admin/users", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "Created", body = User),
        (status = 400), (status = 401), (status = 403), (status = 409), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<CreateUserRequest>(&state, payload).await?;
    chosen(body.id.as_deref(), OrganizationId::parse)?;
    let nobody = || ApiError::from(StoreError::Missing("organization"));
    let named = body.organization_id.as_deref().map(OrganizationId::parse).transpose();
    let named = named.map_err(|_| nobody())?;
    let home = match (named, changer.organization()) {
        (Some(named), Some(own)) if named != *own => return Err(nobody()),
        (named, own) => named.or_else(|| own.cloned()),
    };
    let new = NewUser {
        id: body.id,
        email: body.email,
        name: body.name,
        display_name: body.display_name,
        avatar_url: body.avatar_url,
        bio: body.bio,
        status: body.status.map(word),
        is_vp: false,
    };
    let created = changer.change(&state, move |database, _, at| {
        let created = database.create_user(new, home.as_ref(), at)?;
        let deed = Deed::new("user.create", "user", &created.id);
        let deed = match home {
            Some(home) => deed.within(home.as_str()),
            None => deed,
        };
        Ok((created, Some(deed)))
    });
    Ok(HttpResponse::Created().json(created.await?))
}

/// Look at a user
#[utoipa::path(
    get, path = "/api/admin/users/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The user", body = User), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.user(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What to change of a user; `null` empties. `SUSPENDED` disables, `ACTIVE` enables.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserPatch {
    #[schema(value_type = Option<String>, min_length = 3, max_length = 320)]
    #[serde(default, deserialize_with = "clearable")]
    email: Option<Option<String>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    #[serde(default, deserialize_with = "clearable")]
    name: Option<Option<String>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    #[serde(default, deserialize_with = "clearable")]
    display_name: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 2048)]
    #[serde(default, deserialize_with = "clearable")]
    avatar_url: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    #[serde(default, deserialize_with = "clearable")]
    bio: Option<Option<String>>,
    #[schema(nullable = false)]
    status: Option<UserStatus>,
}

impl Input for UserPatch {}

/// Change a user
///
/// A tenant cannot change a user that another tenant has as well.
#[utoipa::path(
    patch, path = "/api/admin/users/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = UserPatch,
    responses(
        (status = 200, description = "Changed", body = User),
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
    let (body, mut fields) = read::<UserPatch>(&state, payload).await?;
    if let (Some(status), Some(members)) = (body.status, fields.as_object_mut()) {
        members.insert("status".to_owned(), word(status).into());
    }
    let changes = UserChanges {
        email: body.email,
        name: body.name,
        display_name: body.display_name,
        avatar_url: body.avatar_url,
        bio: body.bio,
        status: body.status.map(word),
    };
    let changed = changer.change(&state, move |database, scope, at| {
        let changed = database.update_user(&path, changes, scope, at)?;
        let deed = changed.as_ref().map(|user| Deed::new("user.update", "user", &user.id).with(fields));
        Ok((changed, deed))
    });
    Ok(HttpResponse::Ok().json(changed.await?.ok_or_else(ApiError::not_found)?))
}

/// Delete a user
///
/// Its messages and memberships go with it. A user that an orchestrator appears as goes after that
/// orchestrator; one that another tenant has as well is not a tenant's to delete.
#[utoipa::path(
    delete, path = "/api/admin/users/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Deleted", body = Done),
        (status = 401), (status = 403), (status = 404), (status = 409),
    )
)]
pub(super) async fn delete(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let deleted = changer.change(&state, move |database, scope, _| {
        if database.user(&path, scope)?.is_none() {
            return Ok((false, None));
        }
        // Its orchestrator would go with it, and leave its tokens and sockets behind.
        if face_of(database, &path)?.is_some() {
            return Err(StoreError::Conflict("orchestrator".to_owned()));
        }
        let deleted = database.delete_user(&path, scope)?;
        Ok((deleted, deleted.then(|| Deed::new("user.delete", "user", path.as_str()))))
    });
    if deleted.await? { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

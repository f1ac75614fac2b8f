//! Channels.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::{self, Done, chosen, clearable, read, word},
    paging::{List, Paging, flag, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    domain::ids::{ChannelId, OrganizationId},
    http::{HttpState, error::ApiError, input::Input},
    store::{
        self, StoreError,
        accounts::{
            channel_changes::{ChannelChanges, NewChannel},
            channels::{Channel, ChannelFilter},
        },
        database::Database,
    },
};

/// The organization that a channel is in.
pub(super) fn organization_of(database: &Database, channel: &str) -> store::Result<Option<String>> {
    Ok(database.channel_for_join(channel)?.map(|found| found.organization_id))
}

/// What was done to a channel, with the organization that it is in.
fn deed(database: &Database, action: &'static str, channel: &str) -> store::Result<Deed> {
    let deed = Deed::new(action, "channel", channel);
    Ok(match organization_of(database, channel)? {
        Some(organization) => deed.within(organization),
        None => deed,
    })
}

/// Which channels.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ChannelQuery {
    /// Those of this organization.
    organization_id: Option<String>,
    /// Those of this workspace.
    workspace_id: Option<String>,
    /// `PUBLIC`, `PRIVATE`, `DM` or `HUDDLE`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Those that are archived, or those that are not.
    #[param(value_type = Option<bool>)]
    archived: Option<String>,
    /// Those whose name or slug contains this.
    text: Option<String>,
}

/// List channels
#[utoipa::path(
    get, path = "/api/admin/channels", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(ChannelQuery, Paging),
    responses(
        (status = 200, description = "Channels", body = List<Channel>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<ChannelQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = ChannelFilter {
        organization: given(query.organization_id),
        workspace: given(query.workspace_id),
        kind: given(query.kind),
        archived: flag("archived", query.archived.as_deref())?,
        text: given(query.text),
    };
    let page = state.database(move |database| database.channels(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// What kind of channel it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ChannelType {
    Public,
    Private,
    Dm,
    Huddle,
}

/// A channel to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateChannelRequest {
    /// Drawn when left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._@-]+$")]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    workspace_id: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Made of the name when left out.
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    #[schema(max_length = 500)]
    topic: Option<String>,
    /// `PUBLIC` when left out.
    #[serde(rename = "type")]
    kind: Option<ChannelType>,
    /// Anything, up to 16 KiB.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    /// The user who is its owner then, one of its organization.
    #[schema(min_length = 1, max_length = 128)]
    created_by_id: Option<String>,
}

impl Input for CreateChannelRequest {}

/// Create a channel
#[utoipa::path(
    post, path = "/api/admin/channels", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = CreateChannelRequest,
    responses(
        (status = 201, description = "Created", body = Channel),
        (status = 400), (status = 401), (status = 403), (status = 409), (status = 413),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<CreateChannelRequest>(&state, payload).await?;
    chosen(body.id.as_deref(), ChannelId::parse)?;
    let new = NewChannel {
        slug: fields::slug(body.slug, &body.name)?,
        id: body.id,
        workspace_id: body.workspace_id,
        name: body.name,
        description: body.description,
        topic: body.topic,
        kind: body.kind.map(word),
        settings: fields::settings(body.settings)?,
        created_by_id: body.created_by_id,
    };
    let created = changer.change(&state, move |database, scope, at| {
        let workspace =
            database.workspace(&new.workspace_id, scope)?.ok_or(StoreError::Missing("workspace"))?;
        if let Some(owner) = &new.created_by_id {
            // Somebody of another tenant must not be shown in the list of members.
            let home = OrganizationId::parse(&workspace.organization_id).ok();
            if database.user(owner, home.as_ref())?.is_none() {
                return Err(StoreError::Missing("user"));
            }
        }
        let created = database.create_channel(new, scope, at)?;
        let deed = Deed::new("channel.create", "channel", &created.id).within(workspace.organization_id);
        Ok((created, Some(deed)))
    });
    Ok(HttpResponse::Created().json(created.await?))
}

/// Look at a channel
#[utoipa::path(
    get, path = "/api/admin/channels/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The channel", body = Channel),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.channel(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(ApiError::not_found)?))
}

/// What to change of a channel; `null` empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelPatch {
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    slug: Option<String>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    #[serde(default, deserialize_with = "clearable")]
    description: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 500)]
    #[serde(default, deserialize_with = "clearable")]
    topic: Option<Option<String>>,
    #[schema(nullable = false)]
    #[serde(rename = "type")]
    kind: Option<ChannelType>,
    /// Whether nobody can join it any more.
    #[schema(nullable = false)]
    is_archived: Option<bool>,
    /// All of them.
    #[schema(nullable = false, value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

impl Input for ChannelPatch {}

/// Change a channel, or archive it
#[utoipa::path(
    patch, path = "/api/admin/channels/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)), request_body = ChannelPatch,
    responses(
        (status = 200, description = "Changed", body = Channel),
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
    let (body, fields) = read::<ChannelPatch>(&state, payload).await?;
    let changes = ChannelChanges {
        name: body.name,
        slug: body.slug,
        description: body.description,
        topic: body.topic,
        kind: body.kind.map(word),
        is_archived: body.is_archived,
        settings: fields::settings(body.settings)?,
    };
    let changed = changer.change(&state, move |database, scope, at| {
        let deed = deed(database, "channel.update", &path)?.with(fields);
        let changed = database.update_channel(&path, changes, scope, at)?;
        let deed = changed.is_some().then_some(deed);
        Ok((changed, deed))
    });
    Ok(HttpResponse::Ok().json(changed.await?.ok_or_else(ApiError::not_found)?))
}

/// Delete a channel
///
/// Its messages go with it.
#[utoipa::path(
    delete, path = "/api/admin/channels/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
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
        let deed = deed(database, "channel.delete", &path)?;
        let deleted = database.delete_channel(&path, scope)?;
        Ok((deleted, deleted.then_some(deed)))
    });
    if deleted.await? { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

//! Who is in an organization, a workspace or a channel, and as what.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    channels::organization_of,
    fields::{Done, found, read, word},
    paging::{List, Paging},
    record::{Changer, Deed, viewer},
    users::face_of,
};
use crate::{
    domain::ids::{ChannelId, OrchestratorId, OrganizationId},
    http::{
        HttpState,
        error::{ApiError, Code},
        input::Input,
        membership_notices::{Membership, Who, announce},
    },
    store::{
        self,
        accounts::members::{Group, Joined, Member},
        database::Database,
    },
};

/// What one can be a member of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum GroupKind {
    Organizations,
    Workspaces,
    Channels,
}

impl GroupKind {
    /// One of them.
    fn word(self) -> &'static str {
        match self {
            Self::Organizations => "organization",
            Self::Workspaces => "workspace",
            Self::Channels => "channel",
        }
    }

    fn group(self, id: &str) -> Group<'_> {
        match self {
            Self::Organizations => Group::Organization(id),
            Self::Workspaces => Group::Workspace(id),
            Self::Channels => Group::Channel(id),
        }
    }

    /// The organization that a group is in.
    fn home(self, database: &Database, id: &str) -> store::Result<Option<String>> {
        match self {
            Self::Organizations => Ok(Some(id.to_owned())),
            Self::Workspaces => Ok(database.workspace(id, None)?.map(|found| found.organization_id)),
            Self::Channels => organization_of(database, id),
        }
    }
}

/// The group that a path names.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// What kind of group it is.
    #[param(inline)]
    group: GroupKind,
    /// Its id.
    id: String,
}

/// The member that a path names.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub(super) struct MemberPath {
    /// What kind of group it is.
    #[param(inline)]
    group: GroupKind,
    /// Its id.
    id: String,
    /// The user.
    user_id: String,
}

/// List the members of a group
#[utoipa::path(
    get, path = "/api/admin/{group}/{id}/members", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(GroupPath, Paging),
    responses(
        (status = 200, description = "Members", body = List<Member>),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<GroupPath>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let page = state
        .database(move |database| database.members(path.group.group(&path.id), scope.as_ref(), &page))
        .await?;
    Ok(HttpResponse::Ok().json(List::from(page.ok_or_else(ApiError::not_found)?)))
}

/// What somebody is in a group. Only workspaces have guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum MemberRole {
    Owner,
    Admin,
    Member,
    Guest,
}

/// The word for the store.
///
/// # Errors
/// 400 for guests where there are none.
fn role(role: MemberRole, group: GroupKind) -> Result<String, ApiError> {
    if role == MemberRole::Guest && group != GroupKind::Workspaces {
        return Err(ApiError::field("role", "Only workspaces have guests"));
    }
    Ok(word(role))
}

/// Somebody who becomes a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddMemberRequest {
    #[schema(min_length = 1, max_length = 128)]
    user_id: String,
    /// `MEMBER` when left out.
    role: Option<MemberRole>,
}

impl Input for AddMemberRequest {}

/// Add a member to a group
///
/// Workspaces and channels take users of their organization only. When an orchestrator's user comes
/// into a channel, its daemons get `channel.joined` and those of the others `channel.member_added`.
#[utoipa::path(
    post, path = "/api/admin/{group}/{id}/members", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(GroupPath), request_body = AddMemberRequest,
    responses(
        (status = 201, description = "Added", body = Done),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413),
    )
)]
pub(super) async fn add(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<GroupPath>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<AddMemberRequest>(&state, payload).await?;
    let GroupPath { group, id } = path.into_inner();
    let role = role(body.role.unwrap_or(MemberRole::Member), group)?;
    let (place, user) = (id.clone(), body.user_id.clone());
    let joined = changer.change(&state, move |database, scope, at| {
        let home = group.home(database, &place)?;
        let joined = database.add_member(group.group(&place), &user, &role, scope, at);
        let joined = found(joined, group.word())?;
        let deed = Deed::new("member.add", group.word(), place);
        let deed = within(deed, home).with(json!({ "userId": user, "role": role }));
        Ok((joined, (joined == Some(Joined::Joined)).then_some(deed)))
    });
    match joined.await?.ok_or_else(ApiError::not_found)? {
        Joined::AlreadyMember => Err(ApiError::new(Code::AlreadyMember, "Already a member")),
        Joined::Joined => {
            if group == GroupKind::Channels {
                tell(&state, &body.user_id, &id, Membership::Begun).await;
            }
            Ok(HttpResponse::Created().json(json!({ "success": true })))
        }
    }
}

fn within(deed: Deed, home: Option<String>) -> Deed {
    match home {
        Some(home) => deed.within(home),
        None => deed,
    }
}

/// Tells daemons of a change in a channel. What they are told is about the present only, so that they
/// could not be told does not undo the change.
async fn tell(state: &HttpState, user: &str, channel: &str, what: Membership) {
    let (name, place) = (user.to_owned(), channel.to_owned());
    let asked =
        state.database(move |database| Ok((face_of(database, &name)?, organization_of(database, &place)?)));
    let Ok((face, Some(organization))) = asked.await else { return };
    let ids = (OrganizationId::parse(&organization), ChannelId::parse(channel));
    let (Ok(organization), Ok(channel)) = ids else { return };
    let orchestrator: Option<&OrchestratorId> = face.as_ref().map(|face| &face.orchestrator);
    let who = Who { orchestrator, organization: &organization, user: Some(user) };
    announce(state, who, &channel, what).await;
}

/// What somebody becomes.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChangeRoleRequest {
    role: MemberRole,
}

impl Input for ChangeRoleRequest {}

/// Give a member another role
#[utoipa::path(
    patch, path = "/api/admin/{group}/{id}/members/{userId}", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(MemberPath), request_body = ChangeRoleRequest,
    responses(
        (status = 200, description = "Changed", body = Done),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn update(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<MemberPath>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<ChangeRoleRequest>(&state, payload).await?;
    let MemberPath { group, id, user_id } = path.into_inner();
    let role = role(body.role, group)?;
    let changed = changer.change(&state, move |database, scope, _| {
        let home = group.home(database, &id)?;
        let changed = database.change_role(group.group(&id), &user_id, &role, scope)?;
        let deed = within(Deed::new("member.update", group.word(), id), home);
        Ok((changed, changed.then(|| deed.with(json!({ "userId": user_id, "role": role })))))
    });
    if changed.await? { Ok(Done::response()) } else { Err(ApiError::not_found()) }
}

/// Remove a member from a group
///
/// When an orchestrator's user leaves a channel, its daemons get `channel.left` and those of the others
/// `channel.member_removed`.
#[utoipa::path(
    delete, path = "/api/admin/{group}/{id}/members/{userId}", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(MemberPath),
    responses(
        (status = 200, description = "Removed", body = Done), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn remove(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<MemberPath>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let MemberPath { group, id, user_id } = path.into_inner();
    let (place, user) = (id.clone(), user_id.clone());
    let removed = changer.change(&state, move |database, scope, at| {
        let home = group.home(database, &place)?;
        let removed = database.remove_member(group.group(&place), &user, scope, at)?;
        let deed = within(Deed::new("member.remove", group.word(), place), home);
        Ok((removed, removed.then(|| deed.with(json!({ "userId": user })))))
    });
    if !removed.await? {
        return Err(ApiError::not_found());
    }
    if group == GroupKind::Channels {
        tell(&state, &user_id, &id, Membership::Ended).await;
    }
    Ok(Done::response())
}

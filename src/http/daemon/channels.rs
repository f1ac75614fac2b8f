//! The channels of the platform that an orchestrator is in (contract 1.16 to 1.18).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::presence::Success;
use crate::{
    auth::token::AccessToken,
    domain::{clock::now, ids::ChannelId, scope::Scope},
    http::{
        HttpState,
        accounts::Account,
        caller::{self, Unknown},
        error::{ApiError, Code},
        membership_notices::{Membership, Who, announce},
    },
    store::accounts::{
        channels::{OwnChannel, is_private},
        members::Joined,
    },
};

/// Channels.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelList {
    channels: Vec<AccessibleChannel>,
}

/// A channel that the orchestrator is in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AccessibleChannel {
    #[serde(flatten)]
    channel: OwnChannel,
    /// Always: others are not listed.
    vp_can_access: bool,
}

/// List the own channels
#[utoipa::path(
    get, path = "/api/daemon/channels", tag = "daemon", security(("bearer" = [])),
    responses((status = 200, description = "Channels", body = ChannelList), (status = 401), (status = 403))
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let (token, _) = member(&request, &state, Scope::ChannelsRead).await?;
    let name = token.orchestrator.to_string();
    let channels = state.database(move |database| database.channels_of(&name)).await?;
    let accessible = |channel| AccessibleChannel { channel, vp_can_access: true };
    let channels = channels.into_iter().map(accessible).collect();
    Ok(HttpResponse::Ok().json(ChannelList { channels }))
}

/// The daemon that asks, and the account of its orchestrator, without which there is nothing it could
/// be a member of.
async fn member(
    request: &HttpRequest,
    state: &HttpState,
    scope: Scope,
) -> Result<(AccessToken, Account), ApiError> {
    let token = caller::daemon(request, state, Unknown::Refused).await?;
    caller::require_when_strict(state, token.scopes, scope)?;
    let account = state.account(&token.orchestrator).await?.ok_or_else(ApiError::unauthorized)?;
    Ok((token, account))
}

/// Join a channel
#[utoipa::path(
    post, path = "/api/daemon/channels/{channelId}/join", tag = "daemon", security(("bearer" = [])),
    params(("channelId" = String, Path)),
    responses(
        (status = 200, description = "Joined", body = Success),
        (status = 401), (status = 403), (status = 404), (status = 409),
    )
)]
pub(super) async fn join(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (token, account) = member(&request, &state, Scope::ChannelsJoin).await?;
    let not_found = || ApiError::new(Code::ChannelNotFound, "Channel not found");
    let channel = ChannelId::parse(&path).map_err(|_| not_found())?;
    let user = account.user.clone().ok_or_else(ApiError::unauthorized)?;
    let id = channel.to_string();
    let found = state.database(move |database| database.channel_for_join(&id)).await?;
    // The organization first: whether another tenant's channel is private is nobody's business here.
    let own =
        found.filter(|found| found.organization_id == account.organization.as_str() && !found.is_archived);
    if is_private(&own.ok_or_else(not_found)?.kind) {
        return Err(ApiError::new(Code::ChannelPrivate, "Cannot join private channel"));
    }
    let (id, at) = (channel.to_string(), now().wall);
    match state.database(move |database| database.join(&user, &id, at)).await? {
        Joined::Joined => {
            announce(&state, who(&token, &account), &channel, Membership::Begun).await;
            Ok(Success::response())
        }
        Joined::AlreadyMember => Err(ApiError::new(Code::AlreadyMember, "Already a member")),
    }
}

/// Leave a channel
#[utoipa::path(
    delete, path = "/api/daemon/channels/{channelId}/join", tag = "daemon", security(("bearer" = [])),
    params(("channelId" = String, Path)),
    responses(
        (status = 200, description = "Left", body = Success), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn leave(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (token, account) = member(&request, &state, Scope::ChannelsJoin).await?;
    let not_member = || ApiError::new(Code::NotMember, "Not a member of this channel");
    let channel = ChannelId::parse(&path).map_err(|_| not_member())?;
    let user = account.user.clone().ok_or_else(ApiError::unauthorized)?;
    let (id, at) = (channel.to_string(), now().wall);
    if !state.database(move |database| database.leave(&user, &id, at)).await? {
        return Err(not_member());
    }
    announce(&state, who(&token, &account), &channel, Membership::Ended).await;
    Ok(Success::response())
}

fn who<'a>(token: &'a AccessToken, account: &'a Account) -> Who<'a> {
    Who {
        orchestrator: Some(&token.orchestrator),
        organization: &account.organization,
        user: account.user.as_deref(),
    }
}

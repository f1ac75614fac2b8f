//! `POST /api/messages`: services write into channels (contract 1.27).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    fields::read,
    record::{Changer, Deed},
};
use crate::{
    http::{
        HttpState,
        error::{ApiError, Code},
        input::Input,
        posting::{self, Draft},
    },
    store::accounts::channels::Who,
};

/// A message to write in the name of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessageRequest {
    #[schema(min_length = 1, max_length = 128)]
    channel_id: String,
    /// The user whose message it is.
    #[schema(min_length = 1, max_length = 128)]
    author_id: String,
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
    /// The message that this one answers, in the same channel.
    #[schema(min_length = 1, max_length = 128)]
    thread_id: Option<String>,
    /// Anything, up to 16 KiB; `mentions` may list the ids of users.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

impl Input for SendMessageRequest {}

/// The message that was written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessageAnswer {
    message_id: String,
}

/// Write a message in the name of a user
///
/// Every orchestrator in the channel but the author's gets `message.received`, those that are mentioned
/// `vp.mentioned`. A tenant writes in the name of members of its channels.
#[utoipa::path(
    post, path = "/api/messages", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = SendMessageRequest,
    responses(
        (status = 200, description = "Written", body = SendMessageAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn send(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<SendMessageRequest>(&state, payload).await?;
    let scope = changer.organization().cloned();
    let (channel, author) = (body.channel_id.clone(), body.author_id.clone());
    let asked = state.database(move |database| {
        if database.channel(&channel, scope.as_ref())?.is_none() {
            return Ok(None);
        }
        let member = scope.is_none() || database.membership(Who::User(&author), &channel)?.is_some();
        let home = database.channel_for_join(&channel)?.map(|found| found.organization_id);
        Ok(Some((member, home)))
    });
    let not_found = || ApiError::new(Code::ChannelNotFound, "Channel not found");
    let (member, home) = asked.await?.ok_or_else(not_found)?;
    if !member {
        return Err(ApiError::new(Code::ChannelAccessDenied, "The author is no member of this channel"));
    }
    let about = json!({ "channelId": body.channel_id, "authorId": body.author_id });
    let draft = Draft {
        channel: body.channel_id,
        author: body.author_id,
        content: body.content,
        parent: body.thread_id,
        metadata: body.metadata.unwrap_or_default(),
    };
    let message_id = posting::post(&state, draft, None).await?;
    let deed = Deed::new("message.create", "message", &message_id).with(about);
    let deed = match home {
        Some(home) => deed.within(home),
        None => deed,
    };
    changer.note(&state, deed).await;
    Ok(HttpResponse::Ok().json(SendMessageAnswer { message_id }))
}

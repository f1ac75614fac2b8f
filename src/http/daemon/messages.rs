//! Messages in channels: reading and writing them (contract 1.11, 1.12).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{clock::now, scope::Scope},
    http::{
        HttpState,
        caller::{self, Unknown},
        error::{ApiError, Code},
        input::Input,
        posting::{self, Draft},
    },
    store::accounts::{channels::Who, messages::Message},
};

/// How many messages a page has when nobody says.
const PAGE: i64 = 50;
/// How many it has at most.
const MAX_PAGE: i64 = 100;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct MessageQuery {
    #[serde(default)]
    #[param(required = true)]
    channel_id: String,
    /// At most 100; 50 when left out.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
    /// Those before this message of the channel.
    before: Option<String>,
    /// Those after this message of the channel.
    after: Option<String>,
}

/// Messages, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageList {
    messages: Vec<Message>,
}

/// Read the messages of a channel
#[utoipa::path(
    get, path = "/api/daemon/messages", tag = "daemon", security(("bearer" = [])), params(MessageQuery),
    responses(
        (status = 200, description = "Messages", body = MessageList),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    caller::require(token.scopes, Scope::MessagesRead)?;
    let query = query.into_inner();
    if query.channel_id.is_empty() {
        return Err(ApiError::validation("Channel ID required"));
    }
    let limit = match query.limit.as_deref() {
        None | Some("") => PAGE,
        Some(text) => {
            let number: i64 = text.parse().map_err(|_| ApiError::validation("limit must be a number"))?;
            number.clamp(1, MAX_PAGE)
        }
    };
    let (name, channel) = (token.orchestrator.to_string(), query.channel_id);
    let (before, after) = (query.before, query.after);
    let messages = state
        .database(move |database| match database.membership(Who::Orchestrator(&name), &channel)? {
            Some(_) => database.message_page(&channel, before.as_deref(), after.as_deref(), limit).map(Some),
            None => Ok(None),
        })
        .await?;
    let messages = messages.ok_or_else(access_denied)?;
    Ok(HttpResponse::Ok().json(MessageList { messages }))
}

fn access_denied() -> ApiError {
    ApiError::new(Code::ChannelAccessDenied, "No access to this channel")
}

/// A message to write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostMessageRequest {
    #[schema(min_length = 1)]
    channel_id: String,
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
    /// The message that this one answers, in the same channel; `parentId` is the same.
    thread_id: Option<String>,
    parent_id: Option<String>,
    #[schema(max_items = 32)]
    attachments: Option<Vec<AttachmentRequest>>,
    /// Anything, up to 16 KiB; `mentions` may list the ids of users.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Something that belongs to a message.
#[derive(Debug, Deserialize, ToSchema)]
struct AttachmentRequest {
    #[serde(rename = "type")]
    #[schema(max_length = 128)]
    kind: String,
    #[schema(max_length = 2048)]
    url: String,
    #[schema(max_length = 255)]
    name: Option<String>,
}

impl Input for PostMessageRequest {
    const SENTENCE: &'static str = "Channel ID and content required";
}

/// The message that was written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostMessageAnswer {
    message_id: String,
}

/// Write a message
///
/// Every other orchestrator in the channel gets `message.received`, those that are mentioned
/// `vp.mentioned`.
#[utoipa::path(
    post, path = "/api/daemon/messages", tag = "daemon", security(("bearer" = [])),
    request_body = PostMessageRequest,
    responses(
        (status = 200, description = "Written", body = PostMessageAnswer),
        (status = 400), (status = 401), (status = 403), (status = 413),
    )
)]
pub(super) async fn post(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    caller::require(token.scopes, Scope::MessagesWrite)?;
    let body: PostMessageRequest = state.inputs.read(payload).await?;
    let account = state.account(&token.orchestrator).await?;
    let author = account
        .and_then(|account| account.user)
        .ok_or_else(|| ApiError::new(Code::Unauthorized, "Orchestrator not found"))?;
    let (name, channel) = (token.orchestrator.to_string(), body.channel_id.clone());
    let member =
        state.database(move |database| database.membership(Who::Orchestrator(&name), &channel)).await?;
    if member.is_none() {
        return Err(access_denied());
    }
    let attachments = body.attachments.unwrap_or_default();
    let draft = Draft {
        channel: body.channel_id,
        author: author.to_string(),
        content: body.content,
        parent: body.thread_id.or(body.parent_id),
        metadata: metadata(body.metadata.unwrap_or_default(), &attachments),
    };
    let message_id = posting::post(&state, draft, Some(&token.orchestrator)).await?;
    Ok(HttpResponse::Ok().json(PostMessageAnswer { message_id }))
}

/// Attachments are kept in the metadata (contract C38).
fn metadata(mut metadata: Map<String, Value>, attachments: &[AttachmentRequest]) -> Map<String, Value> {
    if !attachments.is_empty() {
        let at = now().wall.0;
        let kept = attachments.iter().enumerate().map(|(place, attachment)| {
            let name = attachment.name.clone().unwrap_or_else(|| format!("attachment_{place}"));
            json!({
                "id": format!("att_{at}_{place}"), "type": attachment.kind, "url": attachment.url, "name": name,
            })
        });
        metadata.insert("attachmentRefs".to_owned(), kept.collect());
    }
    metadata
}

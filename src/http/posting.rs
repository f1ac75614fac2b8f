//! What a message does (contract 1.12, 9.10): it is written down, other programs are told of it, and
//! every other orchestrator in its channel gets an event.
//!
//! The message is written down first, marked as not yet announced, and so cannot be forgotten: whoever
//! dies in between, the next sweep of any hub announces it. Its events have ids that follow from the
//! message, so announcing it twice delivers it once.

use actix_web::web;
use serde_json::{Map, Value, json};

use super::{
    HttpState,
    error::{ApiError, Code},
};
use crate::{
    actors::{announcer::Announce, blocking},
    domain::{
        clock::now,
        ids::{ChannelId, OrchestratorId},
        notice::Notice,
    },
    store::{StoreError, accounts::messages::NewMessage},
};

/// The most bytes of metadata that are kept with a message.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// A message to write.
#[derive(Debug)]
pub(super) struct Draft {
    /// Where.
    pub(super) channel: String,
    /// By which user.
    pub(super) author: String,
    /// What it says.
    pub(super) content: String,
    /// The message that it answers.
    pub(super) parent: Option<String>,
    /// What is kept with it.
    pub(super) metadata: Map<String, Value>,
}

/// Writes a message and announces it; returns its id once it is written down. `by`: the orchestrator
/// whose daemon wrote it, which gets `message.sent`.
///
/// # Errors
/// 400 for a parent that is not in the channel, or metadata that is too large; 404 for a channel or an
/// author that does not exist; 503.
pub(super) async fn post(
    state: &web::Data<HttpState>,
    draft: Draft,
    by: Option<&OrchestratorId>,
) -> Result<String, ApiError> {
    let metadata = Value::Object(draft.metadata);
    if metadata.to_string().len() > MAX_METADATA_BYTES {
        return Err(ApiError::validation("The metadata is larger than 16 KiB"));
    }
    let at = now().wall;
    let new = NewMessage {
        channel_id: draft.channel,
        author_id: draft.author,
        content: draft.content,
        parent_id: draft.parent,
        metadata: Some(metadata),
    };
    let written = blocking::ask(&state.database, move |database| database.post_message(new, at)).await;
    let message = written.map_err(|error| match error {
        StoreError::Missing("parent") => ApiError::validation("The parent message is not in this channel"),
        StoreError::Missing("channel") => ApiError::new(Code::ChannelNotFound, "Channel not found"),
        StoreError::Missing(what) => ApiError::validation(format!("There is no such {what}")),
        error => error.into(),
    })?;
    let id = message.id.clone();
    if let Some(orchestrator) = by {
        let channel = ChannelId::parse(&message.channel_id).ok();
        let notice = Notice {
            kind: "message.sent",
            orchestrator,
            organization: None,
            channel: channel.as_ref(),
            payload: json!({ "messageId": id, "channelId": message.channel_id }),
            at,
        };
        state.tell(notice.event());
    }
    state.services.announcer.do_send(Announce(Box::new(message)));
    Ok(id)
}

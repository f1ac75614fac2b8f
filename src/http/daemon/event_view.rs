//! An event as the HTTP routes show it: the union of what every generation of clients reads (contract
//! C17).

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    backplane::inspection::QueuedEvent,
    domain::{
        clock::Timestamp,
        envelope::{Context, Published},
        ids::{OrchestratorId, OrganizationId},
    },
    store::accounts::feed::ChannelMessage,
};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventView {
    id: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    event_type: String,
    #[schema(value_type = Object)]
    payload: Value,
    /// The same as `payload`.
    #[schema(value_type = Object)]
    data: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The same as `createdAt`.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    orchestrator_id: String,
    vp_id: String,
    /// Which daemon it is for; empty for all of the orchestrator's.
    daemon_id: String,
    requires_ack: bool,
    priority: i32,
}

impl EventView {
    /// What it is acknowledged by.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What kind of event it is.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// When it happened.
    pub(super) fn time(&self) -> Timestamp {
        self.created_at
    }

    /// An event that waits; `None` if it names another organization than that of whoever reads, or
    /// cannot be read at all, which the queue's own checks prevent.
    pub(super) fn of_queued(
        queued: &QueuedEvent,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
    ) -> Option<Self> {
        let context = Context { orchestrator: Some(orchestrator.clone()), ..Context::default() };
        let event = Published::parse(&queued.body, &context, queued.time).ok()?.event;
        let foreign = event.organization.as_ref().zip(organization).is_some_and(|(named, own)| named != own);
        if foreign {
            return None;
        }
        let payload: Value = serde_json::from_slice(&event.payload).ok()?;
        let message_id = payload.get("messageId").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            id: event.id.to_string(),
            event_id: event.id.to_string(),
            kind: event.kind.to_string(),
            event_type: event.kind.to_string(),
            data: payload.clone(),
            payload,
            created_at: event.timestamp,
            timestamp: event.timestamp,
            channel_id: event.channel.map(|channel| channel.to_string()),
            message_id,
            orchestrator_id: orchestrator.to_string(),
            vp_id: orchestrator.to_string(),
            daemon_id: event.daemon.map(|daemon| daemon.to_string()).unwrap_or_default(),
            requires_ack: event.requires_ack,
            priority: event.priority,
        })
    }

    /// A message in one of the orchestrator's channels.
    pub(super) fn of_message(message: ChannelMessage, orchestrator: &OrchestratorId) -> Self {
        Self::derived("msg", "message_created", message, orchestrator)
    }

    /// A message that mentions it.
    pub(super) fn of_mention(message: ChannelMessage, orchestrator: &OrchestratorId) -> Self {
        Self::derived("mention", "mention", message, orchestrator)
    }

    fn derived(prefix: &str, kind: &str, found: ChannelMessage, orchestrator: &OrchestratorId) -> Self {
        let ChannelMessage { message, channel_name } = found;
        let id = format!("{prefix}_{}", message.id);
        let author = &message.author;
        let payload = json!({
            "message": {
                "id": message.id,
                "content": message.content,
                "author": {
                    "id": author.id, "name": author.name, "avatarUrl": author.avatar_url,
                    "isOrchestrator": author.is_orchestrator,
                },
                "channel": { "id": message.channel_id, "name": channel_name },
                "createdAt": message.created_at,
            }
        });
        Self {
            event_id: id.clone(),
            id,
            kind: kind.to_owned(),
            event_type: kind.to_owned(),
            data: payload.clone(),
            payload,
            created_at: message.created_at,
            timestamp: message.created_at,
            channel_id: Some(message.channel_id),
            message_id: Some(message.id),
            orchestrator_id: orchestrator.to_string(),
            vp_id: orchestrator.to_string(),
            daemon_id: String::new(),
            requires_ack: false,
            priority: 0,
        }
    }
}

//! What waits for a daemon, for those that ask instead of listening (contract 1.20, 1.21, C15 to C18).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

use super::event_view::EventView;
use crate::{
    backplane::{
        acknowledgements::Acknowledgements as _,
        inspection::{Inspection as _, QueueCursor},
    },
    domain::{
        clock::{Timestamp, now},
        ids::{EventId, OrchestratorId, OrganizationId},
        scope::Scope,
    },
    http::{
        HttpState, body,
        caller::{self, Unknown},
        error::ApiError,
        input::{self, Input},
    },
};

use super::own_state::daemon_name;

/// How far back messages are looked for when nobody says.
const DEFAULT_SINCE: Duration = Duration::from_secs(5 * 60);
/// How many messages and mentions one answer has at most.
const MESSAGES: i64 = 100;
const MENTIONS: i64 = 50;
/// How many events one answer has when nobody says, and at most.
const PAGE: usize = 250;
const MAX_PAGE: usize = 1000;
/// How many events are acknowledged at once.
const MAX_ACKS: usize = 1000;
/// How many queued events are read at once at least.
const MIN_LOOK: usize = 100;
/// How many queued events are looked through for one answer, however few of them are new enough.
const MAX_LOOKED_AT: usize = 1000;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Those after this time; without it, messages of the last five minutes and everything that waits.
    #[param(format = DateTime)]
    since: Option<String>,
    /// At most 1000; 250 when left out.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
    /// Where the last answer ended: its `nextCursor`.
    cursor: Option<String>,
}

/// Events, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventList {
    events: Vec<EventView>,
    /// There is more; ask again with this as `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Read what waits
///
/// Nothing is taken away by reading; acknowledge what was handled. With `Accept: text/event-stream` the
/// same page comes as server-sent events.
#[utoipa::path(
    get, path = "/api/daemon/events", tag = "daemon", security(("bearer" = [])), params(EventQuery),
    responses(
        (status = 200, description = "Events", body = EventList),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<EventQuery>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    caller::require(token.scopes, Scope::MessagesRead)?;
    let query = Wanted::read(query.into_inner())?;
    let mut events = Vec::new();
    // A cursor goes on in the queue; messages came with the first page.
    if query.cursor.is_none() {
        let since = query.since.unwrap_or_else(|| now().wall.minus(DEFAULT_SINCE));
        events = from_messages(&state, &token.orchestrator, since).await?;
    }
    events.truncate(query.limit);
    let room = query.limit.saturating_sub(events.len());
    let organization = state.organization_of(&token).await;
    let next =
        from_queue(&state, &token.orchestrator, organization.as_ref(), &query, room, &mut events).await?;
    events.sort_by_key(EventView::time);
    let list = EventList { events, next_cursor: next.map(|cursor| cursor.to_string()) };
    Ok(if wants_a_stream(&request) { stream(&list) } else { HttpResponse::Ok().json(list) })
}

/// A query, understood.
struct Wanted {
    since: Option<Timestamp>,
    limit: usize,
    cursor: Option<QueueCursor>,
}

impl Wanted {
    fn read(query: EventQuery) -> Result<Self, ApiError> {
        let since = match query.since.as_deref() {
            None | Some("") => None,
            Some(text) => {
                // A plus sign in a query stands for a space.
                let time = Timestamp::parse_datetime(&text.replace(' ', "+"));
                Some(time.ok_or_else(|| ApiError::validation("since must be a date and time"))?)
            }
        };
        let limit = match query.limit.as_deref() {
            None | Some("") => PAGE,
            Some(text) => match text.parse::<usize>() {
                Ok(limit) => limit.clamp(1, MAX_PAGE),
                Err(_) => return Err(ApiError::validation("limit must be a number from 1 to 1000")),
            },
        };
        let cursor = match query.cursor.as_deref() {
            None | Some("") => None,
            Some(text) => {
                let cursor = QueueCursor::parse(text);
                Some(cursor.ok_or_else(|| ApiError::validation("cursor is none of this hub's"))?)
            }
        };
        Ok(Self { since, limit, cursor })
    }
}

async fn from_messages(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    since: Timestamp,
) -> Result<Vec<EventView>, ApiError> {
    let name = orchestrator.to_string();
    let (messages, mentions) = state
        .database(move |database| {
            let messages = database.messages_since(&name, since, None, MESSAGES)?;
            Ok((messages, database.mentions_since(&name, since, MENTIONS)?))
        })
        .await?;
    let listed: Vec<String> = messages.iter().map(|message| message.message.id.clone()).collect();
    let mut events: Vec<EventView> =
        messages.into_iter().map(|message| EventView::of_message(message, orchestrator)).collect();
    let others = mentions.into_iter().filter(|mention| !listed.contains(&mention.message.id));
    events.extend(others.map(|mention| EventView::of_mention(mention, orchestrator)));
    let ids: Vec<EventId> = events.iter().filter_map(|event| EventId::parse(event.id()).ok()).collect();
    // While nobody can say what was acknowledged, once too often is better than never.
    if let Ok(taken) = state.shared().backplane.acknowledged(orchestrator, &ids).await {
        let taken: Vec<&str> =
            ids.iter().zip(taken).filter(|(_, taken)| *taken).map(|(id, _)| id.as_str()).collect();
        events.retain(|event| !taken.contains(&event.id()));
    }
    Ok(events)
}

/// Adds up to `room` events of the queue; where to go on, if there are more.
async fn from_queue(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    organization: Option<&OrganizationId>,
    wanted: &Wanted,
    room: usize,
    events: &mut Vec<EventView>,
) -> Result<Option<QueueCursor>, ApiError> {
    let mut after = wanted.cursor;
    if room == 0 {
        let queued = state.shared().backplane.queue_page(orchestrator, after, 1).await.unwrap_or_default();
        return Ok(queued.first().map(|_| after.unwrap_or(QueueCursor { time: Timestamp(0), arrival: 0 })));
    }
    let (mut found, mut looked_at) = (0, 0);
    while looked_at < MAX_LOOKED_AT {
        let page = room.saturating_sub(found).max(MIN_LOOK);
        let queued = match state.shared().backplane.queue_page(orchestrator, after, page).await {
            Ok(queued) => queued,
            // Messages alone are better than nothing (contract 1.20).
            Err(error) => {
                log::warn!(error:% = error; "queued events cannot be read");
                return Ok(None);
            }
        };
        let is_last = queued.len() < page;
        looked_at += queued.len();
        let last = queued.last().map(|event| event.cursor);
        for event in queued {
            after = Some(event.cursor);
            if wanted.since.is_none_or(|since| event.time > since) {
                let shown = EventView::of_queued(&event, orchestrator, organization);
                found += usize::from(shown.is_some());
                events.extend(shown);
            }
            if found >= room {
                break;
            }
        }
        if found >= room && (after != last || !is_last) {
            return Ok(after);
        }
        if is_last {
            return Ok(None);
        }
    }
    Ok(after)
}

fn wants_a_stream(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("text/event-stream")))
}

/// One page as server-sent events, after which the client asks again.
fn stream(list: &EventList) -> HttpResponse {
    let mut text = format!("retry: {}\n\n", 5000);
    for event in &list.events {
        let data = serde_json::to_string(event).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id(), event.kind()));
    }
    HttpResponse::Ok()
        .insert_header(ContentType(actix_web::mime::TEXT_EVENT_STREAM))
        .insert_header(("Cache-Control", "no-store"))
        .body(text)
}

/// Events that were handled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AckRequest {
    #[schema(min_items = 1, max_items = 1000)]
    event_ids: Vec<String>,
}

impl Input for AckRequest {
    const SENTENCE: &'static str = "Event IDs required";
}

/// It was noted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AckAnswer {
    success: bool,
    /// How many ids were sent.
    acknowledged: usize,
}

/// The same ids, for clients that cannot send a body with `DELETE`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(super) struct AckQuery {
    /// Separated by commas.
    event_ids: Option<String>,
}

/// Acknowledge events
#[utoipa::path(
    delete, path = "/api/daemon/events", tag = "daemon", security(("bearer" = [])), params(AckQuery),
    request_body = Option<AckRequest>,
    responses(
        (status = 200, description = "Noted", body = AckAnswer),
        (status = 400), (status = 401), (status = 413),
    )
)]
pub(super) async fn acknowledge(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<AckQuery>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    take(&request, &state, query.into_inner(), payload).await
}

/// Acknowledge events, with a body
#[utoipa::path(
    post, path = "/api/daemon/events/ack", tag = "daemon", security(("bearer" = [])),
    request_body = AckRequest,
    responses(
        (status = 200, description = "Noted", body = AckAnswer),
        (status = 400), (status = 401), (status = 413),
    )
)]
pub(super) async fn acknowledge_by_post(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    take(&request, &state, AckQuery::default(), payload).await
}

async fn take(
    request: &HttpRequest,
    state: &HttpState,
    query: AckQuery,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(request, state, Unknown::Refused).await?;
    let bytes = body::read(payload).await?;
    let value = match query.event_ids.filter(|_| bytes.is_empty()) {
        Some(list) => {
            let ids: Vec<&str> = list.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
            json!({ "eventIds": ids })
        }
        None => input::parse(&bytes)?,
    };
    let sent = state.inputs.parse::<AckRequest>(value)?.0.event_ids;
    let ids: Vec<EventId> = sent.iter().take(MAX_ACKS).filter_map(|id| EventId::parse(id).ok()).collect();
    let shared = state.shared();
    // What came from messages is in no queue; that it was taken is noted beside it.
    let (derived, queued): (Vec<_>, Vec<_>) = ids.into_iter().partition(is_derived);
    if !derived.is_empty() {
        shared.backplane.note_acknowledged(&token.orchestrator, &derived, now().wall).await?;
    }
    if !queued.is_empty() {
        let taken = shared.queue.acknowledge_over_http(&token.orchestrator, &daemon_name(&token)?, queued);
        taken
            .map_err(|_| ApiError::unavailable("The hub has no room for acknowledgements; send it again"))?;
        shared.queue.durable().await.map_err(|error| {
            log::error!(error:% = error; "acknowledgements are not stored yet");
            ApiError::unavailable("The acknowledgement could not be stored in time; send it again")
        })?;
    }
    Ok(HttpResponse::Ok().json(AckAnswer { success: true, acknowledged: sent.len() }))
}

fn is_derived(id: &EventId) -> bool {
    id.as_str().starts_with("msg_") || id.as_str().starts_with("mention_")
}

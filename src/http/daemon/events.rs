//! What waits for a daemon, for those that ask instead of listening (contract 1.20, 1.21, C15 to C18).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::HashSet, time::Duration};
use utoipa::{IntoParams, ToSchema};

use super::{event_place::Place, event_view::EventView, own_state::daemon_name};
use crate::{
    actors::ingress_rules::Trust,
    auth::token::AccessToken,
    backplane::{
        acknowledgements::Acknowledgements as _,
        inspection::{Inspection as _, QueueCursor, QueuedEvent},
    },
    domain::{
        clock::{Timestamp, now},
        event::Event,
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
    let wanted = Wanted::read(query.into_inner())?;
    let (mut events, next) = match &wanted.place {
        Some(Place::Queue(after)) => from_queue(&state, &token, &wanted, *after, wanted.limit).await?,
        place => {
            let (events, more) = from_messages(&state, &token.orchestrator, &wanted, place.as_ref()).await?;
            match (more, wanted.limit.checked_sub(events.len()).filter(|room| *room > 0)) {
                (true, _) => {
                    let next = events.last().map(|last| Place::Messages(last.time(), last.id().to_owned()));
                    (events, next)
                }
                // Whether anything waits behind is seen with the next page.
                (false, None) => (events, Some(Place::Queue(None))),
                (false, Some(room)) => {
                    let (queued, next) = from_queue(&state, &token, &wanted, None, room).await?;
                    (events.into_iter().chain(queued).collect(), next)
                }
            }
        }
    };
    events.sort_by_key(EventView::time);
    let list = EventList { events, next_cursor: next.map(|place| place.to_string()) };
    Ok(if wants_a_stream(&request) { stream(&list) } else { HttpResponse::Ok().json(list) })
}

/// A query, understood.
struct Wanted {
    since: Option<Timestamp>,
    limit: usize,
    place: Option<Place>,
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
        let place = match query.cursor.as_deref() {
            None | Some("") => None,
            Some(text) => {
                let place = Place::parse(text);
                Some(place.ok_or_else(|| ApiError::validation("cursor is none of this hub's"))?)
            }
        };
        Ok(Self { since, limit, place })
    }
}

/// Messages and mentions after `place`, oldest first, up to the limit; and whether there are more.
async fn from_messages(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    wanted: &Wanted,
    place: Option<&Place>,
) -> Result<(Vec<EventView>, bool), ApiError> {
    let name = orchestrator.to_string();
    let since = wanted.since.unwrap_or_else(|| now().wall.minus(DEFAULT_SINCE));
    let (messages, mentions) = state
        .database(move |database| {
            let messages = database.messages_since(&name, since, None, MESSAGES)?;
            Ok((messages, database.mentions_since(&name, since, MENTIONS)?))
        })
        .await?;
    let listed: HashSet<String> = messages.iter().map(|message| message.message.id.clone()).collect();
    let mut events: Vec<EventView> =
        messages.into_iter().map(|message| EventView::of_message(message, orchestrator)).collect();
    let others = mentions.into_iter().filter(|mention| !listed.contains(&mention.message.id));
    events.extend(others.map(|mention| EventView::of_mention(mention, orchestrator)));
    events.sort_by(|one, other| (one.time(), one.id()).cmp(&(other.time(), other.id())));
    if let Some(Place::Messages(time, id)) = place {
        events.retain(|event| (event.time(), event.id()) > (*time, id.as_str()));
    }
    let ids: Vec<EventId> = events.iter().filter_map(|event| EventId::parse(event.id()).ok()).collect();
    // While nobody can say what was acknowledged, once too often is better than never.
    if let Ok(taken) = state.shared().backplane.acknowledged(orchestrator, &ids).await {
        let taken: HashSet<&str> =
            ids.iter().zip(taken).filter(|(_, taken)| *taken).map(|(id, _)| id.as_str()).collect();
        events.retain(|event| !taken.contains(event.id()));
    }
    let more = events.len() > wanted.limit;
    events.truncate(wanted.limit);
    Ok((events, more))
}

/// Up to `room` events of the queue after a place; and where to go on, if there are more.
async fn from_queue(
    state: &HttpState,
    token: &AccessToken,
    wanted: &Wanted,
    mut after: Option<QueueCursor>,
    room: usize,
) -> Result<(Vec<EventView>, Option<Place>), ApiError> {
    let organization = state.organization_of(token).await;
    state.shared().resolver.learn_home(&token.orchestrator, organization.as_ref()).await;
    let mut events = Vec::new();
    let mut looked_at = 0;
    while looked_at < MAX_LOOKED_AT {
        let page = room.saturating_sub(events.len()).max(MIN_LOOK);
        let queued = match state.shared().backplane.queue_page(&token.orchestrator, after, page).await {
            Ok(queued) => queued,
            // Messages alone are better than nothing (contract 1.20).
            Err(error) => {
                log::warn!(error:% = error; "queued events cannot be read");
                return Ok((events, None));
            }
        };
        let is_last = queued.len() < page;
        looked_at += queued.len();
        for event in queued {
            if events.len() == room {
                return Ok((events, Some(Place::Queue(after))));
            }
            after = Some(event.cursor);
            if !is_trusted(state, &token.orchestrator, organization.as_ref(), &event) {
                // Whoever has a socket finds it too, and gives it up.
                continue;
            }
            if wanted.since.is_none_or(|since| event.time > since) {
                events.extend(EventView::of_queued(&event, &token.orchestrator, organization.as_ref()));
            }
        }
        if is_last {
            return Ok((events, None));
        }
    }
    Ok((events, Some(Place::Queue(after))))
}

/// Whether a hub has put an event into the queue, where its organization wants to know.
fn is_trusted(
    state: &HttpState,
    orchestrator: &OrchestratorId,
    reader: Option<&OrganizationId>,
    queued: &QueuedEvent,
) -> bool {
    let rules = &state.shared().rules;
    if !rules.are_active() {
        return true;
    }
    let named = || Event::from_body(&queued.body, orchestrator, queued.time).ok()?.organization;
    let owner = rules.owner_of_queue(orchestrator, reader, named);
    rules.trust(orchestrator, &owner, &queued.body, now()) == Trust::Yes
}

fn wants_a_stream(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("text/event-stream")))
}

/// One page as server-sent events, after which the client asks again.
fn stream(list: &EventList) -> HttpResponse {
    let mut text = "retry: 5000\n\n".to_owned();
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

//! `POST /api/events`: publish over HTTP, answered once every accepted event is stored or taken.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{HttpState, body, caller, error::ApiError};
use crate::{
    actors::{
        messages::{Forget, Origin, Publish, Routed},
        queue_access::Unwritable,
        resolver::{Resolver, address},
    },
    domain::{
        clock::now,
        envelope::{Context, Published},
        event::Event,
        ids::{EventId, OrchestratorId, SessionId},
    },
};

/// How many events one request may publish.
const MAX_EVENTS: usize = 1000;

/// What is published: one event, or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum PublishBody {
    One(PublishedEvent),
    Several(Vec<PublishedEvent>),
}

/// An event; `/api/schemas/event.json` describes every spelling that is understood.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct PublishedEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    orchestrator_id: String,
    #[schema(value_type = Option<Object>)]
    payload: Option<serde_json::Value>,
}

/// What became of the events of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdicts {
    results: Vec<Verdict>,
}

/// What became of one event, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    id: Option<String>,
    /// `delivered`, `queued`, `duplicate` or `rejected`.
    status: &'static str,
    #[schema(value_type = Vec<String>)]
    sessions: Vec<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct IdOnly {
    id: Option<serde_json::Value>,
    #[serde(rename = "eventId")]
    event_id: Option<serde_json::Value>,
}

/// Publish events
///
/// One event, or an array of up to 1000. Answered once every accepted event is stored or taken.
#[utoipa::path(
    post, path = "/api/events", tag = "events", security(("apiKey" = [])), request_body = PublishBody,
    responses(
        (status = 200, description = "What became of each event, in order", body = Verdicts),
        (status = 400), (status = 401), (status = 413),
    )
)]
pub(super) async fn publish(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    caller::operator(&request, &state).await?;
    let body = body::read(payload).await?;
    let entries = split(&body)?;
    let shared = &state.services.shared;
    if !shared.state.is_backplane_up() {
        return Err(ApiError::unavailable("The backplane is unavailable; nothing was accepted"));
    }
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(entries.len());
    let mut accepted: Vec<Event> = Vec::with_capacity(entries.len());
    let mut places: Vec<usize> = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let (verdict, event) = match read(&state, entry).await {
            Ok(event) => (Verdict::of(&event, &Routed::Queued), Some(event)),
            Err(reason) => (Verdict::refused(entry, reason), None),
        };
        verdicts.push(verdict);
        if let Some(event) = event {
            accepted.push(event);
            places.push(place);
        }
    }
    let kept = accepted.clone();
    let routed = state.services.router.send(Publish { events: accepted, origin: Origin::Direct }).await;
    let routed =
        routed.map_err(|_| ApiError::unavailable("The router is starting again; nothing was accepted"))?;
    for ((place, event), routed) in places.iter().zip(&kept).zip(&routed) {
        if let Some(verdict) = verdicts.get_mut(*place) {
            *verdict = Verdict::of(event, routed);
        }
    }
    let unwritable = shared.queue.durable().await.map_err(|error| {
        log::error!(error:% = error; "published events are not stored yet");
        ApiError::unavailable("The events could not be stored in time; publish them again")
    })?;
    let lost = accepted_by(&unwritable, &kept);
    if !lost.is_empty() {
        for (event, place) in
            kept.iter().zip(&places).filter(|(event, _)| unwritable.contains(&event.orchestrator))
        {
            if let Some(verdict) = verdicts.get_mut(*place) {
                *verdict =
                    Verdict::of(event, &Routed::Rejected("this orchestrator's queue cannot be written"));
            }
        }
        state.services.router.do_send(Forget(lost));
    }
    Ok(HttpResponse::Ok().json(Verdicts { results: verdicts }))
}

/// The events whose orchestrator's queue could not be written.
fn accepted_by(unwritable: &Unwritable, events: &[Event]) -> Vec<(OrchestratorId, EventId)> {
    let lost = events.iter().filter(|event| unwritable.contains(&event.orchestrator));
    lost.map(|event| (event.orchestrator.clone(), event.id.clone())).collect()
}

/// The events of a body, each as its own slice of it.
fn split(body: &Bytes) -> Result<Vec<Bytes>, ApiError> {
    let invalid = |error: serde_json::Error| ApiError::validation(format!("Invalid JSON body: {error}"));
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match start {
        Some(b'[') => {
            let entries: Vec<&RawValue> = serde_json::from_slice(body).map_err(invalid)?;
            match entries.len() {
                0 => Err(ApiError::validation("The array of events is empty".to_owned())),
                1..=MAX_EVENTS => {
                    Ok(entries.iter().map(|entry| body.slice_ref(entry.get().as_bytes())).collect())
                }
                _ => Err(ApiError::validation(format!("At most {MAX_EVENTS} events per request"))),
            }
        }
        Some(b'{') => {
            let _: &RawValue = serde_json::from_slice(body).map_err(invalid)?;
            Ok(vec![body.clone()])
        }
        _ => Err(ApiError::validation("The body must be an event or an array of events".to_owned())),
    }
}

async fn read(state: &HttpState, entry: &Bytes) -> Result<Event, String> {
    let shared = &state.services.shared;
    let published = Published::parse(entry, &Context::default(), now().wall).map_err(|error| {
        shared.metrics.malformed(error.kind());
        error.to_string()
    })?;
    let question = Resolver::question(&published);
    let answer = match shared.resolver.cached(&question, &shared.connections) {
        Some(answer) => answer,
        None => shared.resolver.resolve(&question).await,
    };
    address(published, answer).map_err(str::to_owned)
}

impl Verdict {
    fn of(event: &Event, routed: &Routed) -> Self {
        let (status, sessions, reason) = match routed {
            Routed::Delivered(sessions) => ("delivered", sessions.clone(), None),
            Routed::Queued => ("queued", Vec::new(), None),
            Routed::Duplicate => ("duplicate", Vec::new(), None),
            Routed::Rejected(reason) => ("rejected", Vec::new(), Some((*reason).to_owned())),
        };
        Self { id: Some(event.id.to_string()), status, sessions, reason }
    }

    fn refused(entry: &Bytes, reason: String) -> Self {
        let named = serde_json::from_slice::<IdOnly>(entry).ok().and_then(|ids| ids.id.or(ids.event_id));
        let id = named.and_then(|id| id.as_str().map(str::to_owned));
        Self { id, status: "rejected", sessions: Vec::new(), reason: Some(reason) }
    }
}

//! `POST /api/events`: publish over HTTP, answered once every accepted event is stored or taken.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    HttpState, body, caller,
    error::ApiError,
    idempotency::{self, Answer, OPERATOR, json},
};
use crate::{
    actors::intake::{Arrival, IntakeError, Status, Verdict},
    domain::{
        clock::Timestamp,
        ids::{OrchestratorId, SessionId},
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
    results: Vec<VerdictBody>,
}

/// What became of one event, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VerdictBody {
    id: Option<String>,
    /// Whom the event was found to be for.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestrator_id: Option<OrchestratorId>,
    /// `delivered`, `queued`, `duplicate` or `rejected`.
    status: &'static str,
    #[schema(value_type = Vec<String>)]
    sessions: Vec<SessionId>,
    /// Its place in the queue by age, counted from 1, if it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// When it is given up, if it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Publish events
///
/// One event, or an array of up to 1000. Answered once every accepted event is stored or taken.
#[utoipa::path(
    post, path = "/api/events", tag = "events", security(("apiKey" = [])), request_body = PublishBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters: the same key and body are answered the same for 24 h, or 10 minutes when the answer is over 4 KiB, and take effect once")),
    responses(
        (status = 200, description = "What became of each event, in order", body = Verdicts),
        (status = 400), (status = 401), (status = 409, description = "The same request is under way"), (status = 413),
        (status = 422),
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
    let arrivals: Vec<Arrival> = entries.into_iter().map(Arrival::vouched).collect();
    let work = async {
        let intake = &state.services.intake;
        let mut verdicts = intake.take(&arrivals).await.map_err(|error| match error {
            IntakeError::Router => {
                ApiError::unavailable("The router is starting again; nothing was accepted")
            }
            IntakeError::Store(error) => {
                log::error!(error:% = error; "published events are not stored yet");
                ApiError::unavailable("The events could not be stored in time; publish them again")
            }
        })?;
        intake.find_places(&mut verdicts).await;
        // Who found no room may find some with the same request later.
        let is_final = !verdicts.iter().any(|verdict| verdict.status.is_temporary());
        let verdicts = Verdicts { results: verdicts.into_iter().map(VerdictBody::from).collect() };
        Ok(Answer { body: json(&verdicts)?, is_final })
    };
    idempotency::once(&request, &state, OPERATOR, &body, work).await
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

impl From<Verdict> for VerdictBody {
    fn from(Verdict { id, orchestrator, status }: Verdict) -> Self {
        let word = status.word();
        let (sessions, position, expires_at, reason) = match status {
            Status::Delivered { sessions } => (sessions, None, None, None),
            Status::Queued { position, expires_at } => (Vec::new(), position, Some(expires_at), None),
            Status::Duplicate => (Vec::new(), None, None, None),
            Status::Rejected(rejection) => (Vec::new(), None, None, Some(rejection.to_string())),
        };
        Self { id, orchestrator_id: orchestrator, status: word, sessions, position, expires_at, reason }
    }
}

//! Events that were given up: why, after what, and what becomes of them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::Done,
    paging::{List, Paging, flag, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    domain::{
        attempt::{Attempt, Ended},
        clock::Timestamp,
    },
    http::{HttpState, error::ApiError},
    store::accounts::dead_letters::{DeadLetter, DeadLetterFilter, FullDeadLetter},
};

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLetterQuery {
    /// Those of this orchestrator.
    orchestrator_id: Option<String>,
    /// Those of this organization.
    organization_id: Option<String>,
    /// Those of this event.
    event_id: Option<String>,
    /// Those that were given up for this reason: `max_attempts`, `rejected`, `crash_loop`,
    /// `unreadable` or `unsealed`.
    reason: Option<String>,
    /// Those that were put back into their queue, or those that were not.
    #[param(value_type = Option<bool>)]
    redriven: Option<String>,
}

/// List dead letters
///
/// Events that were given up, latest first. They are here within seconds, and for 30 days; of one
/// orchestrator the latest 1000.
#[utoipa::path(
    get, path = "/api/admin/dead-letters", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(DeadLetterQuery, Paging),
    responses(
        (status = 200, description = "Dead letters, without their events", body = List<DeadLetter>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<DeadLetterQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = DeadLetterFilter {
        orchestrator: given(query.orchestrator_id),
        organization: given(query.organization_id),
        event: given(query.event_id),
        reason: given(query.reason),
        redriven: flag("redriven", query.redriven.as_deref())?,
    };
    let page = state.database(move |database| database.dead_letters(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}

/// A delivery that ended without an acknowledgement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailedDelivery {
    /// Which, counted from 1.
    attempt: u32,
    /// When the event was sent.
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    daemon_id: String,
    connection_id: String,
    outcome: DeliveryOutcome,
    /// What the daemon said about it.
    reason: Option<String>,
}

/// How a delivery ended: without an answer in time, with a refusal, with the connection, or with a
/// connection that broke within seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeliveryOutcome {
    TimedOut,
    Refused,
    Disconnected,
    Crashed,
}

impl From<Ended> for DeliveryOutcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => Self::TimedOut,
            Ended::Refused => Self::Refused,
            Ended::Disconnected => Self::Disconnected,
            Ended::Crashed => Self::Crashed,
        }
    }
}

impl From<Attempt> for FailedDelivery {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            sent_at: attempt.sent_at,
            daemon_id: attempt.daemon_id.to_string(),
            connection_id: attempt.connection_id.to_string(),
            outcome: attempt.outcome.into(),
            reason: attempt.reason.map(String::from),
        }
    }
}

/// A dead letter with all that is known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetterAnswer {
    #[serde(flatten)]
    letter: DeadLetter,
    /// How the deliveries ended, oldest first, the latest 10.
    history: Vec<FailedDelivery>,
    /// The whole event; nothing when what was in the queue is no JSON.
    #[schema(value_type = Option<Object>)]
    event: Option<Box<RawValue>>,
}

impl From<FullDeadLetter> for DeadLetterAnswer {
    fn from(full: FullDeadLetter) -> Self {
        let is_object = full.body.starts_with('{');
        Self {
            letter: full.letter,
            history: full.history.into_iter().map(FailedDelivery::from).collect(),
            event: RawValue::from_string(full.body).ok().filter(|_| is_object),
        }
    }
}

/// Look at a dead letter
#[utoipa::path(
    get, path = "/api/admin/dead-letters/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The dead letter", body = DeadLetterAnswer),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let found = state.database(move |database| database.dead_letter(&path, scope.as_ref())).await?;
    Ok(HttpResponse::Ok().json(DeadLetterAnswer::from(found.ok_or_else(ApiError::not_found)?)))
}

/// Delete a dead letter
#[utoipa::path(
    delete, path = "/api/admin/dead-letters/{id}", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Deleted", body = Done), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn delete(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let deleted = changer.change(&state, move |database, scope, _| {
        let deleted = database.delete_dead_letter(&path, scope)?;
        let deed = deleted.as_ref().map(|letter| deed("dead_letter.delete", letter));
        Ok((deleted, deed))
    });
    deleted.await?.ok_or_else(ApiError::not_found)?;
    Ok(Done::response())
}

/// What was done to a dead letter.
pub(super) fn deed(action: &'static str, letter: &DeadLetter) -> Deed {
    let deed = Deed::new(action, "dead_letter", &letter.id).with(serde_json::json!({
        "orchestratorId": letter.orchestrator_id,
        "eventId": letter.event_id,
        "reason": letter.reason,
    }));
    match &letter.organization_id {
        Some(organization) => deed.within(organization),
        None => deed,
    }
}

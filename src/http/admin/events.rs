//! What became of an event.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    paging::given,
    record::viewer,
    timeline::{Place, Target, Ways},
};
use crate::{
    backplane::trail::{EventTrail as _, Whereabouts},
    domain::{
        clock::now,
        event::Event,
        ids::{EventId, OrchestratorId, OrganizationId},
    },
    http::{HttpState, error::ApiError},
};

/// How many orchestrators are shown at most.
const MAX_TARGETS: usize = 1000;

/// Which of an event's ways.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// The one to this orchestrator.
    orchestrator_id: Option<String>,
}

/// What is known of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTimeline {
    event_id: String,
    /// Its way to each orchestrator, 1000 at most.
    targets: Vec<Target>,
    /// Whether there are more of them.
    truncated: bool,
}

/// Look at the way of an event
///
/// To each orchestrator that it was for: what happened to it and when, as far as that is kept: while it
/// waits; its end among the latest 100,000 of its organization; as long as its dead letter is there.
#[utoipa::path(
    get, path = "/api/admin/events/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path), EventQuery),
    responses(
        (status = 200, description = "Its timeline", body = EventTimeline),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    query: web::Query<EventQuery>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let event = EventId::parse(&path).map_err(|_| ApiError::not_found())?;
    let named = given(query.into_inner().orchestrator_id).map(|id| OrchestratorId::parse(&id)).transpose();
    let named = named.map_err(|problem| ApiError::field("orchestratorId", problem.to_string()))?;
    // What was accepted a moment ago is on its way into the queue.
    state.shared().queue.durable().await.map_err(|error| {
        log::warn!(error:% = error; "a queue cannot be looked into");
        ApiError::unavailable("The hub cannot do this right now; try again")
    })?;
    let backplane = &state.shared().backplane;
    let waiting = backplane.whereabouts(&event, named.as_ref()).await?;
    let receipts = backplane.receipts(&event, scope.as_ref()).await?;
    let orchestrators: Vec<OrchestratorId> =
        waiting.iter().map(|place| place.orchestrator.clone()).take(MAX_TARGETS + 1).collect();
    let (asked, of, within) = (event.to_string(), named.as_ref().map(ToString::to_string), scope.clone());
    let known = state.database(move |database| {
        let ids: Vec<&str> = orchestrators.iter().map(OrchestratorId::as_str).collect();
        let homes = database.organizations_of(&ids)?;
        Ok((homes, database.dead_letters_of_event(&asked, of.as_deref(), within.as_ref())?))
    });
    let (homes, letters) = known.await?;

    let mut ways = Ways::default();
    for (letter, history) in letters {
        ways.died(letter, history);
    }
    let is_named = |orchestrator: &OrchestratorId| named.as_ref().is_none_or(|named| named == orchestrator);
    for receipt in receipts.into_iter().filter(|receipt| is_named(&receipt.orchestrator)) {
        ways.ended(receipt);
    }
    for place in waiting.into_iter().filter_map(|at| visible(at, &homes, scope.as_ref())) {
        ways.waits(place);
    }
    let mut targets = ways.finish();
    if targets.is_empty() {
        return Err(ApiError::not_found());
    }
    let truncated = targets.len() > MAX_TARGETS;
    targets.truncate(MAX_TARGETS);
    Ok(HttpResponse::Ok().json(EventTimeline { event_id: event.to_string(), targets, truncated }))
}

/// A place that the caller may see: everywhere for the operator; for a tenant, where an orchestrator of
/// its own waits for what names no other organization.
fn visible(
    at: Whereabouts,
    homes: &HashMap<String, String>,
    scope: Option<&OrganizationId>,
) -> Option<Place> {
    let event = Event::from_body(&at.body, &at.orchestrator, now().wall).ok();
    let home = homes.get(at.orchestrator.as_str());
    let named = event.as_ref().and_then(|event| event.organization.as_ref());
    let is_own = |scope: &OrganizationId| {
        home.is_some_and(|home| home == scope.as_str()) && named.is_none_or(|named| named == scope)
    };
    scope.is_none_or(is_own).then(|| Place {
        organization: named.map(ToString::to_string).or_else(|| home.cloned()),
        expires_at: event.as_ref().and_then(|event| event.expires_at),
        at,
    })
}

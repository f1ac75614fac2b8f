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
    backplane::trail::{Among, EventTrail as _, Whereabouts},
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
    /// Those that this organization may see.
    organization_id: Option<String>,
}

/// What is known of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTimeline {
    event_id: String,
    /// Its way to each orchestrator, 1000 at most.
    targets: Vec<Target>,
    /// Whether there may be more of them, or more may have happened on them: there are more than 1000, or
    /// there are more receipts than are looked through. Then ask with `organizationId`.
    truncated: bool,
}

/// Look at the way of an event
///
/// To each orchestrator that it was for: what happened to it and when, as far as that is kept: while it
/// waits; its end among the latest 100,000 of its organization; as long as its dead letter is there.
/// For an operator who names no organization, at most 200,000 receipts of all organizations are looked
/// through, the latest of each first; where that was not all, `truncated` says so, also if nothing was found.
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
    let EventQuery { orchestrator_id, organization_id } = query.into_inner();
    let named = given(orchestrator_id).map(|id| OrchestratorId::parse(&id)).transpose();
    let named = named.map_err(|problem| ApiError::field("orchestratorId", problem.to_string()))?;
    let within = given(organization_id).map(|id| OrganizationId::parse(&id)).transpose();
    let within = within.map_err(|problem| ApiError::field("organizationId", problem.to_string()))?;
    let scope = match (scope, within) {
        (Some(own), Some(within)) if own != within => return Err(ApiError::not_found()),
        (own, within) => own.or(within),
    };
    // What was accepted a moment ago is on its way into the queue.
    state.shared().queue.durable().await.map_err(|error| {
        log::warn!(error:% = error; "a queue cannot be looked into");
        ApiError::unavailable("The hub cannot do this right now; try again")
    })?;
    let backplane = &state.shared().backplane;
    let waiting = backplane.whereabouts(&event, named.as_ref()).await?;
    let home = match (&scope, named.clone()) {
        (None, Some(named)) => home_of(&state, named).await?,
        _ => None,
    };
    let among = match &scope {
        Some(organization) => Among::Organization(organization),
        None => Among::Everybody { first: home.as_ref() },
    };
    let receipts = backplane.receipts(&event, among).await?;
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
    for receipt in receipts.found.into_iter().filter(|receipt| is_named(&receipt.orchestrator)) {
        ways.ended(receipt);
    }
    for place in waiting.into_iter().filter_map(|at| visible(at, &homes, scope.as_ref())) {
        ways.waits(place);
    }
    let mut targets = ways.finish();
    if targets.is_empty() && !receipts.truncated {
        return Err(ApiError::not_found());
    }
    let truncated = receipts.truncated || targets.len() > MAX_TARGETS;
    targets.truncate(MAX_TARGETS);
    Ok(HttpResponse::Ok().json(EventTimeline { event_id: event.to_string(), targets, truncated }))
}

/// The organization of an orchestrator that has an account: most of its receipts are there.
async fn home_of(
    state: &web::Data<HttpState>,
    orchestrator: OrchestratorId,
) -> Result<Option<OrganizationId>, ApiError> {
    let homes = state.database(move |database| database.organizations_of(&[orchestrator.as_str()])).await?;
    Ok(homes.into_values().next().and_then(|home| OrganizationId::parse(&home).ok()))
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

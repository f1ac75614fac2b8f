//! What waits for an orchestrator, and the books of its queue.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use utoipa::ToSchema;

use super::{
    orchestrators::visible,
    paging::{List, Paging},
    record::{Changer, Deed, viewer},
};
use crate::{
    backplane::{
        books::Books as _,
        inspection::{Inspection as _, QueueCursor, QueuedEvent},
    },
    domain::{
        clock::Timestamp,
        envelope::{Context, Published},
        ids::{OrchestratorId, OrganizationId},
    },
    http::{HttpState, error::ApiError},
};

/// An event that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WaitingEvent {
    id: String,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    priority: i32,
    /// How often it was sent to a daemon that is connected now.
    attempts: u32,
    /// The whole event, its payload included.
    #[schema(value_type = Option<Object>)]
    event: Option<Box<RawValue>>,
}

impl From<&QueuedEvent> for WaitingEvent {
    fn from(queued: &QueuedEvent) -> Self {
        Self {
            id: queued.id.to_string(),
            time: queued.time,
            priority: queued.priority,
            attempts: queued.attempts,
            event: serde_json::from_slice(&queued.body).ok(),
        }
    }
}

/// Look into the queue of an orchestrator
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/queue", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), Paging),
    responses(
        (status = 200, description = "Events, oldest first", body = List<WaitingEvent>),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let (limit, after) = (paging.size()?, paging.after(QueueCursor::parse)?);
    let (orchestrator, _) = visible(&state, &path, scope.clone()).await?;
    let backplane = &state.shared().backplane;
    let mut events = backplane.queue_page(&orchestrator, after, limit.saturating_add(1)).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| last.cursor.to_string());
    // An event may name another organization, whatever orchestrator it waits for.
    let shown = events.iter().filter(|queued| {
        names(queued, &orchestrator).is_none_or(|named| scope.as_ref().is_none_or(|scope| *scope == named))
    });
    Ok(HttpResponse::Ok().json(List::new(shown.map(WaitingEvent::from).collect(), next)))
}

/// The organization that an event names.
fn names(queued: &QueuedEvent, orchestrator: &OrchestratorId) -> Option<OrganizationId> {
    let context = Context { orchestrator: Some(orchestrator.clone()), ..Context::default() };
    Published::parse(&queued.body, &context, queued.time).ok()?.event.organization
}

/// The queue is empty now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    success: bool,
    /// How many events were dropped.
    purged: u64,
}

/// Empty the queue of an orchestrator
///
/// What waits is dropped, and counted as dropped.
#[utoipa::path(
    delete, path = "/api/admin/orchestrators/{id}/queue", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Emptied", body = Purged), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn purge(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (orchestrator, account) = visible(&state, &path, changer.organization().cloned()).await?;
    // What was accepted a moment ago is on its way into the queue, and would be there afterwards.
    state.shared().queue.durable().await.map_err(|error| {
        log::warn!(error:% = error; "a queue cannot be emptied");
        ApiError::unavailable("The queue cannot be written; try again")
    })?;
    let purged = state.shared().backplane.purge(&orchestrator).await?;
    let deed = Deed::new("queue.purge", "orchestrator", orchestrator.as_str());
    let deed = deed.with(json!({ "purged": purged }));
    let deed = match account {
        Some(account) => deed.within(account.organization_id),
        None => deed,
    };
    changer.note(&state, deed).await;
    Ok(HttpResponse::Ok().json(Purged { success: true, purged }))
}

/// The books of a queue: what was accepted is all the rest together.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerAnswer {
    accepted: u64,
    acknowledged: u64,
    expired: u64,
    dropped: u64,
    dead: u64,
    /// What waits now, in flight or not.
    queued: u64,
    /// By how much they do not balance: always 0.
    imbalance: i64,
}

/// Look at the books of an orchestrator's queue
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/queue/ledger", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "The books", body = LedgerAnswer),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn ledger(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let (orchestrator, _) = visible(&state, &path, scope).await?;
    let audited = state.shared().backplane.audit(std::slice::from_ref(&orchestrator)).await?;
    let books = audited.into_iter().next().unwrap_or_default();
    Ok(HttpResponse::Ok().json(LedgerAnswer {
        accepted: books.accepted,
        acknowledged: books.acknowledged,
        expired: books.expired,
        dropped: books.dropped,
        dead: books.dead,
        queued: books.queued,
        imbalance: books.imbalance(),
    }))
}

//! Putting dead letters back into their queues.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    dead_letters::deed,
    fields::read,
    orchestrators::visible,
    record::{Changer, Deed},
};
use crate::{
    actors::redrive::{self, RedriveError, Unfit},
    domain::{
        attempt::Cause,
        ids::{OrchestratorId, OrganizationId},
    },
    http::{
        HttpState,
        error::{ApiError, Code},
        input::Input,
    },
    store::accounts::dead_letters::DeadLetter,
};

/// How many letters are read at once; one may be a megabyte.
const CHUNK: usize = 32;

impl From<RedriveError> for ApiError {
    fn from(error: RedriveError) -> Self {
        match error {
            RedriveError::QueueFull => Self::new(Code::Conflict, "Its queue is full; empty it, or wait")
                .with_details(json!({ "field": "queue" })),
            RedriveError::Store(error) => error.into(),
            RedriveError::Backplane(error) => error.into(),
            RedriveError::Buffer(_) | RedriveError::Queue(_) => {
                log::warn!(error:% = error; "a dead letter cannot be put back");
                Self::unavailable("The queue cannot be written; try again")
            }
            RedriveError::Unwritable => {
                log::error!(error:% = error; "a dead letter cannot be put back");
                Self::new(Code::Internal, "Internal error")
            }
        }
    }
}

impl From<Unfit> for ApiError {
    fn from(unfit: Unfit) -> Self {
        let field = match unfit {
            Unfit::Redriven => "redrivenAt",
            Unfit::Unreadable => "event",
            Unfit::Expired => "expiresAt",
        };
        Self::new(Code::Conflict, unfit.to_string()).with_details(json!({ "field": field }))
    }
}

/// Put a dead letter back into its queue
///
/// Its event waits as if it were new, with no attempts, and daemons that are connected get it at once.
/// 409 when it was put back before, cannot be read, has expired, or the queue is full.
#[utoipa::path(
    post, path = "/api/admin/dead-letters/{id}/redrive", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "It waits again", body = DeadLetter),
        (status = 401), (status = 403), (status = 404), (status = 409),
    )
)]
pub(super) async fn one(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (id, scope) = (path.into_inner(), changer.organization().cloned());
    let asked = id.clone();
    let found = state.database(move |database| database.dead_letter(&asked, scope.as_ref())).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let event = redrive::event_of(&found)?;
    let orchestrator = event.orchestrator.clone();
    let letters = vec![(id.clone(), event)];
    redrive::redrive(state.shared(), &state.database, &orchestrator, letters, true).await?;
    changer.note(&state, deed("dead_letter.redrive", &found.letter)).await;
    let marked = state.database(move |database| database.dead_letter(&id, None)).await?;
    Ok(HttpResponse::Ok().json(marked.map_or(found.letter, |marked| marked.letter)))
}

/// Which dead letters to put back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedriveRequest {
    /// Those of this orchestrator.
    #[schema(min_length = 1, max_length = 128)]
    orchestrator_id: String,
    /// Those that were given up for this reason; when left out, for any but `unsealed`.
    #[schema(min_length = 1, max_length = 64)]
    reason: Option<String>,
    /// At most so many, oldest first; 100 when left out.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl Input for RedriveRequest {}

/// What was put back.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedriveAnswer {
    success: bool,
    /// How many wait again.
    redriven: usize,
    /// How many stay because they cannot be read or have expired.
    skipped: usize,
    /// How many are left that were not looked at: the limit was reached, or the queue is full.
    remaining: usize,
}

/// Put dead letters of an orchestrator back into its queue
///
/// Oldest first, and no more than the queue takes without dropping what waits there.
#[utoipa::path(
    post, path = "/api/admin/dead-letters/redrive", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), request_body = RedriveRequest,
    responses(
        (status = 200, description = "They wait again", body = RedriveAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413),
    )
)]
pub(super) async fn many(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<RedriveRequest>(&state, payload).await?;
    let (orchestrator, account) =
        visible(&state, &body.orchestrator_id, changer.organization().cloned()).await?;
    let limit = usize::try_from(body.limit.unwrap_or(100)).unwrap_or(1);
    let mut batch = Batch {
        orchestrator,
        scope: changer.organization().cloned(),
        vouched: body.reason.as_deref() == Some(Cause::Unsealed.as_str()),
        answer: RedriveAnswer { success: true, ..RedriveAnswer::default() },
    };
    let done = batch.run(&state, body.reason.clone(), limit).await;
    let deed = Deed::new("dead_letter.redrive_all", "orchestrator", batch.orchestrator.as_str());
    let deed = deed.with(json!({ "redriven": batch.answer.redriven, "reason": body.reason }));
    let deed = match account {
        Some(account) => deed.within(account.organization_id),
        None => deed,
    };
    // Some may wait again although others could not be put back.
    changer.note(&state, deed).await;
    done?;
    Ok(HttpResponse::Ok().json(batch.answer))
}

/// Dead letters of one orchestrator on their way back.
struct Batch {
    orchestrator: OrchestratorId,
    scope: Option<OrganizationId>,
    /// Whether it was asked for what no hub had taken in: then whoever asks answers for it.
    vouched: bool,
    answer: RedriveAnswer,
}

impl Batch {
    async fn run(&mut self, state: &HttpState, reason: Option<String>, limit: usize) -> Result<(), ApiError> {
        let (name, scope) = (self.orchestrator.to_string(), self.scope.clone());
        let ids =
            state.database(move |database| database.redrivable(&name, reason.as_deref(), scope.as_ref()));
        let mut waiting = ids.await?.into_iter();
        let room = redrive::room(state.shared(), &self.orchestrator).await?.min(limit);
        loop {
            let wanted = room.saturating_sub(self.answer.redriven).min(CHUNK);
            let ids: Vec<String> = waiting.by_ref().take(wanted).collect();
            self.answer.remaining = waiting.len();
            if ids.is_empty() {
                return Ok(());
            }
            self.put_back(state, ids).await?;
        }
    }

    async fn put_back(&mut self, state: &HttpState, ids: Vec<String>) -> Result<(), ApiError> {
        let scope = self.scope.clone();
        let read = state.database(move |database| {
            let letters = ids.iter().map(|id| database.dead_letter(id, scope.as_ref()));
            letters.collect::<Result<Vec<_>, _>>()
        });
        let mut fit = Vec::with_capacity(CHUNK);
        for letter in read.await?.into_iter().flatten() {
            match redrive::event_of(&letter) {
                Ok(event) => fit.push((letter.letter.id, event)),
                Err(_) => self.answer.skipped = self.answer.skipped.saturating_add(1),
            }
        }
        let count = fit.len();
        redrive::redrive(state.shared(), &state.database, &self.orchestrator, fit, self.vouched).await?;
        self.answer.redriven = self.answer.redriven.saturating_add(count);
        Ok(())
    }
}

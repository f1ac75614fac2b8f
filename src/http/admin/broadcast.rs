//! System events for everybody.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    fields::read,
    record::{Changer, Deed},
};
use crate::{
    actors::messages::{Forget, Origin, Publish},
    backplane::inspection::Inspection as _,
    domain::{
        clock::now,
        event::Event,
        ids::{ConnectionId, OrchestratorId, OrganizationId},
        notice::Notice,
    },
    http::{HttpState, error::ApiError, input::Input},
    store::accounts::{
        orchestrators::OrchestratorFilter,
        page::{Cursor, MAX_PAGE, PageRequest},
    },
};

/// How many connections are asked for at once.
const CONNECTIONS: usize = 500;
/// The most bytes of data: it is stored once per orchestrator.
const MAX_DATA_BYTES: usize = 16 * 1024;

/// A system event to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BroadcastRequest {
    /// To every orchestrator of this organization; to all of them when left out, for the operator.
    #[schema(min_length = 1, max_length = 128)]
    organization_id: Option<String>,
    /// Such as `system.maintenance`.
    #[serde(rename = "type")]
    #[schema(min_length = 8, max_length = 64, pattern = "^system\\.[A-Za-z0-9._-]+$")]
    kind: String,
    /// What daemons get as data, up to 16 KiB; `broadcastId` is added.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
    /// Whether it waits for daemons that are away, until they acknowledge it.
    requires_ack: Option<bool>,
    priority: Option<i32>,
}

impl Input for BroadcastRequest {}

/// What was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BroadcastAnswer {
    /// By which it is known; the ids of its events begin with it.
    id: String,
    /// To how many orchestrators.
    orchestrators: usize,
}

/// Orchestrators, each with the tenant that an event for it belongs to.
type Addressees = BTreeMap<OrchestratorId, Option<OrganizationId>>;

struct Broadcast {
    id: String,
    kind: String,
    payload: Value,
    requires_ack: bool,
    priority: i32,
}

impl Broadcast {
    fn event(&self, orchestrator: &OrchestratorId, organization: Option<&OrganizationId>) -> Option<Event> {
        let payload = self.payload.clone();
        let notice =
            Notice { kind: &self.kind, orchestrator, organization, channel: None, payload, at: now().wall };
        if self.requires_ack {
            notice.lasting(&format!("{}_{orchestrator}", self.id), self.priority)
        } else {
            notice.event()
        }
    }
}

/// Send a system event to all
///
/// To every orchestrator that has an account and is not disabled, and to those without an account that
/// are connected now. Daemons get it if they are subscribed to it.
#[utoipa::path(
    post, path = "/api/admin/broadcast", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    request_body = BroadcastRequest,
    responses(
        (status = 200, description = "Sent", body = BroadcastAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn send(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (body, _) = read::<BroadcastRequest>(&state, payload).await?;
    let home = home(&state, &changer, body.organization_id).await?;
    let mut data = body.data.unwrap_or_default();
    let id = format!("evt_broadcast_{}", Uuid::new_v4().simple());
    data.insert("broadcastId".to_owned(), id.as_str().into());
    let payload = Value::Object(data);
    if payload.to_string().len() > MAX_DATA_BYTES {
        return Err(ApiError::field("data", "must be at most 16 KiB"));
    }
    let broadcast = Broadcast {
        id,
        kind: body.kind,
        payload,
        requires_ack: body.requires_ack.unwrap_or(false),
        priority: body.priority.unwrap_or(0),
    };
    if !state.shared().state.is_backplane_up() {
        return Err(ApiError::unavailable("The backplane is unavailable; nothing was sent"));
    }
    // Whoever is connected first: so nobody is addressed twice who has an account as well.
    let mut strangers = connected(&state, home.as_ref()).await?;
    let mut orchestrators = 0;
    let filter = OrchestratorFilter {
        organization: home.as_ref().map(ToString::to_string),
        disabled: Some(false),
        ..OrchestratorFilter::default()
    };
    let mut after: Option<Cursor> = None;
    loop {
        let (filter, page) = (filter.clone(), PageRequest::new(MAX_PAGE, after));
        let page = state.database(move |database| database.orchestrators(&filter, None, &page)).await?;
        let mut addressees = Addressees::new();
        for account in &page.items {
            let Ok(orchestrator) = OrchestratorId::parse(&account.id) else { continue };
            strangers.remove(&orchestrator);
            addressees.insert(orchestrator, OrganizationId::parse(&account.organization_id).ok());
        }
        orchestrators += publish(&state, &broadcast, &addressees).await?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    orchestrators += publish(&state, &broadcast, &without_account(&state, strangers).await?).await?;
    let deed = Deed::new("broadcast.send", "broadcast", &broadcast.id);
    let about = json!({ "type": broadcast.kind, "orchestrators": orchestrators });
    let deed = match home {
        Some(home) => deed.within(home.as_str()),
        None => deed,
    };
    changer.note(&state, deed.with(about)).await;
    Ok(HttpResponse::Ok().json(BroadcastAnswer { id: broadcast.id, orchestrators }))
}

/// The only organization that is addressed.
///
/// # Errors
/// 404 for one that does not exist, as far as the caller may know.
async fn home(
    state: &HttpState,
    changer: &Changer,
    named: Option<String>,
) -> Result<Option<OrganizationId>, ApiError> {
    let Some(named) = named else { return Ok(changer.organization().cloned()) };
    let scope = changer.organization().cloned();
    let home = OrganizationId::parse(&named).map_err(|_| ApiError::not_found())?;
    let found = state.database(move |database| database.organization(&named, scope.as_ref())).await?;
    found.map(|_| Some(home)).ok_or_else(ApiError::not_found)
}

/// Who is connected now, on any hub.
async fn connected(state: &HttpState, home: Option<&OrganizationId>) -> Result<Addressees, ApiError> {
    let mut found = Addressees::new();
    let mut after: Option<ConnectionId> = None;
    loop {
        let views = state.shared().backplane.connections(None, after, CONNECTIONS).await?;
        after = views.last().map(|view| view.id).filter(|_| views.len() == CONNECTIONS);
        for view in views {
            if home.is_none() || view.organization.as_ref() == home {
                found.insert(view.orchestrator, view.organization);
            }
        }
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Those who have no account anywhere: one that has, and was not addressed, is another tenant's or
/// disabled.
async fn without_account(state: &HttpState, strangers: Addressees) -> Result<Addressees, ApiError> {
    let left = state.database(move |database| {
        let mut left = Addressees::new();
        for (orchestrator, organization) in strangers {
            if database.orchestrator(orchestrator.as_str(), None)?.is_none() {
                left.insert(orchestrator, organization);
            }
        }
        Ok(left)
    });
    left.await
}

/// Sends the event to each; how many there were.
async fn publish(
    state: &HttpState,
    broadcast: &Broadcast,
    addressees: &Addressees,
) -> Result<usize, ApiError> {
    let events: Vec<Event> = addressees
        .iter()
        .filter_map(|(orchestrator, organization)| broadcast.event(orchestrator, organization.as_ref()))
        .collect();
    if events.is_empty() {
        return Ok(0);
    }
    let kept: Vec<_> = events.iter().map(|event| (event.orchestrator.clone(), event.id.clone())).collect();
    let sent = state.services.router.send(Publish { events, origin: Origin::Direct }).await;
    sent.map_err(|_| ApiError::unavailable("The router is starting again; not everybody was addressed"))?;
    if !broadcast.requires_ack {
        return Ok(kept.len());
    }
    let unwritable = state.shared().queue.durable().await.map_err(|error| {
        log::error!(error:% = error; "a broadcast is not stored yet");
        ApiError::unavailable("The events could not be stored in time; send it again")
    })?;
    let (lost, stored): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|(orchestrator, _)| unwritable.contains(orchestrator));
    if !lost.is_empty() {
        log::error!(orchestrators = lost.len(); "the queues of some orchestrators cannot be written");
        state.services.router.do_send(Forget(lost));
    }
    Ok(stored.len())
}

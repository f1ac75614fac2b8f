//! Connections of all hubs.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::Done,
    orchestrators::visible,
    paging::{List, Paging, given},
    record::{Changer, Deed, viewer},
};
use crate::{
    actors::revocation,
    backplane::inspection::{ConnectionView, Inspection as _},
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, OrganizationId},
    },
    http::{HttpState, error::ApiError},
    protocol::server_frame::Blocked,
};

/// How many connections are looked through at once for those of a tenant.
const BATCH: usize = 500;
/// How often one request does so; whoever wants more follows the cursor.
const BATCHES: usize = 20;

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection {
    id: String,
    /// The hub that holds it.
    node_id: String,
    orchestrator_id: String,
    daemon_id: String,
    session_id: String,
    organization_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    connected_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_heartbeat: Timestamp,
    /// How many events are in flight, if this hub holds the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<usize>,
    /// Why what waits is not sent, if it is not and this hub holds the connection: `window`, `slow_peer`,
    /// `paused`, `draining` or `quarantine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<&'static str>,
}

impl Connection {
    /// A connection, with how events flow to it if this hub holds it.
    pub(super) fn of(view: ConnectionView, state: &HttpState) -> Self {
        let flow = state.shared().connections.get(view.id).map(|handle| handle.flow());
        Self {
            id: view.id.to_string(),
            node_id: view.node.to_string(),
            orchestrator_id: view.orchestrator.to_string(),
            daemon_id: view.daemon.to_string(),
            session_id: view.session.to_string(),
            organization_id: view.organization.map(|id| id.to_string()),
            connected_at: view.connected_at,
            last_heartbeat: view.last_heartbeat,
            in_flight: flow.map(|flow| flow.in_flight),
            blocked_reason: flow.and_then(|flow| flow.blocked).map(Blocked::as_str),
        }
    }
}

/// Whether a tenant may see a connection: its orchestrator is the tenant's, and its token says nothing
/// else.
///
/// # Errors
/// 503 when the database is away.
async fn belongs(
    state: &HttpState,
    view: &ConnectionView,
    organization: &OrganizationId,
) -> Result<bool, ApiError> {
    if view.organization.as_ref().is_some_and(|said| said != organization) {
        return Ok(false);
    }
    let account = state.account(&view.orchestrator).await?;
    Ok(account.is_some_and(|account| account.organization == *organization))
}

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ConnectionQuery {
    /// Those of this orchestrator.
    orchestrator_id: Option<String>,
}

/// List connections
#[utoipa::path(
    get, path = "/api/admin/connections", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(ConnectionQuery, Paging),
    responses(
        (status = 200, description = "Connections, in the order of their ids", body = List<Connection>),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<ConnectionQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let limit = paging.size()?;
    let mut after = paging.after(|text| ConnectionId::parse(text).ok())?;
    let orchestrator = match given(query.into_inner().orchestrator_id) {
        Some(id) => Some(visible(&state, &id, scope.clone()).await?.0),
        None => None,
    };
    let backplane = &state.shared().backplane;
    let mut items: Vec<ConnectionView> = Vec::with_capacity(limit);
    let mut more = true;
    for _ in 0..BATCHES {
        let asked = if scope.is_some() { BATCH } else { limit.saturating_add(1) };
        let batch = backplane.connections(orchestrator.as_ref(), after, asked).await?;
        more = batch.len() == asked;
        for view in batch {
            if items.len() == limit {
                more = true;
                break;
            }
            after = Some(view.id);
            let own = match &scope {
                Some(organization) => belongs(&state, &view, organization).await?,
                None => true,
            };
            if own {
                items.push(view);
            }
        }
        if items.len() == limit || !more {
            break;
        }
    }
    let next = after.filter(|_| more).map(|id| id.to_string());
    let items = items.into_iter().map(|view| Connection::of(view, &state)).collect();
    Ok(HttpResponse::Ok().json(List::new(items, next)))
}

/// The connection that a path names.
///
/// # Errors
/// 404.
async fn find(
    state: &HttpState,
    id: &str,
    scope: Option<&OrganizationId>,
) -> Result<ConnectionView, ApiError> {
    let id = ConnectionId::parse(id).map_err(|_| ApiError::not_found())?;
    let view = state.shared().backplane.connection(id).await?.ok_or_else(ApiError::not_found)?;
    match scope {
        Some(organization) if !belongs(state, &view, organization).await? => Err(ApiError::not_found()),
        _ => Ok(view),
    }
}

/// Look at a connection
#[utoipa::path(
    get, path = "/api/admin/connections/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The connection", body = Connection),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let view = find(&state, &path, scope.as_ref()).await?;
    Ok(HttpResponse::Ok().json(Connection::of(view, &state)))
}

/// Close a connection
///
/// On whichever hub it is. Its daemon may come back at once: revoke its session to keep it away.
#[utoipa::path(
    delete, path = "/api/admin/connections/{id}", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The hub that holds it was told", body = Done),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn disconnect(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let view = find(&state, &path, changer.organization()).await?;
    revocation::disconnect(state.shared(), view.id, "asked for by an administrator").await?;
    let deed = Deed::new("connection.close", "connection", view.id.to_string());
    let deed = deed.with(json!({ "orchestratorId": view.orchestrator, "daemonId": view.daemon }));
    let deed = match view.organization {
        Some(organization) => deed.within(organization.as_str()),
        None => deed,
    };
    changer.note(&state, deed).await;
    Ok(Done::response())
}

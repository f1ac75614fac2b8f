//! How all orchestrators are, at a glance, and one of them in detail.

use std::{collections::VecDeque, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    connections::Connection,
    paging::{List, Paging, given, time},
    record::viewer,
};
use crate::{
    backplane::{
        inspection::Inspection as _,
        queue::EventQueue as _,
        records::{HeartbeatView, Records as _},
        registrations::{Registration, Registrations as _},
    },
    domain::{
        clock::{Timestamp, now},
        health::{self, Health},
        ids::OrchestratorId,
    },
    http::{HttpState, error::ApiError},
    store::accounts::{
        daemons::Daemon,
        orchestrators::{Orchestrator, OrchestratorFilter},
        page::{Cursor, MAX_PAGE, PageRequest},
        uptime::Uptime,
    },
};

/// The span of time that the share of uptime is about.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest span of time that may be asked for.
const LONGEST_SPAN: Duration = Duration::from_secs(366 * 24 * 3600);
/// How many orchestrators are asked about at the same time.
const AT_ONCE: usize = 16;
/// The most connections that are counted; no orchestrator may have as many.
const MOST_CONNECTIONS: usize = 1000;
/// How many pages of the accounts one request looks through for a health; whoever wants more follows
/// the cursor.
const PAGES: usize = 10;

/// Which orchestrators.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct FleetQuery {
    /// Those of this organization.
    organization_id: Option<String>,
    /// Those in this workspace.
    workspace_id: Option<String>,
    /// `ONLINE`, `OFFLINE`, `BUSY` or `AWAY`.
    status: Option<String>,
    /// `healthy`, `degraded`, `unhealthy` or `unknown`.
    health: Option<String>,
    /// Those whose id, role, discipline or user's name contains this.
    text: Option<String>,
}

/// How one orchestrator is. What cannot be read now is left out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetMember {
    orchestrator_id: String,
    organization_id: String,
    workspace_id: Option<String>,
    discipline: String,
    role: String,
    /// `ONLINE`, `OFFLINE`, `BUSY` or `AWAY`.
    status: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    /// `healthy`, `degraded`, `unhealthy` or `unknown`.
    health: &'static str,
    health_details: String,
    /// How many heartbeats are missing; -1 when nobody can say.
    missed_heartbeats: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_heartbeat: Option<Timestamp>,
    /// The version of the daemon that is registered.
    version: Option<String>,
    /// How that process names itself.
    instance_id: Option<String>,
    /// Where it runs.
    host: Option<String>,
    /// What it can do.
    capabilities: Vec<String>,
    /// How many live connections there are, over all hubs.
    connections: Option<usize>,
    /// How many events wait.
    queued: Option<u64>,
    /// The share of the last 24 hours, as far as they were observed, that it was not `OFFLINE`.
    uptime_share: Option<f64>,
}

struct Known {
    orchestrator: Orchestrator,
    health: Health,
    beat: Option<HeartbeatView>,
    registration: Option<Registration>,
    connections: Option<usize>,
    queued: Option<u64>,
    uptime: Option<f64>,
}

impl From<Known> for FleetMember {
    fn from(known: Known) -> Self {
        let Known { orchestrator, health, beat, registration, connections, queued, uptime } = known;
        let registration = registration.as_ref();
        Self {
            orchestrator_id: orchestrator.id,
            organization_id: orchestrator.organization_id,
            workspace_id: orchestrator.workspace_id,
            discipline: orchestrator.discipline,
            role: orchestrator.role,
            status: orchestrator.status,
            disabled_at: orchestrator.disabled_at,
            health: health.status.as_str(),
            health_details: health.details,
            missed_heartbeats: health.missed,
            last_heartbeat: beat.map(|beat| beat.received_at),
            version: registration.map(|daemon| daemon.version.clone()),
            instance_id: registration.map(|daemon| daemon.instance.clone()),
            host: registration.map(|daemon| daemon.host.clone()),
            capabilities: registration.and_then(|daemon| daemon.capabilities.clone()).unwrap_or_default(),
            connections,
            queued,
            uptime_share: uptime,
        }
    }
}

/// Looks at orchestrators, all at once where that is possible. While the backplane is away, what only
/// it knows is left out.
async fn look(
    state: &HttpState,
    orchestrators: Vec<Orchestrator>,
    health: Option<&str>,
) -> Result<Vec<Known>, ApiError> {
    let backplane = &state.shared().backplane;
    let usable = |one: Orchestrator| Some((OrchestratorId::parse(&one.id).ok()?, one));
    let (ids, orchestrators): (Vec<OrchestratorId>, Vec<Orchestrator>) =
        orchestrators.into_iter().filter_map(usable).unzip();
    let (at, interval) = (now().wall, state.config.websocket.heartbeat_interval);
    let beats = backplane.heartbeats_of(&ids).await.ok().map(VecDeque::from);
    let judged = ids.into_iter().zip(orchestrators).scan(beats, |beats, (id, orchestrator)| {
        let (health, beat) = match beats {
            Some(beats) => {
                let beat = beats.pop_front().flatten();
                let seen = beat.as_ref().map(|beat| (beat.received_at, &beat.metrics));
                (health::judge(seen, interval, at), beat)
            }
            None => (health::presume(&orchestrator.status), None),
        };
        Some((id, orchestrator, health, beat))
    });
    let judged: Vec<_> =
        judged.filter(|(_, _, found, _)| health.is_none_or(|word| found.status.as_str() == word)).collect();

    let ids: Vec<OrchestratorId> = judged.iter().map(|(id, ..)| id.clone()).collect();
    let mut depths = VecDeque::from(backplane.depths(&ids).await.unwrap_or_default());
    let mut registrations = VecDeque::from(backplane.registrations(&ids).await.unwrap_or_default());
    let mut connections: VecDeque<Option<usize>> = stream::iter(&ids)
        .map(|id| async move {
            backplane.connections(Some(id), None, MOST_CONNECTIONS).await.ok().map(|views| views.len())
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let names = ids;
    let mut uptimes = state
        .database(move |database| {
            let share = |id: &OrchestratorId| database.uptime(id.as_str(), at.minus(DAY), at);
            names.iter().map(|id| Ok(share(id)?.online_share)).collect::<Result<VecDeque<_>, _>>()
        })
        .await?;
    let known = judged.into_iter().map(|(_, orchestrator, health, beat)| Known {
        orchestrator,
        health,
        beat,
        registration: registrations.pop_front().flatten(),
        connections: connections.pop_front().flatten(),
        queued: depths.pop_front(),
        uptime: uptimes.pop_front().flatten(),
    });
    Ok(known.collect())
}

/// Look at the fleet of orchestrators
#[utoipa::path(
    get, path = "/api/admin/fleet", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(FleetQuery, Paging),
    responses(
        (status = 200, description = "Orchestrators; with a health, a page may hold fewer than asked for",
            body = List<FleetMember>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<FleetQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let (limit, size) = (paging.limit()?, paging.size()?);
    let mut after = paging.after(Cursor::parse)?;
    let query = query.into_inner();
    let health = given(query.health);
    let filter = OrchestratorFilter {
        organization: given(query.organization_id),
        workspace: given(query.workspace_id),
        status: given(query.status),
        text: given(query.text),
        ..OrchestratorFilter::default()
    };
    let mut items: Vec<Known> = Vec::with_capacity(size);
    for _ in 0..PAGES {
        let asked = if health.is_some() { MAX_PAGE } else { limit };
        let (filter, scope) = (filter.clone(), scope.clone());
        let page = PageRequest::new(asked, after);
        let page =
            state.database(move |database| database.orchestrators(&filter, scope.as_ref(), &page)).await?;
        after = page.next;
        let found = look(&state, page.items, health.as_deref()).await?;
        let fits = size.saturating_sub(items.len());
        let more = found.len() > fits;
        items.extend(found.into_iter().take(fits));
        if more && let Some(last) = items.last() {
            after = Some(Cursor { at: last.orchestrator.created_at, id: last.orchestrator.id.clone() });
        }
        if items.len() >= size || after.is_none() {
            break;
        }
    }
    let items = items.into_iter().map(FleetMember::from).collect();
    Ok(HttpResponse::Ok().json(List::new(items, after.map(|cursor| cursor.to_string()))))
}

/// One orchestrator in detail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetDetail {
    #[serde(flatten)]
    member: FleetMember,
    /// What the last heartbeat reported.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Map<String, Value>>,
    /// What the heartbeats before reported, latest first.
    #[schema(value_type = Vec<Object>)]
    metrics_history: Vec<Map<String, Value>>,
    /// The daemon instances that ever registered.
    daemons: Vec<Daemon>,
    live: Vec<Connection>,
    uptime: Uptime,
}

/// Look at one orchestrator in detail
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/fleet", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "How it is", body = FleetDetail),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn detail(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let at = now().wall;
    let asked = state.database(move |database| {
        let Some(orchestrator) = database.orchestrator(&path, scope.as_ref())? else { return Ok(None) };
        let daemons = database.daemons(&path, None)?.unwrap_or_default();
        Ok(Some((orchestrator, daemons, database.uptime(&path, at.minus(DAY), at)?)))
    });
    let (orchestrator, daemons, uptime) = asked.await?.ok_or_else(ApiError::not_found)?;
    let id = OrchestratorId::parse(&orchestrator.id).map_err(|_| ApiError::not_found())?;
    let known = look(&state, vec![orchestrator], None).await?;
    let known = known.into_iter().next().ok_or_else(ApiError::not_found)?;
    let backplane = &state.shared().backplane;
    let live = backplane.connections(Some(&id), None, MOST_CONNECTIONS).await.unwrap_or_default();
    Ok(HttpResponse::Ok().json(FleetDetail {
        metrics: known.beat.as_ref().map(|beat| beat.metrics.clone()),
        member: known.into(),
        metrics_history: backplane.metrics_history(&id).await.unwrap_or_default(),
        daemons,
        live: live.into_iter().map(|view| Connection::of(view, &state)).collect(),
        uptime,
    }))
}

/// Which span of time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UptimeQuery {
    /// 24 hours before `to` when left out.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Now, when left out; never later.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Look at when an orchestrator was there
#[utoipa::path(
    get, path = "/api/admin/orchestrators/{id}/uptime", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), UptimeQuery),
    responses(
        (status = 200, description = "Its periods, oldest first", body = Uptime),
        (status = 400), (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn uptime(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
    query: web::Query<UptimeQuery>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let at = now().wall;
    let to = time("to", query.to.as_deref())?.unwrap_or(at).min(at);
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.minus(DAY));
    if from >= to {
        return Err(ApiError::field("from", "must be before to"));
    }
    if to.since(from) > LONGEST_SPAN {
        return Err(ApiError::field("from", "must be at most 366 days before to"));
    }
    let found = state.database(move |database| match database.orchestrator(&path, scope.as_ref())? {
        Some(_) => database.uptime(&path, from, to).map(Some),
        None => Ok(None),
    });
    Ok(HttpResponse::Ok().json(found.await?.ok_or_else(ApiError::not_found)?))
}

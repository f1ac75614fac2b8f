//! Daemons without an orchestrator, watched with the operator's key (contract 1.24).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    backplane::fleet::{Enrolment, Fleet as _, FleetBeat, FleetDaemon, FleetStatus},
    domain::{
        clock::{Timestamp, now},
        ids::DaemonId,
    },
    http::{
        HttpState,
        caller::{self, presented_key},
        error::{ApiError, Code},
        input::Input,
        limits::counted,
    },
};

/// Whether a request on a path that two kinds of daemons share comes from a fleet daemon.
pub(super) fn is_meant(request: &HttpRequest, body: &Value) -> bool {
    let of_an_orchestrator =
        ["orchestratorId", "vpId", "daemonInfo"].iter().any(|name| body.get(name).is_some());
    presented_key(request).is_some()
        && body.get("daemonId").is_some_and(Value::is_string)
        && !of_an_orchestrator
}

async fn admit(request: &HttpRequest, state: &HttpState) -> Result<(), ApiError> {
    if let Some(address) = state.client(request) {
        state.limits.fleet.count(&counted(address))?;
    }
    caller::operator(request, state).await
}

/// A fleet daemon that registers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetRegisterRequest {
    #[schema(min_length = 1, max_length = 128)]
    daemon_id: String,
    #[schema(max_length = 128)]
    version: String,
    #[schema(max_items = 256)]
    capabilities: Vec<String>,
    /// How often it asks for work, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    poll_interval: serde_json::Number,
    #[schema(format = DateTime)]
    registered_at: String,
}

impl Input for FleetRegisterRequest {}

/// A fleet daemon that is registered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetRegistered {
    success: bool,
    daemon_id: String,
    /// As sent.
    registered_at: String,
}

/// The fleet form of `POST /api/daemon/register`.
pub(super) async fn register(
    request: &HttpRequest,
    state: &HttpState,
    body: Value,
) -> Result<HttpResponse, ApiError> {
    admit(request, state).await?;
    let (body, _) = state.inputs.parse::<FleetRegisterRequest>(body)?;
    let daemon = FleetDaemon {
        id: daemon_id(&body.daemon_id)?,
        version: body.version,
        capabilities: body.capabilities,
        poll_interval: body.poll_interval,
        registered_at: body.registered_at,
        last_heartbeat: now().wall,
        status: FleetStatus::Healthy,
        tasks_processed: 0,
        current_task: None,
    };
    match state.shared().backplane.enroll(&daemon).await? {
        Enrolment::Enrolled => Ok(HttpResponse::Created().json(FleetRegistered {
            success: true,
            daemon_id: body.daemon_id,
            registered_at: daemon.registered_at,
        })),
        Enrolment::Full => Err(ApiError::unavailable("The fleet is full")),
    }
}

fn daemon_id(text: &str) -> Result<DaemonId, ApiError> {
    DaemonId::parse(text).map_err(|error| ApiError::validation(format!("daemonId {error}")))
}

/// A heartbeat of a fleet daemon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetHeartbeatRequest {
    #[schema(min_length = 1, max_length = 128)]
    daemon_id: String,
    status: FleetStatusRequest,
    #[schema(minimum = 0)]
    tasks_processed: u64,
    #[schema(max_length = 512)]
    current_task: Option<String>,
    /// By the daemon's clock; the hub's own counts.
    #[schema(format = DateTime)]
    #[expect(dead_code, reason = "checked, and not believed")]
    last_heartbeat: String,
}

/// How a fleet daemon is.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FleetStatusRequest)]
enum FleetStatusRequest {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Input for FleetHeartbeatRequest {}

/// It was noted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FleetNoted {
    success: bool,
}

/// The fleet form of `POST /api/daemon/heartbeat`.
pub(super) async fn heartbeat(
    request: &HttpRequest,
    state: &HttpState,
    body: Value,
) -> Result<HttpResponse, ApiError> {
    admit(request, state).await?;
    let (body, _) = state.inputs.parse::<FleetHeartbeatRequest>(body)?;
    let beat = FleetBeat {
        id: daemon_id(&body.daemon_id)?,
        status: match body.status {
            FleetStatusRequest::Healthy => FleetStatus::Healthy,
            FleetStatusRequest::Degraded => FleetStatus::Degraded,
            FleetStatusRequest::Unhealthy => FleetStatus::Unhealthy,
        },
        tasks_processed: body.tasks_processed,
        current_task: body.current_task,
        at: now().wall,
    };
    if state.shared().backplane.fleet_heartbeat(&beat).await? {
        Ok(HttpResponse::Ok().json(FleetNoted { success: true }))
    } else {
        Err(ApiError::new(Code::DaemonNotRegistered, "Daemon not registered"))
    }
}

/// One fleet daemon.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetState {
    daemon_id: String,
    version: String,
    capabilities: Vec<String>,
    #[schema(value_type = f64)]
    poll_interval: serde_json::Number,
    registered_at: String,
    #[schema(value_type = String, format = DateTime)]
    last_heartbeat: Timestamp,
    /// `healthy`, `degraded` or `unhealthy`, as it says.
    #[schema(value_type = String)]
    status: FleetStatus,
    tasks_processed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_task: Option<String>,
}

impl From<FleetDaemon> for FleetState {
    fn from(daemon: FleetDaemon) -> Self {
        Self {
            daemon_id: daemon.id.to_string(),
            version: daemon.version,
            capabilities: daemon.capabilities,
            poll_interval: daemon.poll_interval,
            registered_at: daemon.registered_at,
            last_heartbeat: daemon.last_heartbeat,
            status: daemon.status,
            tasks_processed: daemon.tasks_processed,
            current_task: daemon.current_task,
        }
    }
}

/// The fleet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetHealth {
    active_daemons: Vec<FleetState>,
    /// Silent for more than a minute, and less than an hour.
    stale: Vec<FleetState>,
    total_active: usize,
}

/// Look at the fleet
#[utoipa::path(
    get, path = "/api/daemon/health", tag = "fleet", security(("apiKey" = [])),
    responses((status = 200, description = "The fleet", body = FleetHealth), (status = 401))
)]
pub(super) async fn health(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    admit(&request, &state).await?;
    let fleet = state.shared().backplane.fleet(now().wall).await?;
    Ok(HttpResponse::Ok().json(FleetHealth {
        total_active: fleet.active.len(),
        active_daemons: fleet.active.into_iter().map(FleetState::from).collect(),
        stale: fleet.stale.into_iter().map(FleetState::from).collect(),
    }))
}

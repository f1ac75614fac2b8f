//! Registering a daemon, and taking it off the list (contract 1.1, 1.3, 1.22, 1.23).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    credentials::{self, Proof},
    departure,
};
use crate::{
    actors::status_recorder::Because,
    backplane::registrations::{Registered, Registration, Registrations as _},
    domain::{
        clock::{Timestamp, now},
        ids::OrchestratorId,
    },
    http::{
        HttpState,
        caller::{self, Unknown},
        error::{ApiError, Code},
        input::{Input, Naming},
    },
    store::accounts::daemons::NewDaemon,
};

/// A daemon that registers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterDaemonRequest {
    /// Whose daemon; `vpId` is the same.
    #[schema(min_length = 1)]
    orchestrator_id: String,
    /// The orchestrator's organization.
    #[schema(min_length = 1)]
    organization_id: String,
    /// One of the orchestrator's API keys.
    #[schema(min_length = 1)]
    api_key: String,
    daemon_info: DaemonInfo,
}

/// The same on the older path, which has another code for what is wrong with it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = RegisterRequest)]
pub(super) struct RegisterRequest(RegisterDaemonRequest);

/// Where a daemon is, and what it can do.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DaemonInfoRequest)]
pub(super) struct DaemonInfo {
    /// How the process names itself.
    #[schema(min_length = 1, max_length = 128)]
    instance_id: String,
    #[schema(min_length = 1, max_length = 128)]
    version: String,
    #[schema(min_length = 1, max_length = 255)]
    host: String,
    #[schema(minimum = 1, maximum = 65535)]
    port: u16,
    protocol: Protocol,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(max_items = 256)]
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
}

/// How a daemon is called.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProtocolRequest)]
enum Protocol {
    Http,
    Https,
    Ws,
    Wss,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

const WHEN_EMPTY: &[(&str, &str)] = &[
    ("orchestratorId", "Orchestrator ID is required"),
    ("organizationId", "Organization ID is required"),
    ("apiKey", "API key is required"),
    ("instanceId", "Instance ID is required"),
    ("version", "Version is required"),
    ("host", "Host is required"),
];

impl Input for RegisterDaemonRequest {
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] = WHEN_EMPTY;
}

impl Input for RegisterRequest {
    const CODE: Code = Code::RegisterValidation;
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] = WHEN_EMPTY;
}

/// A daemon that is registered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterDaemonAnswer {
    success: bool,
    data: RegisteredDaemon,
    message: &'static str,
}

/// What the hub noted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RegisteredDaemon {
    orchestrator_id: String,
    vp_id: String,
    organization_id: String,
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    /// As sent, with `registeredAt`.
    #[schema(value_type = Object)]
    daemon_info: Value,
    /// How often to send heartbeats, in milliseconds.
    heartbeat_interval: u128,
    health_check_endpoint: String,
}

/// Register a daemon
///
/// The same instance may register again; another one only when the first has been silent for 90 s.
#[utoipa::path(
    post, path = "/api/daemon", tag = "daemon", request_body = RegisterDaemonRequest,
    responses(
        (status = 201, description = "Registered", body = RegisterDaemonAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413),
    )
)]
pub(super) async fn register(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let (body, naming) = state.inputs.read_named::<RegisterDaemonRequest>(payload).await?;
    enter(&request, &state, body, naming).await
}

/// The orchestrator form of `POST /api/daemon/register`, whose body was read already.
pub(super) async fn register_here(
    request: &HttpRequest,
    state: &HttpState,
    body: Value,
) -> Result<HttpResponse, ApiError> {
    let (RegisterRequest(body), naming) = state.inputs.parse(body)?;
    enter(request, state, body, naming).await
}

async fn enter(
    request: &HttpRequest,
    state: &HttpState,
    body: RegisterDaemonRequest,
    naming: Naming,
) -> Result<HttpResponse, ApiError> {
    let named = credentials::Named { orchestrator: Some(&body.orchestrator_id), naming };
    let holder = credentials::verify(request, state, &body.api_key, Proof::Key, named).await?;
    if holder.organization.as_str() != body.organization_id {
        return Err(ApiError::new(Code::Forbidden, "Orchestrator does not belong to this organization"));
    }
    let at = now().wall;
    let info = body.daemon_info;
    let registration = Registration {
        orchestrator: holder.orchestrator.clone(),
        organization: body.organization_id.clone(),
        instance: info.instance_id.clone(),
        version: info.version.clone(),
        host: info.host.clone(),
        port: info.port,
        protocol: info.protocol.name().to_owned(),
        started_at: info.started_at.clone(),
        capabilities: info.capabilities.clone(),
        metadata: info.metadata.clone(),
        registered_at: at,
    };
    let backplane = &state.shared().backplane;
    if let Registered::Occupied { instance } = backplane.register(&registration, at).await? {
        return Err(ApiError::new(Code::DaemonAlreadyRegistered, "Another daemon is registered and alive")
            .with_details(json!({ "existingInstanceId": instance })));
    }
    let known = NewDaemon {
        orchestrator_id: holder.orchestrator.to_string(),
        instance_id: registration.instance,
        version: registration.version,
        host: registration.host,
        port: registration.port,
        protocol: registration.protocol,
        started_at: Timestamp::parse_datetime(&registration.started_at).unwrap_or(at),
        capabilities: registration.capabilities.unwrap_or_default(),
        metadata: registration.metadata.map(Value::Object),
    };
    state.database(move |database| database.register_daemon(&known, at)).await?;
    state.note_status(&holder.orchestrator, Some(&holder.organization), "ONLINE", Because::Arrival);
    let mut daemon_info = serde_json::to_value(&info).unwrap_or_default();
    if let Some(members) = daemon_info.as_object_mut() {
        members.insert("registeredAt".to_owned(), json!(at));
    }
    Ok(HttpResponse::Created().json(RegisterDaemonAnswer {
        success: true,
        data: RegisteredDaemon {
            health_check_endpoint: format!("/api/daemon/health/{}", holder.orchestrator),
            orchestrator_id: holder.orchestrator.to_string(),
            vp_id: holder.orchestrator.to_string(),
            organization_id: body.organization_id,
            registered_at: at,
            daemon_info,
            heartbeat_interval: state.config.websocket.heartbeat_interval.as_millis(),
        },
        message: "Daemon registered successfully",
    }))
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    success: bool,
    message: &'static str,
}

impl Done {
    /// It worked.
    pub(super) fn new(message: &'static str) -> Self {
        Self { success: true, message }
    }
}

/// Unregister the daemon that asks
///
/// Revokes the tokens of its session and closes its sockets.
#[utoipa::path(
    delete, path = "/api/daemon", tag = "daemon", security(("bearer" = [])),
    responses((status = 200, description = "Unregistered", body = Done), (status = 401))
)]
pub(super) async fn unregister_self(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    departure::depart(&state, &token.orchestrator, token.organization.as_ref(), token.session.as_ref())
        .await?;
    Ok(HttpResponse::Ok().json(Done::new("Daemon unregistered successfully")))
}

/// An orchestrator whose daemon leaves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnregisterRequest {
    /// Whose daemon; `vpId` is the same.
    #[schema(min_length = 1)]
    orchestrator_id: String,
    /// One of the orchestrator's API keys.
    #[schema(min_length = 1)]
    api_key: String,
    reason: Option<Reason>,
}

/// Why a daemon leaves.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UnregisterReasonRequest)]
enum Reason {
    Shutdown,
    Error,
    Maintenance,
    #[default]
    Unknown,
}

impl Input for UnregisterRequest {
    const CODE: Code = Code::UnregisterValidation;
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] = WHEN_EMPTY;
}

/// A daemon that has left.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnregisterAnswer {
    success: bool,
    data: Unregistered,
    message: &'static str,
}

/// What the hub noted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Unregistered {
    orchestrator_id: String,
    vp_id: String,
    #[schema(value_type = String, format = DateTime)]
    unregistered_at: Timestamp,
    reason: Reason,
}

/// Unregister an orchestrator's daemon by API key
#[utoipa::path(
    post, path = "/api/daemon/unregister", tag = "daemon", request_body = UnregisterRequest,
    responses(
        (status = 200, description = "Unregistered", body = UnregisterAnswer),
        (status = 400), (status = 401), (status = 403), (status = 404), (status = 413),
    )
)]
pub(super) async fn unregister(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let (body, naming) = state.inputs.read_named::<UnregisterRequest>(payload).await?;
    let named = credentials::Named { orchestrator: Some(&body.orchestrator_id), naming };
    let holder = credentials::verify(&request, &state, &body.api_key, Proof::Key, named).await?;
    departure::depart(&state, &holder.orchestrator, Some(&holder.organization), None).await?;
    let orchestrator: &OrchestratorId = &holder.orchestrator;
    Ok(HttpResponse::Ok().json(UnregisterAnswer {
        success: true,
        data: Unregistered {
            orchestrator_id: orchestrator.to_string(),
            vp_id: orchestrator.to_string(),
            unregistered_at: now().wall,
            reason: body.reason.unwrap_or_default(),
        },
        message: "Daemon unregistered successfully",
    }))
}

//! What a daemon needs to know about itself and the hub (contract 1.19).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    domain::{clock::Timestamp, scope::Scope},
    http::{
        HttpState,
        caller::{self, Unknown},
        error::{ApiError, Code},
    },
    store::accounts::orchestrators::Profile,
};

/// The messages per minute that daemons are told; the hub takes more (contract C29).
const ADVERTISED_RATE: u32 = 60;

/// Two generations of answers in one object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigAnswer {
    orchestrator: ConfigOrchestrator,
    user: ConfigUser,
    organization: ConfigOrganization,
    /// What the orchestrator can do, an array or an object; never a hash of its keys.
    #[schema(value_type = Value)]
    capabilities: Value,
    #[schema(value_type = Value)]
    charter: Option<Value>,
    operational_config: OperationalConfig,
    scopes: Vec<&'static str>,
    endpoints: Endpoints,
    orchestrator_id: String,
    vp_id: String,
    workspace_id: Option<String>,
    settings: Settings,
    features: Features,
}

/// The orchestrator.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigOrchestrator {
    id: String,
    discipline: String,
    role: String,
    status: String,
    daemon_endpoint: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The user that it appears as.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigUser {
    id: Option<String>,
    name: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    avatar_url: Option<String>,
    bio: Option<String>,
    status: Option<String>,
}

/// Its organization.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigOrganization {
    id: String,
    name: String,
    slug: String,
}

/// How to behave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OperationalConfig {
    heartbeat_interval_ms: u128,
    reconnect_delay_ms: u32,
    max_reconnect_attempts: u32,
    message_rate_limit_per_minute: u32,
    idle_timeout_ms: u32,
}

/// Where to find what.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoints {
    messages: &'static str,
    channels: &'static str,
    presence: &'static str,
    status: &'static str,
    events: &'static str,
    heartbeat: &'static str,
}

const ENDPOINTS: Endpoints = Endpoints {
    messages: "/api/daemon/messages",
    channels: "/api/daemon/channels",
    presence: "/api/daemon/presence",
    status: "/api/daemon/status",
    events: "/api/daemon/events",
    heartbeat: "/api/daemon/heartbeat",
};

/// The same for the other generation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Settings {
    max_concurrent_connections: u32,
    heartbeat_interval_ms: u128,
    message_rate_limit_per_minute: u32,
    auto_reconnect: bool,
    log_level: &'static str,
}

/// What the orchestrator may use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Features {
    messaging: bool,
    presence: bool,
    calls: bool,
    file_access: bool,
}

/// Get the configuration
#[utoipa::path(
    get, path = "/api/daemon/config", tag = "daemon", security(("bearer" = [])),
    responses(
        (status = 200, description = "The configuration", body = ConfigAnswer),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn config(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::daemon(&request, &state, Unknown::Refused).await?;
    caller::require_when_strict(&state, token.scopes, Scope::VpConfig)?;
    let name = token.orchestrator.to_string();
    let profile = state.database(move |database| database.profile(&name, None)).await?;
    let profile = profile.filter(|profile| {
        token
            .organization
            .as_ref()
            .is_none_or(|organization| organization.as_str() == profile.organization.id)
    });
    let profile =
        profile.ok_or_else(|| ApiError::new(Code::OrchestratorNotFound, "Orchestrator not found"))?;
    Ok(HttpResponse::Ok().json(answer(&state, profile, token.scopes.names())))
}

fn answer(state: &HttpState, profile: Profile, scopes: Vec<&'static str>) -> ConfigAnswer {
    let Profile { orchestrator, user, organization } = profile;
    let websocket = &state.config.websocket;
    let heartbeat_interval_ms = websocket.heartbeat_interval.as_millis();
    let capabilities = orchestrator.capabilities;
    let listed = |name: &str| {
        capabilities.as_array().is_some_and(|names| names.iter().any(|listed| *listed == json!(name)))
    };
    let user = user.map(|user| ConfigUser {
        id: Some(user.id),
        name: user.name,
        display_name: user.display_name,
        email: user.email,
        avatar_url: user.avatar_url,
        bio: user.bio,
        status: Some(user.status),
    });
    ConfigAnswer {
        features: Features {
            messaging: true,
            presence: true,
            calls: listed("calls"),
            file_access: listed("files"),
        },
        charter: capabilities.get("charter").cloned(),
        capabilities,
        orchestrator_id: orchestrator.id.clone(),
        vp_id: orchestrator.id.clone(),
        workspace_id: orchestrator.workspace_id,
        orchestrator: ConfigOrchestrator {
            id: orchestrator.id,
            discipline: orchestrator.discipline,
            role: orchestrator.role,
            status: orchestrator.status,
            daemon_endpoint: orchestrator.daemon_endpoint,
            created_at: orchestrator.created_at,
            updated_at: orchestrator.updated_at,
        },
        user: user.unwrap_or_default(),
        organization: ConfigOrganization {
            id: organization.id,
            name: organization.name,
            slug: organization.slug,
        },
        operational_config: OperationalConfig {
            heartbeat_interval_ms,
            reconnect_delay_ms: 5000,
            max_reconnect_attempts: 10,
            message_rate_limit_per_minute: ADVERTISED_RATE,
            idle_timeout_ms: 300_000,
        },
        scopes,
        endpoints: ENDPOINTS,
        settings: Settings {
            max_concurrent_connections: websocket.max_connections_per_orchestrator,
            heartbeat_interval_ms,
            message_rate_limit_per_minute: ADVERTISED_RATE,
            auto_reconnect: true,
            log_level: "info",
        },
    }
}

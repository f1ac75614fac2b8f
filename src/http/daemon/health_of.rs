//! How an orchestrator's daemon is (contract 1.25).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    backplane::{
        records::{HeartbeatView, Records as _},
        registrations::{Registration, Registrations as _},
    },
    domain::{
        clock::{Timestamp, now},
        health::{self, Health},
        ids::{OrchestratorId, OrganizationId},
    },
    http::{
        HttpState,
        caller::{self, Unknown, bearer, presented_key},
        error::{ApiError, Code},
    },
    store::accounts::orchestrators::Profile,
};

/// How a daemon is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthAnswer {
    data: HealthReport,
}

/// How a daemon is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HealthReport {
    orchestrator_id: String,
    vp_id: String,
    healthy: bool,
    /// `healthy`, `degraded`, `unhealthy`, `recovering` or `unknown`.
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_heartbeat: Option<Timestamp>,
    /// How many heartbeats are missing; -1 when nobody can say.
    missed_heartbeats: i64,
    details: String,
    #[schema(value_type = Option<Object>)]
    metrics: Option<Map<String, Value>>,
    daemon_info: Option<HealthDaemonInfo>,
    orchestrator: HealthOrchestrator,
}

/// Where the daemon is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HealthDaemonInfo {
    instance_id: String,
    version: String,
    host: String,
    port: u16,
    protocol: String,
    started_at: String,
}

/// Whose daemon it is.
#[derive(Debug, Serialize, ToSchema)]
struct HealthOrchestrator {
    id: String,
    status: String,
    discipline: String,
    role: String,
    user: HealthUser,
    organization: HealthOrganization,
}

/// The user that the orchestrator appears as.
#[derive(Debug, Default, Serialize, ToSchema)]
struct HealthUser {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    status: Option<String>,
}

/// Its organization.
#[derive(Debug, Serialize, ToSchema)]
struct HealthOrganization {
    id: String,
    name: String,
    slug: String,
}

/// Ask how an orchestrator's daemon is
///
/// With the token of a daemon of the same organization, or the operator's key.
#[utoipa::path(
    get, path = "/api/daemon/health/{orchestratorId}", tag = "daemon",
    security(("bearer" = []), ("apiKey" = [])),
    params(("orchestratorId" = String, Path)),
    responses(
        (status = 200, description = "How it is", body = HealthAnswer),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn health(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = permitted(&request, &state).await?;
    let not_found = || ApiError::new(Code::OrchestratorNotFound, "Orchestrator not found");
    let id = OrchestratorId::parse(&path).map_err(|_| not_found())?;
    let name = id.to_string();
    // Another tenant's orchestrator is nobody.
    let profile = state.database(move |database| database.profile(&name, scope.as_ref())).await?;
    let profile = profile.ok_or_else(not_found)?;
    let backplane = &state.shared().backplane;
    let ids = std::slice::from_ref(&id);
    let interval = state.config.websocket.heartbeat_interval;
    let health = match backplane.heartbeats_of(ids).await {
        Ok(beats) => {
            let beat = beats.into_iter().next().flatten();
            let seen = beat.as_ref().map(|beat| (beat.received_at, &beat.metrics));
            (health::judge(seen, interval, now().wall), beat)
        }
        Err(_) => (health::presume(&profile.orchestrator.status), None),
    };
    let registered = backplane.registrations(ids).await.unwrap_or_default().into_iter().next().flatten();
    Ok(HttpResponse::Ok().json(HealthAnswer { data: report(profile, health.0, health.1, registered) }))
}

/// Which organization may be looked into; `None` is any.
async fn permitted(request: &HttpRequest, state: &HttpState) -> Result<Option<OrganizationId>, ApiError> {
    if bearer(request).is_none() {
        let nobody = |error: ApiError| match error.code() {
            Code::Unauthorized => ApiError::new(Code::Unauthorized, "Authentication required"),
            _ => error,
        };
        if presented_key(request).is_none() {
            return Err(nobody(ApiError::unauthorized()));
        }
        caller::operator(request, state).await.map_err(nobody)?;
        return Ok(None);
    }
    let token = caller::daemon(request, state, Unknown::Refused).await?;
    let organization = state.organization_of(&token).await;
    organization.map(Some).ok_or_else(|| ApiError::new(Code::Forbidden, "The token names no organization"))
}

fn report(
    profile: Profile,
    health: Health,
    beat: Option<HeartbeatView>,
    registered: Option<Registration>,
) -> HealthReport {
    let Profile { orchestrator, user, organization } = profile;
    let user = user.map(|user| HealthUser {
        id: Some(user.id),
        name: user.name,
        email: user.email,
        status: Some(user.status),
    });
    HealthReport {
        orchestrator_id: orchestrator.id.clone(),
        vp_id: orchestrator.id.clone(),
        healthy: health.is_healthy(),
        status: health.status.as_str(),
        last_heartbeat: beat.as_ref().map(|beat| beat.received_at),
        missed_heartbeats: health.missed,
        details: health.details,
        metrics: beat.map(|beat| beat.metrics).filter(|metrics| !metrics.is_empty()),
        daemon_info: registered.map(|daemon| HealthDaemonInfo {
            instance_id: daemon.instance,
            version: daemon.version,
            host: daemon.host,
            port: daemon.port,
            protocol: daemon.protocol,
            started_at: daemon.started_at,
        }),
        orchestrator: HealthOrchestrator {
            id: orchestrator.id,
            status: orchestrator.status,
            discipline: orchestrator.discipline,
            role: orchestrator.role,
            user: user.unwrap_or_default(),
            organization: HealthOrganization {
                id: organization.id,
                name: organization.name,
                slug: organization.slug,
            },
        },
    }
}

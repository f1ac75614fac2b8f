//! Whether the process is up, and whether it can do its work.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::HttpState;

/// How long a component may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    status: &'static str,
    version: &'static str,
}

/// Ask whether the process answers
///
/// Never fails for anybody else's sake.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Alive)))]
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the hub can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `draining` or `unavailable`.
    status: &'static str,
    backplane: BackplaneState,
    store: StoreState,
    connections: usize,
}

/// Whether the backplane answers.
#[derive(Debug, Serialize, ToSchema)]
struct BackplaneState {
    /// `embedded` or `redis`.
    kind: &'static str,
    /// `up` or `down`.
    status: &'static str,
}

/// Whether the database answers.
#[derive(Debug, Serialize, ToSchema)]
struct StoreState {
    /// `up` or `down`.
    status: &'static str,
}

/// Ask whether the hub can do its work
///
/// The backplane and the store answer, and the hub is not draining.
#[utoipa::path(
    get, path = "/ready", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(super) async fn ready(state: web::Data<HttpState>) -> HttpResponse {
    let shared = &state.services.shared;
    let draining = shared.state.is_draining();
    let answers = matches!(tokio::time::timeout(PATIENCE, shared.backplane.ping()).await, Ok(Ok(())));
    let backplane = answers && shared.state.is_backplane_up();
    let database = state.database.clone();
    let asked = web::block(move || database.ping());
    let store = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(Ok(()))));
    let ready = backplane && store && !draining;
    let word = |up: bool| if up { "up" } else { "down" };
    let body = Readiness {
        status: if ready {
            "ready"
        } else if draining {
            "draining"
        } else {
            "unavailable"
        },
        backplane: BackplaneState { kind: shared.backplane.name(), status: word(backplane) },
        store: StoreState { status: word(store) },
        connections: shared.connections.len(),
    };
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

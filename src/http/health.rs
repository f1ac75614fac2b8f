//! Whether the process is up, and whether it can do its work.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::HttpState;

/// How long a component may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /health`: the process answers. Never fails for anybody else's sake.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /ready`: the backplane and the store answer, and the hub is not draining; else 503.
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
    let body = json!({
        "status": if ready { "ready" } else if draining { "draining" } else { "unavailable" },
        "backplane": { "kind": shared.backplane.name(), "status": word(backplane) },
        "store": { "status": word(store) },
        "connections": shared.connections.len(),
    });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

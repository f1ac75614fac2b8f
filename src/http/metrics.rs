//! `GET /metrics`: what the hub counts, for Prometheus.

use std::time::Duration;

use actix_web::{HttpResponse, web};

use super::{HttpState, error::ApiError};
use crate::{
    backplane::queue::EventQueue as _, domain::clock::monotonic, protocol::server_frame::Blocked,
    telemetry::canary::CanaryHealth,
};

/// How long the queues may take to be counted; after that the last count stands.
const PATIENCE: Duration = Duration::from_millis(500);

/// Read what the hub counts
///
/// In Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let shared = &state.services.shared;
    if let Ok(Ok(backlog)) = tokio::time::timeout(PATIENCE, shared.backplane.backlog()).await {
        shared.metrics.waiting(backlog.queues, backlog.events);
    }
    let mut blocked = [0_i64; Blocked::ALL.len()];
    shared.connections.for_each(|handle| {
        let reason = handle.flow().blocked;
        let place = reason.and_then(|reason| Blocked::ALL.iter().position(|known| *known == reason));
        if let Some(count) = place.and_then(|place| blocked.get_mut(place)) {
            *count += 1;
        }
    });
    shared.metrics.blocked(Blocked::ALL.into_iter().zip(blocked));
    let late = matches!(shared.canary.watch.health(monotonic()), CanaryHealth::Late(_));
    shared.metrics.canary_ok.set(i64::from(!late));
    let rendered = shared.metrics.render();
    let (content_type, text) = rendered.map_err(|error| {
        log::error!(error:% = error; "the metrics cannot be rendered");
        ApiError::unavailable("The metrics cannot be rendered")
    })?;
    Ok(HttpResponse::Ok().content_type(content_type).body(text))
}

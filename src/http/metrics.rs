//! `GET /metrics`: what the hub counts, for Prometheus.

use actix_web::{HttpResponse, web};

use super::{HttpState, error::ApiError};

pub(super) async fn metrics(state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let rendered = state.services.shared.metrics.render();
    let (content_type, text) = rendered.map_err(|error| {
        log::error!(error:% = error; "the metrics cannot be rendered");
        ApiError::Unavailable("The metrics cannot be rendered")
    })?;
    Ok(HttpResponse::Ok().content_type(content_type).body(text))
}

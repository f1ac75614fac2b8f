//! The description of the API, and a page to try it that needs no outside network.

use actix_web::{HttpResponse, web};

use super::{HttpState, reading, resource};

/// Adds the routes of this page.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/openapi.json", "GET, HEAD").route(reading().to(description)));
}

async fn description(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().json(&state.description)
}

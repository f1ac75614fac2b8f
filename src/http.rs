//! The routes, by noun, all of them on this page.

mod body;
mod error;
mod events;
mod health;
mod metrics;
pub mod transport;
mod ws;

use std::sync::Arc;

use actix_web::{HttpResponse, guard, middleware::DefaultHeaders, web};

use crate::{actors::services::Services, config::Secret, http::error::ApiError, store::database::Database};

/// What routes need beside the actors.
#[derive(Clone)]
pub struct HttpState {
    /// The actors and what they share. Shared, not cloned: every clone of an address costs memory, and
    /// each connection holds this.
    pub services: Arc<Services>,
    /// The key of administrators and publishers; without one their routes are closed.
    pub admin_key: Option<Secret>,
    /// Who may connect when `Origin` is present.
    pub allowed_origins: Vec<String>,
    /// The third path of the WebSocket endpoint.
    pub ws_path: String,
    /// How many connections this hub holds at once.
    pub max_connections: usize,
    /// Whether the accounts database answers.
    pub database: Arc<Database>,
}

/// Security headers that the original platform sends with every response (contract 1.0).
#[must_use]
pub fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-DNS-Prefetch-Control", "on"))
        .add(("X-Frame-Options", "SAMEORIGIN"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "origin-when-cross-origin"))
}

/// Adds every route to an application.
pub fn routes(config: &mut web::ServiceConfig, state: &HttpState) {
    config
        .app_data(web::Data::new(state.clone()))
        .service(read_only("/health", reading().to(health::health)))
        .service(read_only("/ready", reading().to(health::ready)))
        .service(read_only("/metrics", reading().to(metrics::metrics)))
        .service(
            web::resource("/api/events")
                .route(web::post().to(events::publish))
                .default_service(web::to(async || not_allowed("POST"))),
        )
        .default_service(web::to(not_found));
    let mut paths = vec!["/daemon/ws", "/api/daemon/ws"];
    if !paths.contains(&state.ws_path.as_str()) {
        paths.push(&state.ws_path);
    }
    for path in paths {
        config.service(
            web::resource(path)
                .route(web::get().to(ws::connect))
                .route(web::head().to(ws::information))
                .route(web::post().to(ws::wrong_method))
                .default_service(web::to(async || not_allowed("GET"))),
        );
    }
}

/// `HEAD` follows `GET` (contract 1.0).
fn reading() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn read_only(path: &str, get: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(get).default_service(web::to(async || not_allowed("GET")))
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

fn not_allowed(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(allow))
}

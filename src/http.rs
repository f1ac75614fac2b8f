//! The routes, by noun. Each folder has its own page of them; this page puts them together.

mod accounts;
mod admin;
mod admission;
mod body;
mod caller;
mod daemon;
mod docs;
mod error;
mod events;
mod health;
mod idempotency;
mod input;
mod limits;
mod membership_notices;
mod metrics;
mod openapi;
mod posting;
mod routing;
mod state;
pub mod transport;
mod ws;

use actix_web::{HttpResponse, Resource, Route, guard, middleware::DefaultHeaders, web};

use self::error::ApiError;
pub use self::{admission::admit, state::HttpState};

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
pub fn routes(config: &mut web::ServiceConfig, state: &web::Data<HttpState>) {
    config
        .app_data(state.clone())
        .service(resource("/health", "GET, HEAD").route(reading().to(health::health)))
        .service(resource("/ready", "GET, HEAD").route(reading().to(health::ready)))
        .service(resource("/metrics", "GET, HEAD").route(reading().to(metrics::metrics)))
        .service(resource("/api/events", "POST").route(web::post().to(events::publish)))
        .service(resource("/api/orchestrators/{id}/messages", "POST").route(web::post().to(routing::route)))
        .configure(daemon::routes)
        .configure(admin::routes)
        .configure(docs::routes)
        .default_service(web::to(not_found));
    let mut paths = vec!["/daemon/ws", "/api/daemon/ws"];
    let configured = state.config.server.ws_path.as_str();
    if !paths.contains(&configured) {
        paths.push(configured);
    }
    for path in paths {
        config.service(
            resource(path, "GET, HEAD")
                .route(web::get().to(ws::connect))
                .route(web::head().to(ws::information))
                .route(web::post().to(ws::wrong_method)),
        );
    }
}

/// A resource that answers the methods in `allow` only. `OPTIONS` is answered with the same list.
fn resource(path: &str, allow: &'static str) -> Resource {
    let options = move || async move { HttpResponse::NoContent().insert_header(("Allow", allow)).finish() };
    let refused = move || async move { Err::<HttpResponse, _>(ApiError::not_allowed(allow)) };
    web::resource(path)
        .route(web::method(actix_web::http::Method::OPTIONS).to(options))
        .default_service(web::to(refused))
}

/// `HEAD` follows `GET` (contract 1.0).
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found())
}

//! What daemons use, under `/api/daemon`.

mod channels;
mod credentials;
pub(super) mod departure;
mod event_place;
mod event_view;
mod events;
mod fleet;
mod health_of;
mod heartbeat;
mod login;
mod messages;
mod own_state;
mod presence;
mod registration;
mod session_room;
mod sessions;
mod settings;

use actix_web::{middleware::from_fn, web};
use utoipa::OpenApi;

use super::{error::nested, resource};

/// The description of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    registration::register,
    own_state::own_state,
    registration::unregister_self,
    login::authenticate,
    login::authenticate_by_header,
    login::refresh,
    sessions::list,
    sessions::create,
    sessions::update,
    sessions::end,
    heartbeat::heartbeat,
    heartbeat::register,
    registration::unregister,
    fleet::health,
    health_of::health,
    presence::set_presence,
    presence::set_status,
    channels::list,
    channels::join,
    channels::leave,
    messages::list,
    messages::post,
    settings::config,
    events::list,
    events::acknowledge,
    events::acknowledge_by_post,
))]
pub(super) struct Api;

/// Paths whose callers read an object under `error` (contract C4).
pub(super) const NESTED: &[&str] = &[
    "/api/daemon",
    "/api/daemon/sessions",
    "/api/daemon/register",
    "/api/daemon/unregister",
    "/api/daemon/health/{orchestratorId}",
];

/// Adds the routes of this folder.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/daemon", "GET, HEAD, POST, DELETE")
                .wrap(from_fn(nested))
                .route(web::post().to(registration::register))
                .route(super::reading().to(own_state::own_state))
                .route(web::delete().to(registration::unregister_self)),
        )
        .service(
            resource("/api/daemon/sessions", "GET, HEAD, POST, PATCH, DELETE")
                .wrap(from_fn(nested))
                .route(super::reading().to(sessions::list))
                .route(web::post().to(sessions::create))
                .route(web::patch().to(sessions::update))
                .route(web::delete().to(sessions::end)),
        )
        .service(
            resource("/api/daemon/register", "POST")
                .wrap(from_fn(nested))
                .route(web::post().to(heartbeat::register)),
        )
        .service(
            resource("/api/daemon/unregister", "POST")
                .wrap(from_fn(nested))
                .route(web::post().to(registration::unregister)),
        )
        .service(
            resource("/api/daemon/health/{orchestratorId}", "GET, HEAD")
                .wrap(from_fn(nested))
                .route(super::reading().to(health_of::health)),
        )
        .service(resource("/api/daemon/auth", "POST").route(web::post().to(login::authenticate)))
        .service(
            resource("/api/daemon/auth/token", "POST").route(web::post().to(login::authenticate_by_header)),
        )
        .service(resource("/api/daemon/auth/refresh", "POST").route(web::post().to(login::refresh)))
        .service(resource("/api/daemon/heartbeat", "POST").route(web::post().to(heartbeat::heartbeat)))
        .service(resource("/api/daemon/health", "GET, HEAD").route(super::reading().to(fleet::health)))
        .service(resource("/api/daemon/presence", "PUT").route(web::put().to(presence::set_presence)))
        .service(resource("/api/daemon/status", "PUT").route(web::put().to(presence::set_status)))
        .service(resource("/api/daemon/channels", "GET, HEAD").route(super::reading().to(channels::list)))
        .service(
            resource("/api/daemon/channels/{channelId}/join", "POST, DELETE")
                .route(web::post().to(channels::join))
                .route(web::delete().to(channels::leave)),
        )
        .service(
            resource("/api/daemon/messages", "GET, HEAD, POST")
                .route(super::reading().to(messages::list))
                .route(web::post().to(messages::post)),
        )
        .service(resource("/api/daemon/config", "GET, HEAD").route(super::reading().to(settings::config)))
        .service(
            resource("/api/daemon/events", "GET, HEAD, DELETE")
                .route(super::reading().to(events::list))
                .route(web::delete().to(events::acknowledge)),
        )
        .service(
            resource("/api/daemon/events/ack", "POST").route(web::post().to(events::acknowledge_by_post)),
        );
}

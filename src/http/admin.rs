//! Administration, under `/api/admin`: for the operator with the hub's key, who sees every tenant, and
//! for whoever has a token with an admin scope, who sees its own. What is another tenant's does not
//! exist for it: 404, not 403. Every change is put on record.

mod audit;
mod broadcast;
mod channels;
mod connections;
mod credentials;
mod dead_letters;
mod events;
mod fields;
mod fleet;
mod ingress_keys;
mod members;
mod messages;
pub(super) mod orchestrators;
mod organizations;
mod paging;
mod queues;
pub(super) mod record;
mod redrives;
mod revocations;
mod sessions;
mod timeline;
mod users;
mod workspaces;

use actix_web::web::{self, delete, patch, post};
use utoipa::OpenApi;

use super::{reading, resource};

/// The description of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    organizations::list,
    organizations::create,
    organizations::get,
    organizations::update,
    organizations::delete,
    organizations::disable,
    organizations::enable,
    ingress_keys::list,
    ingress_keys::create,
    ingress_keys::retire,
    workspaces::list,
    workspaces::create,
    workspaces::get,
    workspaces::update,
    workspaces::delete,
    users::list,
    users::create,
    users::get,
    users::update,
    users::delete,
    orchestrators::list,
    orchestrators::create,
    orchestrators::get,
    orchestrators::update,
    orchestrators::delete,
    orchestrators::disable,
    orchestrators::enable,
    channels::list,
    channels::create,
    channels::get,
    channels::update,
    channels::delete,
    members::list,
    members::add,
    members::update,
    members::remove,
    credentials::list,
    credentials::create,
    credentials::get,
    credentials::rotate,
    credentials::disable,
    credentials::enable,
    credentials::revoke,
    connections::list,
    connections::get,
    connections::disconnect,
    sessions::list,
    sessions::get,
    sessions::end,
    queues::list,
    queues::purge,
    queues::ledger,
    dead_letters::list,
    dead_letters::get,
    dead_letters::delete,
    redrives::one,
    redrives::many,
    events::get,
    broadcast::send,
    revocations::revoke,
    audit::list,
    fleet::list,
    fleet::detail,
    fleet::uptime,
    messages::send,
))]
pub(super) struct Api;

/// Adds the routes of this folder.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    organizations_and_workspaces(config);
    users_and_channels(config);
    orchestrators_and_credentials(config);
    given_up(config);
    live(config);
}

fn organizations_and_workspaces(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/admin/organizations", "GET, HEAD, POST")
                .route(post().to(organizations::create))
                .route(reading().to(organizations::list)),
        )
        .service(
            resource("/api/admin/organizations/{id}", "GET, HEAD, PATCH, DELETE")
                .route(patch().to(organizations::update))
                .route(delete().to(organizations::delete))
                .route(reading().to(organizations::get)),
        )
        .service(
            resource("/api/admin/organizations/{id}/disable", "POST")
                .route(post().to(organizations::disable)),
        )
        .service(
            resource("/api/admin/organizations/{id}/enable", "POST").route(post().to(organizations::enable)),
        )
        .service(
            resource("/api/admin/organizations/{id}/ingress-keys", "GET, HEAD, POST")
                .route(post().to(ingress_keys::create))
                .route(reading().to(ingress_keys::list)),
        )
        .service(
            resource("/api/admin/organizations/{id}/ingress-keys/{kid}", "DELETE")
                .route(delete().to(ingress_keys::retire)),
        )
        .service(
            resource("/api/admin/workspaces", "GET, HEAD, POST")
                .route(post().to(workspaces::create))
                .route(reading().to(workspaces::list)),
        )
        .service(
            resource("/api/admin/workspaces/{id}", "GET, HEAD, PATCH, DELETE")
                .route(patch().to(workspaces::update))
                .route(delete().to(workspaces::delete))
                .route(reading().to(workspaces::get)),
        );
}

fn users_and_channels(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/admin/users", "GET, HEAD, POST")
                .route(post().to(users::create))
                .route(reading().to(users::list)),
        )
        .service(
            resource("/api/admin/users/{id}", "GET, HEAD, PATCH, DELETE")
                .route(patch().to(users::update))
                .route(delete().to(users::delete))
                .route(reading().to(users::get)),
        )
        .service(
            resource("/api/admin/channels", "GET, HEAD, POST")
                .route(post().to(channels::create))
                .route(reading().to(channels::list)),
        )
        .service(
            resource("/api/admin/channels/{id}", "GET, HEAD, PATCH, DELETE")
                .route(patch().to(channels::update))
                .route(delete().to(channels::delete))
                .route(reading().to(channels::get)),
        )
        .service(
            resource("/api/admin/{group:organizations|workspaces|channels}/{id}/members", "GET, HEAD, POST")
                .route(post().to(members::add))
                .route(reading().to(members::list)),
        )
        .service(
            resource(
                "/api/admin/{group:organizations|workspaces|channels}/{id}/members/{userId}",
                "PATCH, DELETE",
            )
            .route(patch().to(members::update))
            .route(delete().to(members::remove)),
        )
        .service(resource("/api/messages", "POST").route(post().to(messages::send)));
}

fn orchestrators_and_credentials(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/admin/orchestrators", "GET, HEAD, POST")
                .route(post().to(orchestrators::create))
                .route(reading().to(orchestrators::list)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}", "GET, HEAD, PATCH, DELETE")
                .route(patch().to(orchestrators::update))
                .route(delete().to(orchestrators::delete))
                .route(reading().to(orchestrators::get)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/disable", "POST")
                .route(post().to(orchestrators::disable)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/enable", "POST").route(post().to(orchestrators::enable)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/credentials", "GET, HEAD, POST")
                .route(post().to(credentials::create))
                .route(reading().to(credentials::list)),
        )
        .service(
            resource("/api/admin/credentials/{id}", "GET, HEAD, DELETE")
                .route(delete().to(credentials::revoke))
                .route(reading().to(credentials::get)),
        )
        .service(resource("/api/admin/credentials/{id}/rotate", "POST").route(post().to(credentials::rotate)))
        .service(
            resource("/api/admin/credentials/{id}/disable", "POST").route(post().to(credentials::disable)),
        )
        .service(
            resource("/api/admin/credentials/{id}/enable", "POST").route(post().to(credentials::enable)),
        );
}

fn given_up(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/admin/dead-letters", "GET, HEAD").route(reading().to(dead_letters::list)))
        // Before the one that takes any id.
        .service(resource("/api/admin/dead-letters/redrive", "POST").route(post().to(redrives::many)))
        .service(
            resource("/api/admin/dead-letters/{id}", "GET, HEAD, DELETE")
                .route(delete().to(dead_letters::delete))
                .route(reading().to(dead_letters::get)),
        )
        .service(resource("/api/admin/dead-letters/{id}/redrive", "POST").route(post().to(redrives::one)))
        .service(resource("/api/admin/events/{id}", "GET, HEAD").route(reading().to(events::get)));
}

fn live(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/admin/connections", "GET, HEAD").route(reading().to(connections::list)))
        .service(
            resource("/api/admin/connections/{id}", "GET, HEAD, DELETE")
                .route(delete().to(connections::disconnect))
                .route(reading().to(connections::get)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/sessions", "GET, HEAD")
                .route(reading().to(sessions::list)),
        )
        .service(
            resource("/api/admin/sessions/{id}", "GET, HEAD, DELETE")
                .route(delete().to(sessions::end))
                .route(reading().to(sessions::get)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/queue", "GET, HEAD, DELETE")
                .route(delete().to(queues::purge))
                .route(reading().to(queues::list)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/queue/ledger", "GET, HEAD")
                .route(reading().to(queues::ledger)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/fleet", "GET, HEAD").route(reading().to(fleet::detail)),
        )
        .service(
            resource("/api/admin/orchestrators/{id}/uptime", "GET, HEAD").route(reading().to(fleet::uptime)),
        )
        .service(resource("/api/admin/fleet", "GET, HEAD").route(reading().to(fleet::list)))
        .service(resource("/api/admin/audit", "GET, HEAD").route(reading().to(audit::list)))
        .service(resource("/api/admin/broadcast", "POST").route(post().to(broadcast::send)))
        .service(resource("/api/admin/revocations", "POST").route(post().to(revocations::revoke)));
}

//! What daemons use, under `/api/daemon`.

use actix_web::web;
use utoipa::OpenApi;

/// The description of these routes.
#[derive(OpenApi)]
#[openapi(paths())]
pub(super) struct Api;

/// Adds the routes of this folder.
pub(super) fn routes(_config: &mut web::ServiceConfig) {}

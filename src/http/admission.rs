//! What every request passes first: the limit of its address; and last: its failure as JSON.

use actix_web::{
    Error,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

use super::{
    daemon,
    error::{ApiError, Shape, json_errors},
    limits::counted,
    state::HttpState,
};
use crate::domain::clock::Stopwatch;

/// Middleware around everything.
///
/// # Errors
/// Never by itself; those of the services inside.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let state = request.app_data::<web::Data<HttpState>>().cloned();
    let began = Stopwatch::start();
    let response = match refusal(&request) {
        Some(error) => {
            let shape = shape(path(&request));
            let (request, _) = request.into_parts();
            ServiceResponse::new(request, error.respond(shape)).map_into_left_body()
        }
        None => json_errors(request, next).await?,
    };
    if let Some(state) = state {
        let route = response.request().match_pattern();
        // Neither the method nor the path of a request that has no route may become a label.
        let method = route.as_ref().map_or("", |_| known_method(response.request().method().as_str()));
        state.shared().metrics.answered(
            method,
            route.as_deref().unwrap_or("none"),
            response.status().as_str(),
            began.seconds(),
        );
    }
    Ok(response)
}

fn known_method(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// The path as routes are found by it: `%61pi` is `api`.
fn path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Why a request goes no further, whichever route it is for.
fn refusal(request: &ServiceRequest) -> Option<ApiError> {
    // Health and metrics are asked for by machines that must never be refused.
    if path(request).starts_with("/api/")
        && let Some(state) = request.app_data::<web::Data<HttpState>>()
        && let Some(address) = state.client(request.request())
        && let Err(error) = state.limits.address.count(&counted(address))
    {
        return Some(error);
    }
    let has_nul = request.uri().path_and_query().is_some_and(|address| address.as_str().contains("%00"));
    has_nul.then(|| ApiError::validation("Addresses must not contain NUL"))
}

/// The shape that the callers of a path read (contract C4).
fn shape(path: &str) -> Shape {
    let is_nested = daemon::NESTED.iter().any(|nested| match nested.split_once('{') {
        Some((start, _)) => path.starts_with(start),
        None => path == *nested,
    });
    if is_nested { Shape::Nested } else { Shape::Flat }
}

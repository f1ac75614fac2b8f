//! What every request passes first: the limit of its address; and last: its failure as JSON.

use actix_web::{
    Error,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

use super::{
    error::{ApiError, Shape, json_errors},
    limits::counted,
    state::HttpState,
};

/// Middleware around everything.
///
/// # Errors
/// Never by itself; those of the services inside.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let state = request.app_data::<web::Data<HttpState>>().cloned();
    // Health and metrics are asked for by machines that must never be refused.
    let limited = state.filter(|_| request.path().starts_with("/api/"));
    if let Some(state) = limited
        && let Some(address) = state.client(request.request())
        && let Err(error) = state.limits.address.count(&counted(address))
    {
        let (request, _) = request.into_parts();
        return Ok(ServiceResponse::new(request, error.respond(Shape::Flat)).map_into_left_body());
    }
    if request.uri().to_string().contains("%00") {
        let error = ApiError::validation("Addresses must not contain NUL");
        let (request, _) = request.into_parts();
        return Ok(ServiceResponse::new(request, error.respond(Shape::Flat)).map_into_left_body());
    }
    json_errors(request, next).await
}

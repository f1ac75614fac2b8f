//! The two bodies of failures (contract C4): older clients read an object under `error`, others a
//! string. Both carry `code` and `message` at the top.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

use super::{ApiError, Code};

/// What stands under `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Shape {
    /// The message.
    Flat,
    /// An object with message, code and details.
    Nested,
}

/// Middleware of resources whose callers read the nested shape.
pub(in crate::http) async fn nested(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let response = next.call(request).await?;
    let failed = response.response().error().and_then(|error| error.as_error::<ApiError>()).cloned();
    Ok(match failed {
        Some(error) => {
            let (request, _) = response.into_parts();
            ServiceResponse::new(request, error.respond(Shape::Nested)).map_into_left_body()
        }
        None => response.map_into_boxed_body().map_into_left_body(),
    })
}

/// Middleware around everything: what the framework refuses by itself is JSON too.
pub(in crate::http) async fn json_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let response = next.call(request).await?;
    let foreign = response.response().error().filter(|error| error.as_error::<ApiError>().is_none());
    let Some(status) = foreign.map(|error| error.as_response_error().status_code()) else {
        return Ok(response.map_into_boxed_body().map_into_left_body());
    };
    let error = if status.is_client_error() {
        ApiError::new(Code::Validation, "The request cannot be understood")
    } else {
        log::error!(error:? = response.response().error(); "a request failed");
        ApiError::new(Code::Internal, "Internal error")
    };
    let (request, _) = response.into_parts();
    let answer: HttpResponse = error.respond(Shape::Flat);
    Ok(ServiceResponse::new(request, answer).map_into_left_body())
}

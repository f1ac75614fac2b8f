//! The two bodies of failures (contract C4): older clients read an object under `error`, others a
//! string. Both carry `code` and `message` at the top.

use actix_web::{
    Error,
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

/// What went wrong, in the hub's words; what the framework refuses by itself counts too.
fn failure<B>(response: &ServiceResponse<B>) -> Option<ApiError> {
    let error = response.response().error()?;
    if let Some(error) = error.as_error::<ApiError>() {
        return Some(error.clone());
    }
    Some(if error.as_response_error().status_code().is_client_error() {
        ApiError::new(Code::Validation, "The request cannot be understood")
    } else {
        log::error!(error:? = error; "a request failed");
        ApiError::new(Code::Internal, "Internal error")
    })
}

/// Middleware of resources whose callers read the nested shape.
pub(in crate::http) async fn nested(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    Ok(answer(next.call(request).await?, Shape::Nested))
}

/// Middleware around everything: whatever fails is JSON.
pub(in crate::http) async fn json_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    Ok(answer(next.call(request).await?, Shape::Flat))
}

fn answer(
    response: ServiceResponse<impl MessageBody + 'static>,
    shape: Shape,
) -> ServiceResponse<EitherBody<BoxBody>> {
    match failure(&response) {
        Some(error) => {
            let (request, _) = response.into_parts();
            ServiceResponse::new(request, error.respond(shape)).map_into_left_body()
        }
        None => response.map_into_boxed_body().map_into_left_body(),
    }
}

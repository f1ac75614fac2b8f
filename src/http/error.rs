//! Every way a request can fail, and the one place that gives it a status and a code (contract 1.0).

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

/// Why a request was not answered with what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The request's content is wrong; the text says where.
    Validation(String),
    /// The API key is missing or wrong.
    Unauthorized,
    /// No such route.
    NotFound,
    /// The route exists, the method does not; what may be used.
    MethodNotAllowed(&'static str),
    /// The body is over the limit.
    PayloadTooLarge,
    /// A route that only upgrades was asked for something else; the text is fixed by the contract.
    WebSocketOnly,
    /// The request needs something that is away; the text says what. Worth another try.
    Unavailable(&'static str),
    /// The origin of a browser's page is not allowed here.
    ForbiddenOrigin,
}

impl ApiError {
    fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "VALIDATION_ERROR",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed(_) | Self::WebSocketOnly => "METHOD_NOT_ALLOWED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::Unavailable(_) => "SERVICE_UNAVAILABLE",
            Self::ForbiddenOrigin => "FORBIDDEN",
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validation(problem) => f.write_str(problem),
            Self::Unauthorized => f.write_str("Unauthorized"),
            Self::NotFound => f.write_str("Not found"),
            Self::MethodNotAllowed(_) => f.write_str("Method not allowed"),
            Self::WebSocketOnly => f.write_str("Method not allowed. Use WebSocket connection instead."),
            Self::PayloadTooLarge => f.write_str("The request body is larger than 1 MiB"),
            Self::Unavailable(what) => f.write_str(what),
            Self::ForbiddenOrigin => f.write_str("This origin may not connect"),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Validation(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ForbiddenOrigin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) | Self::WebSocketOnly => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::MethodNotAllowed(allow) => response.insert_header((header::ALLOW, *allow)),
            Self::WebSocketOnly => response.insert_header((header::ALLOW, "GET")),
            Self::Unavailable(_) => response.insert_header((header::RETRY_AFTER, "1")),
            _ => &mut response,
        };
        let text = self.to_string();
        response.json(json!({ "error": text, "code": self.code(), "message": text }))
    }
}

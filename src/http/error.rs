//! Every way a request can fail, and the one place that gives it a status, a code and a body
//! (contract 1.0).

mod code;
mod shape;

use std::{borrow::Cow, fmt};

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use serde_json::{Value, json};

pub(super) use self::{
    code::Code,
    shape::{Shape, json_errors, nested},
};
use crate::{backplane::BackplaneError, store::StoreError};

/// Why a request was not answered with what it asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    code: Code,
    message: Cow<'static, str>,
    details: Option<Value>,
    /// In seconds.
    retry_after: Option<u64>,
    allow: Option<Cow<'static, str>>,
}

impl ApiError {
    /// A failure with a sentence for people.
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = (code == Code::ServiceUnavailable).then_some(1);
        Self { code, message: message.into(), details: None, retry_after, allow: None }
    }

    /// The request's content is wrong; the text says where.
    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Validation, message)
    }

    /// One field's content is wrong, in the form in which a schema's problems are told.
    pub(super) fn field(name: &str, problem: impl Into<String>) -> Self {
        let errors = json!({ name: [problem.into()] });
        Self::validation("Validation failed").with_details(json!({ "errors": errors }))
    }

    /// Who asks is not known. Never says why: expired, forged and missing look the same.
    pub(super) fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "Unauthorized")
    }

    /// No such route, or nothing by that name that the caller may see.
    pub(super) fn not_found() -> Self {
        Self::new(Code::NotFound, "Not found")
    }

    /// The request needs something that is away; worth another try.
    pub(super) fn unavailable(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ServiceUnavailable, what)
    }

    /// The route exists, the method does not; what may be used.
    pub(super) fn not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::new(Code::MethodNotAllowed, "Method not allowed");
        Self { allow: Some(allow.into()), ..error }
    }

    /// A route that only upgrades was asked for something else (contract 1.26).
    pub(super) fn web_socket_only() -> Self {
        let message = "Method not allowed. Use WebSocket connection instead.";
        Self { message: Cow::Borrowed(message), ..Self::not_allowed("GET") }
    }

    /// The same request is under way; worth another look.
    pub(super) fn under_way() -> Self {
        let error = Self::new(Code::IdempotencyKeyInUse, "A request with this Idempotency-Key is under way");
        Self { retry_after: Some(1), ..error }
    }

    /// Too many requests; when to come back, in seconds.
    pub(super) fn rate_limited(retry_after: u64) -> Self {
        let error = Self::new(Code::RateLimited, "Too many requests; try again later");
        Self { retry_after: Some(retry_after.max(1)), ..error }
    }

    /// The same with more about it.
    pub(super) fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The same under another name.
    pub(super) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// More about it, for programs.
    #[cfg(test)]
    pub(super) fn details(&self) -> Option<&Value> {
        self.details.as_ref()
    }

    /// What kind of failure it is.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// The answer in the shape that the route's callers read.
    pub(super) fn respond(&self, shape: Shape) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_ref()));
        }
        let (code, message) = (self.code.name(), &self.message);
        let mut body = match shape {
            Shape::Flat => json!({ "error": message, "code": code, "message": message }),
            Shape::Nested => {
                json!({ "error": { "message": message, "code": code }, "code": code, "message": message })
            }
        };
        if let Some(details) = &self.details {
            let holder = match shape {
                Shape::Flat => Some(&mut body),
                Shape::Nested => body.get_mut("error"),
            };
            if let Some(holder) = holder.and_then(Value::as_object_mut) {
                holder.insert("details".to_owned(), details.clone());
            }
        }
        response.json(body)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(Shape::Flat)
    }
}

impl From<BackplaneError> for ApiError {
    /// What needs the backplane fails closed while it is away (contract 1.0).
    fn from(error: BackplaneError) -> Self {
        match error {
            BackplaneError::Unavailable(_) => {
                log::warn!(error:% = error; "a request needs the backplane");
                Self::unavailable("The hub cannot do this right now; try again")
            }
            BackplaneError::Corrupt(_) => {
                log::error!(error:% = error; "a request failed");
                Self::new(Code::Internal, "Internal error")
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                log::warn!(error:% = error; "a request needs the database");
                Self::unavailable("The database is unavailable; try again")
            }
            StoreError::Conflict(field) => {
                let message = match field.as_str() {
                    "organization" => "The user belongs to another organization too".to_owned(),
                    "orchestrator" => "An orchestrator appears as this user; delete that first".to_owned(),
                    "capabilities" => {
                        "Keys are kept in the capabilities, which must stay an object".to_owned()
                    }
                    "ingressKeys" => "The organization has two keys in use; retire one first".to_owned(),
                    field => format!("This {field} is taken"),
                };
                Self::new(Code::Conflict, message).with_details(json!({ "field": field }))
            }
            StoreError::Missing(what) => {
                Self::field(&format!("{what}Id"), format!("There is no such {what}"))
            }
            _ => {
                log::error!(error:% = error; "a request failed");
                Self::new(Code::Internal, "Internal error")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(error: &ApiError, shape: Shape) -> Value {
        let body = actix_web::body::to_bytes(error.respond(shape).into_body()).await.expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    #[actix_web::test]
    async fn every_reader_finds_what_it_looks_for() {
        let error = ApiError::validation("Validation failed").with_details(json!({ "errors": {} }));
        let flat = body(&error, Shape::Flat).await;
        assert_eq!(
            (&flat["error"], &flat["code"]),
            (&json!("Validation failed"), &json!("VALIDATION_ERROR"))
        );
        let nested = body(&error, Shape::Nested).await;
        assert_eq!(nested["error"]["code"], "VALIDATION_ERROR");
        assert_eq!(nested["error"]["details"]["errors"], json!({}));
        assert_eq!((&nested["code"], &nested["message"]), (&flat["code"], &flat["message"]));
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let header = |error: ApiError| {
            let response = error.respond(Shape::Flat);
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok())
        };
        assert_eq!(header(ApiError::rate_limited(7)), Some(7));
        assert_eq!(header(ApiError::rate_limited(0)), Some(1), "never at once");
        assert_eq!(header(ApiError::unavailable("away")), Some(1));
        assert_eq!(header(ApiError::not_found()), None::<u64>);
    }
}

//! `Idempotency-Key`: a request that is sent again is answered again, and takes effect once.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{HttpState, error::ApiError, error::Code};
use crate::{
    backplane::idempotency::{Idempotency as _, KeyedRequest, Known, MAX_ANSWER_BYTES},
    domain::clock::now,
};

/// Where the sender's key stands.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// The caller that holds the hub's key.
pub(super) const OPERATOR: &str = "operator";

/// A successful answer.
pub(super) struct Answer {
    /// Its JSON.
    pub(super) body: Vec<u8>,
    /// Whether asking again would bring nothing better.
    pub(super) is_final: bool,
}

/// Does `work` once for each key of `caller`: what it answered is answered again. A request without a
/// key is not looked at.
///
/// # Errors
/// Those of `work`, which leave the key free; 400, 409 and 422 for the key; 503.
pub(super) async fn once(
    request: &HttpRequest,
    state: &HttpState,
    caller: &str,
    body: &Bytes,
    work: impl Future<Output = Result<Answer, ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let Some(key) = presented(request)? else {
        return work.await.map(|answer| respond(answer.body.into(), false));
    };
    let keyed = KeyedRequest {
        key: digest(&[caller.as_bytes(), key.as_bytes()]),
        content: digest(&[request.path().as_bytes(), body]),
        claim: Uuid::new_v4().simple().to_string(),
    };
    let backplane = &state.shared().backplane;
    match backplane.begin(&keyed, now().wall).await? {
        Known::Claimed => {}
        Known::Answered(answer) => return Ok(respond(answer, true)),
        Known::UnderWay => return Err(ApiError::under_way()),
        Known::OtherContent => {
            let message = "This Idempotency-Key belongs to another request";
            return Err(ApiError::new(Code::IdempotencyKeyReused, message));
        }
    }
    let outcome = work.await;
    let noted = match &outcome {
        Ok(answer) if answer.is_final && answer.body.len() <= MAX_ANSWER_BYTES => {
            let answer = Bytes::copy_from_slice(&answer.body);
            backplane.finish(&keyed, &answer, now().wall).await
        }
        _ => backplane.abandon(&keyed).await,
    };
    if let Err(error) = noted {
        log::warn!(error:% = error; "the answer to a request with a key was not noted");
    }
    outcome.map(|answer| respond(answer.body.into(), false))
}

/// An answer as JSON.
///
/// # Errors
/// Never for the answers of this hub.
pub(super) fn json(answer: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|error| {
        log::error!(error:% = error; "an answer is no JSON");
        ApiError::new(Code::Internal, "Internal error")
    })
}

fn presented(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut values = request.headers().get_all(&KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let good = |key: &&str| {
        (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    let key = value.to_str().ok().filter(good).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(|| {
        ApiError::validation("Idempotency-Key must be one value of 1 to 255 printable ASCII characters")
    })
}

/// A digest of parts that cannot run into each other.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

fn respond(body: Bytes, replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if replayed {
        response.insert_header((REPLAYED, HeaderValue::from_static("true")));
    }
    response.content_type("application/json").body(body)
}

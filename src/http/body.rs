//! Request bodies: read whole, and bounded.

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::error::ApiError;

/// The largest request body, in bytes (contract 1.0).
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How much of a body that is too large is read all the same. A client that is cut off while it sends
/// sees a broken pipe, not the answer.
const MAX_DISCARDED_BYTES: usize = 16 * MAX_BODY_BYTES;

/// Reads a body.
///
/// # Errors
/// [`ApiError::PayloadTooLarge`] over the limit, [`ApiError::Validation`] when the client breaks off.
pub(super) async fn read(mut payload: web::Payload) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::Validation("The request body is incomplete".to_owned()))?;
        total = total.saturating_add(chunk.len());
        if total > MAX_DISCARDED_BYTES {
            break;
        }
        if total <= MAX_BODY_BYTES {
            body.extend_from_slice(&chunk);
        }
    }
    if total > MAX_BODY_BYTES { Err(ApiError::PayloadTooLarge) } else { Ok(body.freeze()) }
}

//! Request bodies: read whole, and bounded.

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::error::{ApiError, Code};

/// The largest request body, in bytes (contract 1.0).
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How much of a body that is too large is read all the same. A client that is cut off while it sends
/// sees a broken pipe, not the answer.
const MAX_DISCARDED_BYTES: usize = 16 * MAX_BODY_BYTES;

/// Reads a body.
///
/// # Errors
/// 413 over the limit, 400 when the client breaks off.
pub(super) async fn read(mut payload: web::Payload) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::validation("The request body is incomplete"))?;
        total = total.saturating_add(chunk.len());
        if total > MAX_DISCARDED_BYTES {
            break;
        }
        if total <= MAX_BODY_BYTES {
            body.extend_from_slice(&chunk);
        }
    }
    if total > MAX_BODY_BYTES { Err(too_large()) } else { Ok(body.freeze()) }
}

fn too_large() -> ApiError {
    ApiError::new(Code::PayloadTooLarge, "The request body is larger than 1 MiB")
}

//! Requests that are sent twice and must take effect once: their answers, by the key that the sender
//! chose.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::Result;
use crate::domain::clock::Timestamp;

/// How long a request may be under way before its key is free again.
pub const CLAIM_LIVES: Duration = Duration::from_secs(60);
/// How long an answer is remembered.
pub const ANSWER_LIVES: Duration = Duration::from_secs(24 * 3600);
/// The largest answer that is remembered, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A request that its sender has given a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// A digest of who sends it and of the key.
    pub key: String,
    /// A digest of what it asks for.
    pub content: String,
    /// Which try of it this is: nobody else has the same.
    pub claim: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing was; now it is this request's.
    Claimed,
    /// The same request was answered with this.
    Answered(Bytes),
    /// The same request is under way.
    UnderWay,
    /// It belongs to a request for something else.
    OtherContent,
}

/// Keys and answers. Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Idempotency {
    /// Claims the key for a request, for [`CLAIM_LIVES`], unless it is known. Of two that come at once,
    /// one gets it.
    fn begin(&self, request: &KeyedRequest, now: Timestamp) -> impl Future<Output = Result<Known>> + Send;

    /// Remembers the answer to a request that claimed its key, for [`ANSWER_LIVES`]. Changes nothing
    /// when another one has the key by now.
    fn finish(
        &self,
        request: &KeyedRequest,
        answer: &Bytes,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Gives the key back: the request took no effect.
    fn abandon(&self, request: &KeyedRequest) -> impl Future<Output = Result<()>> + Send;
}

//! Requests that are sent twice and must take effect once: their answers, by the key that the sender
//! chose.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::Result;
use crate::domain::clock::Timestamp;

/// How long a request may be under way before its key is free again.
pub const CLAIM_LIVES: Duration = Duration::from_secs(60);
/// How long an answer of at most [`SMALL_ANSWER_BYTES`] is remembered.
pub const ANSWER_LIVES: Duration = Duration::from_secs(24 * 3600);
/// How long a larger one is remembered: anybody may make many of them, and a request that got no answer
/// is sent again within moments.
pub const LARGE_ANSWER_LIVES: Duration = Duration::from_secs(600);
/// The largest answer that is remembered for long, in bytes.
pub const SMALL_ANSWER_BYTES: usize = 4 * 1024;
/// The largest answer that is remembered, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How long an answer is remembered.
#[must_use]
pub fn lifetime(answer: &[u8]) -> Duration {
    if answer.len() <= SMALL_ANSWER_BYTES { ANSWER_LIVES } else { LARGE_ANSWER_LIVES }
}

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

    /// Remembers the answer to a request that claimed its key, for its [`lifetime`]. Changes nothing
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_are_remembered_for_minutes_only() {
        assert_eq!(lifetime(&[b'x'; SMALL_ANSWER_BYTES]), ANSWER_LIVES);
        assert_eq!(lifetime(&[b'x'; SMALL_ANSWER_BYTES + 1]), LARGE_ANSWER_LIVES);
    }
}

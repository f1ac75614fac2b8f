//! The durable way in: a stream that publishers append to, and that exactly one hub takes each entry
//! from. The embedded backplane has none: whoever publishes to a hub that runs alone does so over HTTP.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::Result;
use crate::domain::ids::NodeId;

/// How many verdicts a reply stream keeps, about.
pub const REPLIES_KEPT: u64 = 10_000;
/// How long a reply stream of the hub's own name space lives after its last verdict.
pub const REPLIES_LIVE: Duration = Duration::from_secs(24 * 3600);
/// After how long without a word a hub that holds no entries is struck off the list of readers.
pub const READER_FORGOTTEN: Duration = Duration::from_secs(600);

/// What a publisher appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressEntry {
    /// The entry's place in the stream.
    pub id: String,
    /// One event as JSON; empty when the entry has none.
    pub event: Bytes,
    /// The key that it is signed with.
    pub key: Option<String>,
    /// Its signature.
    pub signature: Option<String>,
    /// The stream that is to get the verdict.
    pub reply: Option<String>,
}

/// A verdict for the stream that a publisher named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The stream.
    pub stream: String,
    /// Field names and values.
    pub fields: Vec<(&'static str, String)>,
}

/// What is not confirmed yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngressBacklog {
    /// Entries that no hub has taken.
    pub waiting: u64,
    /// Entries that a hub has taken and not confirmed.
    pub pending: u64,
}

/// A stream with one group of readers, the hubs. An entry stays until it is confirmed: whoever takes it
/// and dies leaves it to the others.
pub trait IngressStream {
    /// Whether there is such a stream at all; without one, every call brings nothing.
    fn has_ingress(&self) -> bool;

    /// Takes entries that no hub had before, at most `count`, in order. Waits up to `patience` for the
    /// first one. After an error some may have been taken that nobody has seen: see
    /// [`IngressStream::read_unconfirmed`].
    fn read_new(
        &self,
        node: &NodeId,
        count: usize,
        patience: Duration,
    ) -> impl Future<Output = Result<Vec<IngressEntry>>> + Send;

    /// The entries behind `after` that `node` has taken and not confirmed, in order. `0` is the
    /// beginning.
    fn read_unconfirmed(
        &self,
        node: &NodeId,
        after: &str,
        count: usize,
    ) -> impl Future<Output = Result<Vec<IngressEntry>>> + Send;

    /// Makes those entries `node`'s that `predecessor` has not confirmed, which is the same hub before it
    /// was started again.
    fn inherit(&self, node: &NodeId, predecessor: &NodeId) -> impl Future<Output = Result<()>> + Send;

    /// Makes those entries `node`'s that some hub has taken and not confirmed for as long as `idle`. How
    /// many.
    fn claim(&self, node: &NodeId, idle: Duration) -> impl Future<Output = Result<u64>> + Send;

    /// Removes entries for good, after their verdicts are written to the streams that want them. A
    /// reply stream that cannot be written keeps nothing back.
    fn confirm(&self, ids: &[String], replies: &[Reply]) -> impl Future<Output = Result<()>> + Send;

    /// Whether a publisher may ask for verdicts under this name: not where the hub or the platform keeps
    /// something else.
    fn may_reply_to(&self, stream: &str) -> bool;

    /// Strikes hubs off the list of readers that are gone and hold no entries, and says what is not
    /// confirmed.
    fn tidy(&self, node: &NodeId) -> impl Future<Output = Result<IngressBacklog>> + Send;
}

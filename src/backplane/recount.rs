//! Counting everything again: what lies in the store, and what of it contradicts itself.
//!
//! [`Recount`] reads, [`judge`] compares, and [`examine`] looks again at what looked wrong. Nothing here
//! changes anything, so it may run beside hubs at work.

mod judgement;

pub use judgement::{Finding, Kind, judge};

use std::{
    collections::{BTreeSet, HashSet},
    future::Future,
    path::Path,
    time::Duration,
};

use bytes::Bytes;

use super::{Result, embedded::recount::EmbeddedRecount, inspection::Ledger};
use crate::{
    backplane::redis::RedisBackplane,
    domain::{
        clock::{Timestamp, now},
        event::Event,
        ids::OrchestratorId,
    },
};

/// How often something that looks wrong is looked at before it counts.
const LOOKS: usize = 3;
/// How long to wait between two looks: longer than hubs take for a group commit.
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);
/// How many events are read at once.
const READ_AT_ONCE: usize = 64;

/// What a store holds of one orchestrator's queue, all of the same moment. Ids are text here, because
/// somebody else may have written them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The books; `queued` is counted, not read.
    pub books: Ledger,
    /// How many events wait by the books, where those say it.
    pub booked: Option<u64>,
    /// The ids of what waits.
    pub entries: Vec<String>,
    /// Those of them that are remembered as taken or given up.
    pub remembered: Vec<String>,
    /// The ids that there is an event's content for; `None` where content and entry cannot be parted.
    pub bodies: Option<HashSet<String>>,
    /// The ids that something beside the queue is kept for.
    pub beside: Vec<(Beside, String)>,
    /// Whether the queue is in the index of all queues, where there is one.
    pub indexed: Option<bool>,
    /// Keys that hold something that the hub never puts there: the key, and what it holds.
    pub foreign: Vec<(String, String)>,
    /// How many deliveries are noted of events that wait no more.
    pub stale_deliveries: u64,
}

/// What may be kept beside an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beside {
    /// Its priority.
    Priority,
    /// When it expires.
    Expiry,
    /// Which connection has it.
    Claim,
}

/// What lies in the store beside the queues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Dead letters that the database does not have yet.
    pub unfiled: u64,
    /// The stream that publishers write to, when there is one.
    pub ingress: Option<IngressView>,
}

/// The stream that publishers write to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressView {
    /// How many entries it holds: not taken yet, or taken and not confirmed.
    pub length: u64,
    /// When its oldest entry was written.
    pub oldest: Option<Timestamp>,
    /// The hubs that have taken entries and not confirmed them, and how many.
    pub pending: Vec<(String, u64)>,
}

/// Reads a whole store, for maintenance. May be slow, and may read much; changes nothing.
///
/// Every call fails with [`super::BackplaneError`] when the store does not answer.
pub trait Recount {
    /// Everybody of whom the store holds anything that has to do with a queue.
    fn subjects(&self) -> impl Future<Output = Result<BTreeSet<OrchestratorId>>> + Send;

    /// Everything about one of them, in one atomic step.
    fn snapshot(&self, orchestrator: &OrchestratorId) -> impl Future<Output = Result<Snapshot>> + Send;

    /// The content of events, where it is still there.
    fn bodies(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>>> + Send;

    /// What lies beside the queues.
    fn surroundings(&self) -> impl Future<Output = Result<Surroundings>> + Send;
}

/// A store that is recounted.
#[derive(Debug)]
pub enum Recounter {
    /// The file of an embedded hub, which may be at work.
    Embedded(EmbeddedRecount),
    /// A Redis.
    Redis(RedisBackplane),
}

impl Recounter {
    /// Opens the file of an embedded hub to read it.
    ///
    /// # Errors
    /// When there is none, or it is something else.
    pub fn embedded(file: &Path) -> Result<Self> {
        EmbeddedRecount::open(file).map(Self::Embedded)
    }

    /// Prepares the connection to Redis. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When `url` is no Redis URL.
    pub fn redis(url: &str) -> Result<Self> {
        RedisBackplane::connect(url).map(Self::Redis)
    }
}

macro_rules! dispatch {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Embedded(store) => store.$method($($argument),*).await,
            Self::Redis(store) => store.$method($($argument),*).await,
        }
    };
}

impl Recount for Recounter {
    async fn subjects(&self) -> Result<BTreeSet<OrchestratorId>> {
        dispatch!(self.subjects())
    }

    async fn snapshot(&self, orchestrator: &OrchestratorId) -> Result<Snapshot> {
        dispatch!(self.snapshot(orchestrator))
    }

    async fn bodies(&self, orchestrator: &OrchestratorId, ids: &[String]) -> Result<Vec<Option<Bytes>>> {
        dispatch!(self.bodies(orchestrator, ids))
    }

    async fn surroundings(&self) -> Result<Surroundings> {
        dispatch!(self.surroundings())
    }
}

/// What was found of one orchestrator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// How it was when it was looked at last.
    pub snapshot: Snapshot,
    /// What was wrong in every look.
    pub findings: Vec<Finding>,
}

/// Looks at one orchestrator's queue, and again at what looked wrong: only what is wrong every time
/// counts, for a hub may have been in the middle of something.
///
/// # Errors
/// When the store does not answer.
pub async fn examine<R: Recount>(store: &R, orchestrator: &OrchestratorId) -> Result<Examined> {
    let (snapshot, findings) = look(store, orchestrator).await?;
    let mut examined = Examined { snapshot, findings };
    for _ in 1..LOOKS {
        if examined.findings.is_empty() {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let (snapshot, mut findings) = look(store, orchestrator).await?;
        let before: HashSet<(Kind, Option<&str>)> = examined.findings.iter().map(Finding::key).collect();
        findings.retain(|finding| before.contains(&finding.key()));
        examined = Examined { snapshot, findings };
    }
    Ok(examined)
}

async fn look<R: Recount>(store: &R, orchestrator: &OrchestratorId) -> Result<(Snapshot, Vec<Finding>)> {
    let snapshot = store.snapshot(orchestrator).await?;
    let mut findings = judge(&snapshot);
    for ids in snapshot.entries.chunks(READ_AT_ONCE) {
        let bodies = store.bodies(orchestrator, ids).await?;
        for (id, body) in ids.iter().zip(bodies) {
            // One without content is a finding already, or was taken since.
            let Some(body) = body else { continue };
            if let Err(problem) = Event::from_body(&body, orchestrator, now().wall) {
                findings.push(Finding::of_event(Kind::Unreadable, id, problem.to_string()));
            }
        }
    }
    Ok((snapshot, findings))
}

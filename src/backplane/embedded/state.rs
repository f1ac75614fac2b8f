//! Everything the embedded backplane knows: what is on disk, and what ends with the process.

use std::{path::Path, time::Duration};

use super::{connections::Connections, fleet::Members, observations::Observations};
use crate::{
    domain::clock::Timestamp,
    store::{self, queue_file::QueueFile},
};

/// How often what nobody needs any more is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Owned by the worker thread alone.
#[derive(Debug)]
pub(super) struct State {
    /// Events, acknowledgements, dead letters, sessions, subscriptions, revocations,
    /// registrations.
    pub(super) file: QueueFile,
    /// Who is connected.
    pub(super) connections: Connections,
    /// Heartbeats, presence and what daemons say of themselves.
    pub(super) observations: Observations,
    /// Members without an orchestrator.
    pub(super) fleet: Members,
    swept_at: Option<Timestamp>,
}

impl State {
    /// What the file at `path` remembers, with nobody connected.
    pub(super) fn open(path: &Path) -> store::Result<Self> {
        let file = QueueFile::open(path)?;
        Ok(Self {
            file,
            connections: Connections::default(),
            observations: Observations::default(),
            fleet: Members::default(),
            swept_at: None,
        })
    }

    /// Whether it is time to forget what nobody needs any more; then the next time is later.
    pub(super) fn is_sweep_due(&mut self, now: Timestamp) -> bool {
        let due = self.swept_at.is_none_or(|swept| now.since(swept) >= SWEEP_EVERY || now < swept);
        if due {
            self.swept_at = Some(now);
        }
        due
    }
}

//! Everything the embedded backplane knows: what is on disk, and what ends with the process.

use std::path::Path;

use super::{connections::Connections, fleet::Members, observations::Observations};
use crate::store::{self, queue_file::QueueFile};

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
        })
    }
}

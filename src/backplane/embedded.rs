//! The backplane of a hub that runs alone: no server, and nothing that was accepted is lost when the
//! process dies.
//!
//! The queue and all that must outlive the process are in a SQLite file ([`crate::store::queue_file`]);
//! who is connected, and what was seen of whom, is memory. Both belong to one thread (`worker`), so
//! every call is atomic. Each trait of the backplane has its file, and the rules are beside them:
//! [`super::rules`] for the queue, which work on the file as a `shelf`, `connections` and `observations` for what is in memory.

mod acknowledgements;
mod books;
mod bus;
mod connections;
mod dead_letters;
mod fleet;
mod idempotency;
mod ingress;
mod inspection;
mod liveness;
mod metrics;
mod observations;
mod queue;
mod records;
pub mod recount;
mod registrations;
mod registry;
mod revocations;
mod routing;
mod sessions;
mod shelf;
mod state;
mod status;
mod sweep;
mod trail;
mod worker;

use std::path::Path;

use self::{bus::Inboxes, state::State, worker::Worker};
use super::{BackplaneError, Result};
use crate::store::StoreError;

/// The backplane of one node, durable in a file.
///
/// Dropping it waits until every call that was handed over is done, and closes the file.
#[derive(Debug)]
pub struct EmbeddedBackplane {
    worker: Worker,
    inboxes: Inboxes,
}

impl EmbeddedBackplane {
    /// Opens the file at `path`, in a directory that exists; creates it when there is none. Blocks for
    /// as long as the disk takes.
    ///
    /// # Errors
    /// When the file cannot be used: its directory is missing, another hub has it open, it is
    /// something else.
    pub fn open(path: &Path) -> Result<Self> {
        let worker = Worker::start(State::open(path)?)?;
        Ok(Self { worker, inboxes: Inboxes::default() })
    }

    /// Asks the file for one answer.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<()> {
        self.worker.run(|state| Ok(state.file.ping()?)).await
    }
}

impl From<StoreError> for BackplaneError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(problem) | StoreError::Configuration(problem) => {
                Self::Unavailable(problem)
            }
            StoreError::Corrupt(problem) => Self::Corrupt(problem),
            StoreError::Migration { .. } | StoreError::Conflict(_) | StoreError::Missing(_) => {
                Self::Corrupt(error.to_string())
            }
        }
    }
}

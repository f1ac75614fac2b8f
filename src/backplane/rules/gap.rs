//! What a daemon is told of events that it will never get.

use super::Shelf;
use crate::domain::{
    clock::Timestamp,
    gap::Gap,
    ids::{DaemonId, OrchestratorId},
    mutant::{Mutant, planted},
};

/// What was lost since the daemon was last told, or, if it never was, since any daemon of the
/// orchestrator was. From here on it counts as told.
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn tell<S: Shelf>(
    shelf: &mut S,
    orchestrator: &OrchestratorId,
    daemon: &DaemonId,
    now: Timestamp,
) -> Result<Option<Gap>, S::Error> {
    let mut books = shelf.books(orchestrator)?;
    let told = shelf.told(orchestrator, daemon)?;
    if told != Some(books.lost) {
        shelf.write_told(orchestrator, daemon, books.lost, now)?;
    }
    let gap = books.lost.since(told.unwrap_or(books.told)).filter(|_| !planted(Mutant::GapNotAnnounced));
    if books.told != books.lost {
        books.told = books.lost;
        shelf.write_books(orchestrator, &books)?;
    }
    Ok(gap)
}

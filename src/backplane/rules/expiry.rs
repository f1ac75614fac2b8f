//! How time, and admins, take events out of queues.

use super::{Books, Shelf};
use crate::{
    backplane::{
        queue::{EXPIRY_SLACK, Expired, QUEUE_CAPACITY, RETENTION},
        trail::{Outcome, Receipt},
    },
    domain::{
        canary::is_reserved,
        clock::Timestamp,
        ids::{EventId, OrchestratorId, OrganizationId},
    },
};

/// When an event that is ordered by `time` has waited for too long.
#[must_use]
pub fn due(time: Timestamp, expires_at: Option<Timestamp>) -> Timestamp {
    let kept_until = time.plus(RETENTION).minus(EXPIRY_SLACK);
    expires_at.map_or(kept_until, |at| at.min(kept_until))
}

/// Removes events that are due before `now`, at most `limit`, and counts them as expired; one
/// [`Expired`] per orchestrator.
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn expire<S: Shelf>(shelf: &mut S, now: Timestamp, limit: usize) -> Result<Vec<Expired>, S::Error> {
    let mut due = shelf.due(now, limit)?;
    due.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut expired = Vec::new();
    for group in due.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((orchestrator, _)) = group.first() else { continue };
        let mut books = shelf.books(orchestrator)?;
        let ids: Vec<EventId> = group.iter().map(|(_, id)| id.clone()).collect();
        let count = take_out(shelf, orchestrator, &mut books, ids, Outcome::Expired, now)?;
        books.lost.expired += count;
        shelf.write_books(orchestrator, &books)?;
        expired.push(Expired { orchestrator: orchestrator.clone(), count });
    }
    Ok(expired)
}

/// Removes everything that waits for an orchestrator, and counts it as dropped; returns how many.
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn purge<S: Shelf>(
    shelf: &mut S,
    orchestrator: &OrchestratorId,
    now: Timestamp,
) -> Result<u64, S::Error> {
    let ids = shelf.oldest(orchestrator, QUEUE_CAPACITY)?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut books = shelf.books(orchestrator)?;
    let count = take_out(shelf, orchestrator, &mut books, ids, Outcome::Dropped, now)?;
    books.lost.dropped += count;
    shelf.write_books(orchestrator, &books)?;
    Ok(count)
}

fn take_out<S: Shelf>(
    shelf: &mut S,
    orchestrator: &OrchestratorId,
    books: &mut Books,
    ids: Vec<EventId>,
    outcome: Outcome,
    now: Timestamp,
) -> Result<u64, S::Error> {
    let (mut receipts, mut count) = (Vec::with_capacity(ids.len()), 0);
    for id in ids {
        if shelf.remove(orchestrator, &id)? {
            books.queued = books.queued.saturating_sub(1);
            count += 1;
            receipts.push(Receipt::bare(&id, orchestrator, &books.organization, outcome, now));
        }
    }
    if !is_reserved(orchestrator) {
        shelf.keep_receipts(&receipts)?;
    }
    Ok(count)
}

impl Receipt {
    /// A receipt that knows nothing of daemons.
    pub(super) fn bare(
        event: &EventId,
        orchestrator: &OrchestratorId,
        organization: &Option<OrganizationId>,
        outcome: Outcome,
        at: Timestamp,
    ) -> Self {
        let (event, orchestrator) = (event.clone(), orchestrator.clone());
        let organization = organization.clone();
        Self { event, orchestrator, organization, outcome, at, daemon: None, attempts: 0, reason: None }
    }
}

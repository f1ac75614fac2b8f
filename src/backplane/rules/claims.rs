//! Which connection gets an event that only one of them is to have (delivery rule 8).

use super::{Claimed, Shelf};
use crate::{
    backplane::queue::CLAIM_COURTESY,
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, EventId, OrchestratorId},
        mutant::{Mutant, planted},
    },
};

/// A connection that asks for events.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Whose events.
    pub orchestrator: &'a OrchestratorId,
    /// Who asks.
    pub connection: ConnectionId,
    /// Until when it would have them.
    pub until: Timestamp,
    /// When.
    pub now: Timestamp,
    /// The connections that the orchestrator has; others hold nothing.
    pub living: &'a [ConnectionId],
    /// How many events it has room for.
    pub most: usize,
}

/// Claims waiting events; see [`crate::backplane::queue::EventQueue::claim`].
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn claim<S: Shelf>(
    shelf: &mut S,
    asking: Asking<'_>,
    ids: &[EventId],
) -> Result<Vec<Option<u32>>, S::Error> {
    let mut granted = Vec::with_capacity(ids.len());
    for id in ids {
        let full = granted.iter().flatten().count() >= asking.most;
        if full || !shelf.is_waiting(asking.orchestrator, id)? {
            granted.push(None);
            continue;
        }
        let (before, claimed) = grant(&asking, shelf.claimed(asking.orchestrator, id)?);
        if let Some(claimed) = claimed {
            shelf.write_claim(asking.orchestrator, id, &claimed)?;
        }
        granted.push(before);
    }
    Ok(granted)
}

/// How often the event was granted before, if it is granted, and the claim to write down.
fn grant(asking: &Asking<'_>, claimed: Option<Claimed>) -> (Option<u32>, Option<Claimed>) {
    let me = Some(asking.connection);
    let Some(claimed) = claimed else {
        let not_before = Timestamp::default();
        let first = Claimed { holder: me, until: asking.until, grants: 1, not_before, last: None };
        return (Some(0), Some(first));
    };
    let before = claimed.grants;
    if claimed.holder == me {
        return (Some(before.saturating_sub(1)), Some(Claimed { until: asking.until, ..claimed }));
    }
    let lives = claimed.holder.is_some_and(|holder| asking.living.contains(&holder));
    let held = lives && claimed.until > asking.now && !planted(Mutant::ClaimedTwice);
    let others = asking.living.iter().any(|other| *other != asking.connection);
    let courtesy = claimed.last == me && others && asking.now < claimed.not_before.plus(CLAIM_COURTESY);
    if held || asking.now < claimed.not_before || courtesy {
        return (None, None);
    }
    let grants = before.saturating_add(1);
    (Some(before), Some(Claimed { holder: me, until: asking.until, grants, ..claimed }))
}

/// Lets go of events that the connection has; see
/// [`crate::backplane::queue::EventQueue::release`].
///
/// # Errors
/// Those of the shelf; then what was done so far must be undone.
pub fn release<S: Shelf>(
    shelf: &mut S,
    orchestrator: &OrchestratorId,
    connection: ConnectionId,
    ids: &[EventId],
    not_before: Timestamp,
) -> Result<(), S::Error> {
    for id in ids {
        let claimed = shelf.claimed(orchestrator, id)?;
        if let Some(claimed) = claimed.filter(|claimed| claimed.holder == Some(connection)) {
            let free = Claimed { holder: None, not_before, last: Some(connection), ..claimed };
            shelf.write_claim(orchestrator, id, &free)?;
        }
    }
    Ok(())
}

//! Putting dead letters back into their queues, over all hubs.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::{blocking::ask, ingress_rules::Proof, queue_access::QueueError, services::Shared};
use crate::{
    backplane::{
        BackplaneError,
        buffer::BufferFull,
        bus::{EventBus as _, NodeCommand},
        queue::{EventQueue as _, QUEUE_CAPACITY},
    },
    domain::{
        clock::now,
        event::Event,
        ids::{OrchestratorId, OrganizationId},
    },
    store::{StoreError, accounts::dead_letters::FullDeadLetter, database::Database},
};

/// How often letters that are back in their queue are marked, if need be, and after which pause.
const MARK_TRIES: u32 = 4;
const MARK_PAUSE: Duration = Duration::from_millis(250);

/// Why a dead letter stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It was put back before.
    #[error("It was put back already")]
    Redriven,
    /// What is in it is no event.
    #[error("It cannot be read")]
    Unreadable,
    /// Its publisher's time for it is over.
    #[error("It has expired")]
    Expired,
}

/// Why nothing could be put back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedriveError {
    /// More would push out what waits there.
    #[error("the queue is full")]
    QueueFull,
    /// Too much waits to be written.
    #[error(transparent)]
    Buffer(#[from] BufferFull),
    /// The queue could not be written.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The queue's keys hold what the hub never wrote.
    #[error("the queue holds what the hub never wrote")]
    Unwritable,
    /// The backplane does not answer.
    #[error(transparent)]
    Backplane(#[from] BackplaneError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is in a dead letter, if it may be delivered again.
///
/// # Errors
/// Why it may not.
pub fn event_of(dead: &FullDeadLetter) -> Result<Arc<Event>, Unfit> {
    if dead.letter.redriven_at.is_some() {
        return Err(Unfit::Redriven);
    }
    let at = now().wall;
    let orchestrator = OrchestratorId::parse(&dead.letter.orchestrator_id).map_err(|_| Unfit::Unreadable)?;
    let body = dead.body.clone().into();
    let mut event = Event::from_body(&body, &orchestrator, at).map_err(|_| Unfit::Unreadable)?;
    if event.expires_at.is_some_and(|end| end <= at) {
        return Err(Unfit::Expired);
    }
    if event.organization.is_none() {
        let home = dead.letter.organization_id.as_deref();
        // Receipts go where the first one went.
        event.organization = home.and_then(|home| OrganizationId::parse(home).ok());
    }
    Ok(Arc::new(event))
}

/// How many events a queue takes before it drops what waits in it.
///
/// # Errors
/// When the backplane does not answer.
pub async fn room(shared: &Shared, orchestrator: &OrchestratorId) -> Result<usize, RedriveError> {
    let depths = shared.backplane.depths(std::slice::from_ref(orchestrator)).await?;
    let depth = depths.first().copied().unwrap_or_default();
    Ok(usize::try_from(QUEUE_CAPACITY.saturating_sub(depth)).unwrap_or_default())
}

/// Puts dead letters of one orchestrator back into its queue, in the order given, as if they were new.
/// When this returns they are durable there, and marked. With `vouched` somebody answers for each of them,
/// and they are sealed; else they have the seal that they have.
///
/// # Errors
/// When something did not answer. Some of it may be done by then. Doing it again leaves alone what waits in
/// the queue already; only what was taken before it could be marked is delivered again.
pub async fn redrive(
    shared: &Shared,
    database: &Arc<Database>,
    orchestrator: &OrchestratorId,
    letters: Vec<(String, Arc<Event>)>,
    vouched: bool,
) -> Result<(), RedriveError> {
    if letters.is_empty() {
        return Ok(());
    }
    if letters.len() > room(shared, orchestrator).await? {
        return Err(RedriveError::QueueFull);
    }
    let mut ids = Vec::with_capacity(letters.len());
    for (id, mut event) in letters {
        if vouched && shared.rules.are_active() && !shared.rules.seal(Arc::make_mut(&mut event), &Proof::Hub)
        {
            log::warn!(event = event.id.as_str(); "an event is too large to be sealed; it may be given up again");
        }
        shared.queue.redrive(event)?;
        ids.push(id);
    }
    if shared.queue.durable().await?.contains(orchestrator) {
        return Err(RedriveError::Unwritable);
    }
    // Marked before anybody is told: an event may die again within moments, and that is another letter.
    mark(database, ids).await?;
    let look = NodeCommand::Look { orchestrator: orchestrator.clone() };
    if let Err(error) = shared.backplane.command_all(&look).await {
        log::warn!(orchestrator = orchestrator.as_str(), error:% = error;
            "the daemons find what was put back with the next sweep");
    }
    Ok(())
}

/// Marks letters as put back. Tried for a moment: what is put back and not marked can be put back again,
/// and would be delivered again after it was taken.
async fn mark(database: &Arc<Database>, ids: Vec<String>) -> Result<(), StoreError> {
    let mut tried = 1;
    loop {
        let ids = ids.clone();
        match ask(database, move |database| database.mark_redriven(&ids, now().wall)).await {
            Err(error) if tried < MARK_TRIES => {
                log::debug!(tried, error:%; "dead letters are not marked yet")
            }
            marked => return marked.map(drop),
        }
        tried += 1;
        tokio::time::sleep(MARK_PAUSE).await;
    }
}

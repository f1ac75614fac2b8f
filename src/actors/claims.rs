//! Events that only one of several daemons is to have: choosing it, and letting go (delivery rule 8).

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{connections::ConnectionHandle, services::Shared};
use crate::{
    backplane::{
        bus::{EventBus as _, NodeCommand},
        commit::Claim,
        queue::EventQueue as _,
    },
    domain::{
        clock::{Timestamp, now},
        event::Event,
        ids::{EventId, OrchestratorId},
    },
    session::effect::Identity,
};

/// How much longer than its deadline a claim holds: the connection itself lets go first.
const MARGIN: Duration = Duration::from_secs(5);
/// Others are told when a released event may be had, if that is within so long; the sweep tells them of
/// the rest.
const SOON: Duration = Duration::from_secs(60);

/// Until when a connection has what it claims now.
pub(super) fn until(deadline: Duration) -> Timestamp {
    now().wall.plus(deadline.saturating_add(MARGIN))
}

/// The connection of this hub that a new event is for: of those that want it and have room, the one with
/// the fewest events. It is to be told to look.
pub(super) fn choose(shared: &Shared, event: &Event) -> Option<(Arc<ConnectionHandle>, Claim)> {
    let mut best: Option<(u32, Arc<ConnectionHandle>)> = None;
    shared.connections.for_orchestrator(&event.orchestrator, |handle| {
        if let Some(load) = handle.load()
            && best.as_ref().is_none_or(|(least, _)| load < *least)
            && handle.wants(event)
        {
            best = Some((load, handle.clone()));
        }
    });
    let (_, handle) = best?;
    handle.promise();
    let until = until(shared.limits.redelivery_after(1));
    let claim = Claim { id: event.id.clone(), connection: handle.id, until };
    Some((handle, claim))
}

/// Who is to look into the queue of an orchestrator: the connection that an event was claimed for, or all.
pub(super) struct Look(pub(super) OrchestratorId, pub(super) Option<Arc<ConnectionHandle>>);

/// Lets the store decide: what is in the queue then is found there, by the connection that is to have it,
/// or by all. Each is told once, for however many events.
pub(super) fn look_once_stored(shared: &Arc<Shared>, looks: Vec<Look>) {
    if looks.is_empty() {
        return;
    }
    let shared = shared.clone();
    actix::spawn(async move {
        let _ = shared.queue.durable().await;
        let (mut told, mut told_all) = (HashSet::new(), HashSet::new());
        for Look(orchestrator, chosen) in looks {
            match chosen {
                Some(handle) if told.insert(handle.id) => handle.hint(),
                None if told_all.insert(orchestrator.clone()) => {
                    shared.connections.for_orchestrator(&orchestrator, |handle| handle.hint());
                }
                _ => {}
            }
        }
    });
}

/// Lets go of events, and tells everybody who could have them.
pub(super) fn release(shared: &Arc<Shared>, who: &Identity, ids: Vec<EventId>, delay: Duration) {
    let (shared, who, not_before) = (shared.clone(), who.clone(), now().wall.plus(delay));
    actix::spawn(async move {
        // Whoever gets them next must find what became of them here.
        if let Err(error) = shared.queue.settled(&who).await {
            log::debug!(connection:% = who.connection, error:%; "events are released before their attempts are noted");
        }
        let Identity { connection, orchestrator, .. } = who;
        if let Err(error) = shared.backplane.release(&orchestrator, connection, &ids, not_before).await {
            log::warn!(connection:%, error:%; "claims were not released; they run out");
            return;
        }
        if delay <= SOON {
            tokio::time::sleep(delay).await;
            offer(&shared, orchestrator).await;
        }
    });
}

/// Tells all connections of an orchestrator, at every hub, that there may be something for one of them.
pub(super) async fn offer(shared: &Shared, orchestrator: OrchestratorId) {
    shared.connections.for_orchestrator(&orchestrator, |handle| handle.hint());
    if shared.state.has_peers() {
        let look = NodeCommand::Look { orchestrator };
        if let Err(error) = shared.backplane.command_all(&look).await {
            log::warn!(error:%; "other hubs were not told of released events; they look by themselves");
        }
    }
}

/// Keeps events for longer: the daemon still works on them.
pub(super) fn extend(shared: &Arc<Shared>, who: &Identity, ids: Vec<EventId>, span: Duration) {
    let (shared, connection, orchestrator) = (shared.clone(), who.connection, who.orchestrator.clone());
    actix::spawn(async move {
        let (until, now) = (until(span), now().wall);
        if let Err(error) =
            shared.backplane.claim(&orchestrator, connection, &ids, ids.len(), until, now).await
        {
            log::warn!(connection:%, error:%; "claims were not extended; others may get the same events");
        }
    });
}

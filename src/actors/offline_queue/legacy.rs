//! Lists that original publishers write to: claimed, taken in like everything else, then forgotten
//! (contract 6.3, 9.8.5).

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{
    actors::{
        ingress_rules::admission::Provenance,
        intake::{Arrival, Intake, Rejection, Status},
        services::Shared,
    },
    backplane::{
        queue::{EventQueue as _, LEGACY_PAGE, LegacySource},
        routing::RoutingRecords as _,
    },
    domain::{ids::OrchestratorId, queued_message::QueuedMessage},
    telemetry::metrics::RoutingEvent,
};

/// The lists that may concern an orchestrator's daemons here.
pub(super) fn sources(shared: &Shared, orchestrator: &OrchestratorId) -> Vec<LegacySource> {
    let daemons = shared.connections.daemons(orchestrator);
    let of_daemons =
        daemons.into_iter().map(|(daemon, _)| LegacySource::Daemon(daemon, orchestrator.clone()));
    let mut sources: Vec<_> = of_daemons.collect();
    sources.push(LegacySource::Orchestrator(orchestrator.clone()));
    sources.push(LegacySource::Routing(orchestrator.clone()));
    sources
}

/// Drains the lists that are named, one after the other; one that is named again meanwhile is drained
/// once.
pub(super) async fn drain_for_ever(
    shared: Arc<Shared>,
    intake: Intake,
    mut named: mpsc::Receiver<LegacySource>,
) {
    let mut batch = Vec::new();
    while named.recv_many(&mut batch, 256).await > 0 {
        let distinct: HashSet<LegacySource> = batch.drain(..).collect();
        let distinct: Vec<LegacySource> = distinct.into_iter().collect();
        // Most are empty, and that is asked for at once.
        let filled = shared.backplane.filled(&distinct).await.unwrap_or_else(|_| vec![true; distinct.len()]);
        for source in distinct.into_iter().zip(filled).filter_map(|(source, filled)| filled.then_some(source))
        {
            if let Err(error) = drain_whole(&shared, &intake, &source).await {
                let orchestrator = source.orchestrator().as_str();
                log::warn!(orchestrator, error; "a legacy list could not be drained; the sweep tries again");
            }
        }
    }
}

/// Drains page by page, until the list is empty.
async fn drain_whole(shared: &Shared, intake: &Intake, source: &LegacySource) -> Result<(), String> {
    let happened = |event, word: &str| {
        if let LegacySource::Routing(orchestrator) = source {
            shared.metrics.routing.happened(event);
            log::debug!(orchestrator = orchestrator.as_str(); "{word}");
        }
    };
    happened(RoutingEvent::QueueStarted, "queue.processing_started");
    while drain(shared, intake, source).await? >= LEGACY_PAGE {}
    happened(RoutingEvent::QueueCompleted, "queue.processing_completed");
    Ok(())
}

/// Drains one page; how many entries it had.
async fn drain(shared: &Shared, intake: &Intake, source: &LegacySource) -> Result<usize, String> {
    let claim = shared.backplane.claim_legacy(source).await.map_err(|error| error.to_string())?;
    if claim.entries.is_empty() {
        return Ok(0);
    }
    let arrivals: Vec<Arrival> = claim.entries.iter().map(|entry| arrival(shared, source, entry)).collect();
    let verdicts = intake.take(&arrivals).await.map_err(|error| error.to_string())?;
    for verdict in verdicts {
        // Whoever owns a daemon that nobody knows may be known later.
        if let Status::Rejected(Rejection::ForNobody(_) | Rejection::NoRoom | Rejection::Unwritable) =
            verdict.status
        {
            return Err("some of its events cannot be taken in now".to_owned());
        }
    }
    shared.backplane.release_legacy(&claim).await.map_err(|error| error.to_string())?;
    let count = claim.entries.len();
    log::info!(orchestrator = source.orchestrator().as_str(), count; "a legacy list was drained");
    Ok(count)
}

/// An entry of a list. One that names nobody belongs to whom its list is named after, and to nobody
/// else: a daemon chooses its own name, and must not come by another one's events through it.
fn arrival(shared: &Shared, source: &LegacySource, entry: &Bytes) -> Arrival {
    match source {
        LegacySource::Orchestrator(id) => Arrival::open(entry.clone(), Some(id.clone())),
        LegacySource::Daemon(daemon, _) => {
            Arrival::open(entry.clone(), OrchestratorId::parse(daemon.as_str()).ok())
        }
        LegacySource::Routing(id) => {
            let arrival = Arrival::open(entry.clone(), None);
            // What is no message is refused like what is no event.
            let Ok(message) = serde_json::from_slice::<QueuedMessage>(&arrival.json) else { return arrival };
            let is_ours = shared.rules.sealer_for(id).is_some_and(|sealer| sealer.is_sealed(id, None, entry));
            let provenance = match arrival.provenance {
                _ if is_ours => Provenance::Vouched,
                // A signature that would do for any list proves nothing about this one.
                Provenance::Open { text, .. } if !says_for(&arrival.json, id) => {
                    Provenance::Open { signed: None, text }
                }
                open => open,
            };
            Arrival { json: message.event(id, None), provenance, ..arrival }
        }
    }
}

/// Whether a message says itself whom it is for, and that is the owner of its list.
fn says_for(message: &[u8], owner: &OrchestratorId) -> bool {
    serde_json::from_slice::<Addressed>(message).is_ok_and(|named| named.orchestrator_id == owner.as_str())
}

/// Whom a message is for by its own word.
#[derive(Deserialize)]
struct Addressed {
    #[serde(rename = "orchestratorId")]
    orchestrator_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_message_must_say_whom_it_is_for() {
        let owner = OrchestratorId::parse("vp_1").expect("an id");
        assert!(says_for(br#"{"messageId":"m","orchestratorId":"vp_1"}"#, &owner));
        assert!(!says_for(br#"{"messageId":"m","orchestratorId":"vp_2"}"#, &owner));
        assert!(!says_for(br#"{"messageId":"m"}"#, &owner));
    }
}

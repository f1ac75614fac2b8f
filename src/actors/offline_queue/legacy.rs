//! Lists that original publishers write to: claimed, taken in like everything else, then forgotten
//! (contract 6.3, 9.8.5).

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    actors::{
        intake::{Arrival, Intake, Rejection, Status},
        services::Shared,
    },
    backplane::queue::{EventQueue as _, LEGACY_PAGE, LegacySource},
    domain::ids::OrchestratorId,
};

/// A message that an original router queued for an orchestrator that was offline (contract S4).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueuedMessage {
    message_id: String,
    channel_id: Option<String>,
    author_id: Option<String>,
    content: Option<String>,
    created_at: Option<serde_json::Value>,
}

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
        for source in distinct {
            if let Err(error) = drain_whole(&shared, &intake, &source).await {
                let orchestrator = source.orchestrator().as_str();
                log::warn!(orchestrator, error; "a legacy list could not be drained; the sweep tries again");
            }
        }
    }
}

/// Drains page by page, until the list is empty.
async fn drain_whole(shared: &Shared, intake: &Intake, source: &LegacySource) -> Result<(), String> {
    while drain(shared, intake, source).await? >= LEGACY_PAGE {}
    Ok(())
}

/// Drains one page; how many entries it had.
async fn drain(shared: &Shared, intake: &Intake, source: &LegacySource) -> Result<usize, String> {
    let claim = shared.backplane.claim_legacy(source).await.map_err(|error| error.to_string())?;
    if claim.entries.is_empty() {
        return Ok(0);
    }
    let arrivals: Vec<Arrival> = claim.entries.iter().map(|entry| arrival(source, entry)).collect();
    let verdicts = intake.take(&arrivals).await.map_err(|error| error.to_string())?;
    for verdict in verdicts {
        // Whoever owns a daemon that nobody knows may be known later.
        if let Status::Rejected(Rejection::ForNobody(_) | Rejection::NoRoom(_) | Rejection::Unwritable) =
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
fn arrival(source: &LegacySource, entry: &Bytes) -> Arrival {
    match source {
        LegacySource::Orchestrator(id) => Arrival { json: entry.clone(), owner: Some(id.clone()) },
        LegacySource::Daemon(daemon, _) => {
            Arrival { json: entry.clone(), owner: OrchestratorId::parse(daemon.as_str()).ok() }
        }
        LegacySource::Routing(id) => {
            // What is no message is refused like what is no event.
            let json = from_message(id, entry).unwrap_or_else(|| entry.clone());
            Arrival { json, owner: None }
        }
    }
}

/// A queued message as the event that the original router would have made of it. Its id is derived,
/// so that a message that is drained twice is one event.
fn from_message(orchestrator: &OrchestratorId, entry: &Bytes) -> Option<Bytes> {
    let message: QueuedMessage = serde_json::from_slice(entry).ok()?;
    let event = json!({
        "id": format!("msg_{}", message.message_id),
        "type": "message.received",
        "orchestratorId": orchestrator,
        "daemonId": "",
        "channelId": message.channel_id,
        "payload": {
            "messageId": message.message_id,
            "channelId": message.channel_id,
            "content": message.content,
            "authorId": message.author_id,
            "timestamp": message.created_at,
        },
        "timestamp": message.created_at,
        "requiresAck": true,
        "priority": 1,
    });
    serde_json::to_vec(&event).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        clock::now,
        envelope::{Context, Published},
    };

    #[test]
    fn a_queued_message_becomes_the_event_that_the_original_router_makes() {
        let entry = Bytes::from_static(
            br#"{"messageId":"m1","channelId":"c1","authorId":"u1","content":"hi","createdAt":"2024-01-01T00:00:00.000Z","queuedAt":"x"}"#,
        );
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let json = from_message(&orchestrator, &entry).expect("an event");
        let event = Published::parse(&json, &Context::default(), now().wall).expect("an event").event;
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("msg_m1", "message.received"));
        assert_eq!((event.orchestrator, event.requires_ack), (orchestrator, true));
        let payload: serde_json::Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert_eq!((&payload["content"], &payload["messageId"]), (&"hi".into(), &"m1".into()));
    }
}

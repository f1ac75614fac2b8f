//! Lists that original publishers write to: claimed, taken in like everything else, then forgotten
//! (contract 6.3, 9.8.5).

use std::{collections::HashSet, sync::Arc};

use actix::Recipient;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    actors::{
        messages::{Origin, Publish, Routed},
        resolver::{Resolver, address},
        services::Shared,
    },
    backplane::queue::{EventQueue as _, LEGACY_PAGE, LegacySource},
    domain::{
        clock::now,
        envelope::{Context, EnvelopeError, Published},
        event::Event,
        ids::OrchestratorId,
    },
};

/// Why an entry waits: nobody, or more than one, owns the daemon that it names.
const UNRESOLVED: &str = "unresolved";

/// Where events are taken in.
pub type Ingest = Recipient<Publish>;

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
    ingest: Ingest,
    mut named: mpsc::Receiver<LegacySource>,
) {
    let mut batch = Vec::new();
    while named.recv_many(&mut batch, 256).await > 0 {
        let distinct: HashSet<LegacySource> = batch.drain(..).collect();
        for source in distinct {
            if let Err(error) = drain_whole(&shared, &ingest, &source).await {
                let orchestrator = source.orchestrator().as_str();
                log::warn!(orchestrator, error; "a legacy list could not be drained; the sweep tries again");
            }
        }
    }
}

/// Drains page by page, until the list is empty.
async fn drain_whole(shared: &Shared, ingest: &Ingest, source: &LegacySource) -> Result<(), String> {
    while drain(shared, ingest, source).await? >= LEGACY_PAGE {}
    Ok(())
}

/// Drains one page; how many entries it had.
async fn drain(shared: &Shared, ingest: &Ingest, source: &LegacySource) -> Result<usize, String> {
    let claim = shared.backplane.claim_legacy(source).await.map_err(|error| error.to_string())?;
    if claim.entries.is_empty() {
        return Ok(0);
    }
    let mut for_nobody = false;
    let mut events = Vec::with_capacity(claim.entries.len());
    for entry in &claim.entries {
        match read(shared, source, entry).await {
            Ok(event) => events.push(event),
            Err(kind) => {
                for_nobody |= kind == UNRESOLVED;
                shared.metrics.malformed(kind);
                let orchestrator = source.orchestrator().as_str();
                log::log!(shared.first_of_its_kind(kind), orchestrator, kind;
                    "a legacy list holds what is no event");
            }
        }
    }
    let count = events.len();
    let targets: HashSet<OrchestratorId> = events.iter().map(|event| event.orchestrator.clone()).collect();
    let publish = Publish { events, origin: Origin::Direct };
    let routed = ingest.send(publish).await.map_err(|error| error.to_string())?;
    if routed.len() < count || routed.iter().any(|routed| matches!(routed, Routed::Rejected(_))) {
        return Err("its events cannot be taken in now".to_owned());
    }
    let unwritable = shared.queue.durable().await.map_err(|error| error.to_string())?;
    if !unwritable.is_disjoint(&targets) {
        return Err("its events cannot be stored".to_owned());
    }
    if for_nobody {
        // Whoever owns that daemon may be known later.
        return Err("some of its events are for nobody yet".to_owned());
    }
    shared.backplane.release_legacy(&claim).await.map_err(|error| error.to_string())?;
    log::info!(orchestrator = source.orchestrator().as_str(), count; "a legacy list was drained");
    Ok(claim.entries.len())
}

async fn read(shared: &Shared, source: &LegacySource, entry: &Bytes) -> Result<Event, &'static str> {
    let json = match source {
        LegacySource::Orchestrator(_) | LegacySource::Daemon(..) => entry.clone(),
        LegacySource::Routing(orchestrator) => from_message(orchestrator, entry).ok_or("routing_message")?,
    };
    let published = parse(source, &json)?;
    let question = Resolver::question(&published);
    let answer = match shared.resolver.cached(&question, &shared.connections) {
        Some(answer) => answer,
        None => shared.resolver.resolve(&question).await,
    };
    address(published, answer).map_err(|_| UNRESOLVED)
}

/// Reads an entry. An entry that names nobody belongs to whom its list is named after, and to nobody
/// else: a daemon chooses its own name, and must not come by another one's events through it.
fn parse(source: &LegacySource, json: &Bytes) -> Result<Published, &'static str> {
    let named_after = match source {
        LegacySource::Orchestrator(id) | LegacySource::Routing(id) => Some(id.clone()),
        LegacySource::Daemon(daemon, _) => OrchestratorId::parse(daemon.as_str()).ok(),
    };
    let now = now().wall;
    match Published::parse(json, &Context::default(), now) {
        Err(EnvelopeError::Missing("orchestratorId")) => {
            let context = Context { orchestrator: named_after, ..Context::default() };
            Published::parse(json, &context, now).map_err(|error| error.kind())
        }
        read => read.map_err(|error| error.kind()),
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
    use crate::domain::ids::DaemonId;

    #[test]
    fn an_entry_that_names_nobody_belongs_to_whom_its_list_is_named_after() {
        let victim = DaemonId::parse("vp_victim").expect("an id");
        let thief = OrchestratorId::parse("vp_thief").expect("an id");
        let list = LegacySource::Daemon(victim, thief);
        let entry = Bytes::from_static(br#"{"id":"e","type":"mention","payload":{},"createdAt":1}"#);
        let published = parse(&list, &entry).expect("an event");
        assert_eq!(published.event.orchestrator.as_str(), "vp_victim");
        assert!(!published.names_only_daemon);
    }

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

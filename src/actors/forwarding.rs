//! Handing events that only this hub knows of to the other hubs: one task, in order, in bounded space.
//!
//! What finds no place is in its queue all the same: the others are told to look there.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::services::Shared;
use crate::{
    backplane::bus::{EventBus as _, NodeCommand},
    domain::{event::Event, ids::OrchestratorId},
};

/// How many events wait to be forwarded at most, and how many go at once.
const CAPACITY: usize = 16_384;
const BATCH: usize = 512;
/// How many orchestrators whose events were not forwarded are remembered; the sweep finds the others.
const MAX_SKIPPED: usize = 10_000;

type Skipped = Arc<Mutex<HashSet<OrchestratorId>>>;

/// The way to the task that forwards.
#[derive(Debug)]
pub(super) struct Forwarder {
    events: mpsc::Sender<Arc<Event>>,
    skipped: Skipped,
}

/// What the task takes its work from.
#[derive(Debug)]
pub(super) struct Forwarded {
    events: mpsc::Receiver<Arc<Event>>,
    skipped: Skipped,
}

/// A way, and where it ends: in [`forward_for_ever`].
pub(super) fn way() -> (Forwarder, Forwarded) {
    way_of(CAPACITY)
}

fn way_of(capacity: usize) -> (Forwarder, Forwarded) {
    let ((sender, receiver), skipped) = (mpsc::channel(capacity), Skipped::default());
    (Forwarder { events: sender, skipped: skipped.clone() }, Forwarded { events: receiver, skipped })
}

impl Forwarder {
    /// Forwards an event after those before it, once it is in its queue. Behind one of its orchestrator
    /// that found no place it finds none either: it would come too early.
    pub(super) fn forward(&self, event: Arc<Event>) {
        let mut skipped = self.skipped.lock();
        if skipped.contains(&event.orchestrator) {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) =
            self.events.try_send(event)
            && skipped.len() < MAX_SKIPPED
        {
            skipped.insert(event.orchestrator.clone());
        }
    }
}

impl Forwarded {
    /// Waits for events; also brings the orchestrators whose further events found no place.
    async fn next(&mut self) -> Option<(Vec<Arc<Event>>, HashSet<OrchestratorId>)> {
        let mut events = Vec::new();
        if self.events.recv_many(&mut events, BATCH).await == 0 {
            return None;
        }
        let skipped = std::mem::take(&mut *self.skipped.lock());
        Some((events, skipped))
    }
}

/// Forwards until nobody has the other end.
pub(super) async fn forward_for_ever(shared: Arc<Shared>, mut work: Forwarded) {
    while let Some((events, mut skipped)) = work.next().await {
        // There the others must find what they cannot take at once.
        let stored = shared.queue.durable().await.is_ok();
        let bodies: Vec<_> = events.iter().map(|event| event.body.clone()).collect();
        let forwarded = stored.then_some(shared.backplane.forward(&shared.node, &bodies));
        let problem = match forwarded {
            None => Some("they are not stored yet".to_owned()),
            Some(forwarded) => forwarded.await.err().map(|error| error.to_string()),
        };
        if let Some(problem) = problem {
            let count = events.len();
            log::warn!(count, problem = problem.as_str(); "events were not forwarded; they wait in their queues");
            skipped.extend(events.iter().map(|event| event.orchestrator.clone()));
        }
        for orchestrator in skipped {
            let look = NodeCommand::Look { orchestrator };
            if let Err(error) = shared.backplane.command_all(&look).await {
                log::warn!(error:%; "other hubs were not told of events; they look by themselves");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        clock::Timestamp,
        envelope::{Context, Published},
    };

    fn event(orchestrator: &str, id: &str) -> Arc<Event> {
        let json = format!(r#"{{"id":"{id}","type":"a.b","orchestratorId":"{orchestrator}"}}"#);
        Arc::new(Published::parse(&json.into(), &Context::default(), Timestamp(1)).expect("an event").event)
    }

    #[tokio::test]
    async fn what_finds_no_place_is_looked_for_and_never_overtaken() {
        let (way, mut work) = way_of(2);
        for (orchestrator, id) in [("vp_1", "a"), ("vp_2", "b"), ("vp_1", "c")] {
            way.forward(event(orchestrator, id));
        }
        let ids = |events: &[Arc<Event>]| events.iter().map(|event| event.id.to_string()).collect::<Vec<_>>();
        let vp_1 = OrchestratorId::parse("vp_1").expect("an id");
        let (events, skipped) = work.next().await.expect("events");
        assert_eq!((ids(&events), skipped), (vec!["a".into(), "b".into()], HashSet::from([vp_1])));
        way.forward(event("vp_1", "d"));
        let (events, skipped) = work.next().await.expect("events");
        assert_eq!((ids(&events), skipped), (vec!["d".to_owned()], HashSet::new()));
    }

    #[tokio::test]
    async fn after_one_that_found_no_place_those_of_its_orchestrator_wait_too() {
        let (way, mut work) = way_of(1);
        way.forward(event("vp_1", "a"));
        way.forward(event("vp_2", "b"));
        let mut events = Vec::new();
        work.events.recv_many(&mut events, BATCH).await;
        way.forward(event("vp_2", "c"));
        way.forward(event("vp_1", "d"));
        let (events, skipped) = work.next().await.expect("events");
        assert_eq!(events[0].id.as_str(), "d");
        assert_eq!(skipped, HashSet::from([OrchestratorId::parse("vp_2").expect("an id")]));
    }
}

//! What waits for the next group commit, and how changes cancel each other before they are written.
//!
//! Pure. The gain is in [`CommitBuffer::acknowledge`]: an acknowledgement that overtakes its own store
//! leaves nothing to store, only the fact that the event was taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use thiserror::Error;

use super::{
    commit::{Ack, Claim, CommitBatch, DeadLetter, OrchestratorCommit, Sent},
    registry::Remembered,
};
use crate::domain::{
    clock::Timestamp,
    event::Event,
    ids::{DaemonId, EventId, OrchestratorId, OrganizationId},
    mutant::{Mutant, planted},
    subscription::Subscriptions,
};

/// Up to this many stores of one orchestrator are searched one by one.
const SHORT: usize = 32;
/// How many acknowledgements of one orchestrator may wait: more than its queue can hold are made up.
const MAX_ACKS: usize = 4000;
/// How many changes, and how many bytes of events, one batch holds before another one is due.
const MAX_BATCH_CHANGES: usize = 4000;
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many bytes of events may wait.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The buffer holds as much as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many changes wait for the store")]
pub struct BufferFull;

/// Changes that are not written yet, by orchestrator.
#[derive(Debug)]
pub struct CommitBuffer {
    groups: HashMap<OrchestratorId, Group>,
    /// Orchestrators in the order of their first change, each with its number.
    order: VecDeque<(u64, OrchestratorId)>,
    /// The number of the latest change that did not join an earlier one.
    latest: u64,
    remembered: HashMap<(OrchestratorId, DaemonId), Arc<Subscriptions>>,
    changes: usize,
    bytes: usize,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Group {
    organization: Option<OrganizationId>,
    completed: Vec<Ack>,
    /// `None` where an acknowledgement has overtaken the store.
    stores: Vec<Option<Arc<Event>>>,
    /// Where each store is, once there are more than [`SHORT`].
    index: HashMap<EventId, usize>,
    claims: Vec<Claim>,
    redriven: Vec<Arc<Event>>,
    acks: Vec<Ack>,
    dead: Vec<DeadLetter>,
    sent: Vec<Sent>,
}

impl Group {
    fn push(&mut self, event: Arc<Event>) {
        if self.stores.len() == SHORT {
            let known = self.stores.iter().enumerate();
            self.index = known.filter_map(|(at, store)| Some((store.as_ref()?.id.clone(), at))).collect();
        }
        if self.stores.len() >= SHORT {
            self.index.insert(event.id.clone(), self.stores.len());
        }
        self.stores.push(Some(event));
    }

    /// How many changes it holds, and how many bytes of events.
    fn weight(&self) -> (usize, usize) {
        let stores = self.stores.iter().flatten().chain(&self.redriven);
        let bytes = stores.map(|event| event.body.len()).sum();
        let changes = self.completed.len() + self.stores.len() + self.redriven.len() + self.acks.len();
        (changes + self.dead.len() + self.sent.len(), bytes)
    }

    fn find(&mut self, id: &EventId) -> Option<&mut Option<Arc<Event>>> {
        if self.stores.len() <= SHORT {
            let holds = |store: &&mut Option<Arc<Event>>| store.as_ref().is_some_and(|event| event.id == *id);
            return self.stores.iter_mut().find(holds);
        }
        let at = *self.index.get(id)?;
        self.stores.get_mut(at).filter(|store| store.is_some())
    }
}

impl CommitBuffer {
    /// A buffer for at most `capacity` changes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            groups: HashMap::new(),
            order: VecDeque::new(),
            latest: 0,
            remembered: HashMap::new(),
            changes: 0,
            bytes: 0,
            capacity,
        }
    }

    /// How many changes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    fn group(&mut self, orchestrator: &OrchestratorId, organization: Option<&OrganizationId>) -> &mut Group {
        if !self.groups.contains_key(orchestrator) {
            self.latest += 1;
            self.order.push_back((self.latest, orchestrator.clone()));
        }
        let group = self.groups.entry(orchestrator.clone()).or_default();
        if group.organization.is_none() {
            group.organization = organization.cloned();
        }
        group
    }

    /// Adds an event to append.
    ///
    /// # Errors
    /// When the buffer is full; then nothing was changed.
    pub fn store(&mut self, event: Arc<Event>) -> Result<(), BufferFull> {
        if self.changes >= self.capacity || self.bytes + event.body.len() > MAX_BYTES {
            return Err(BufferFull);
        }
        self.changes += 1;
        self.bytes += event.body.len();
        let (orchestrator, organization) = (event.orchestrator.clone(), event.organization.clone());
        self.group(&orchestrator, organization.as_ref()).push(event);
        Ok(())
    }

    /// Adds whom a new event is meant for. The event was just added.
    pub fn claim(&mut self, orchestrator: &OrchestratorId, claim: Claim) {
        self.group(orchestrator, None).claims.push(claim);
    }

    /// Adds a dead letter that is to be tried again.
    ///
    /// # Errors
    /// When the buffer is full; then nothing was changed.
    pub fn redrive(&mut self, event: Arc<Event>) -> Result<(), BufferFull> {
        if self.changes >= self.capacity || self.bytes + event.body.len() > MAX_BYTES {
            return Err(BufferFull);
        }
        self.changes += 1;
        self.bytes += event.body.len();
        let (orchestrator, organization) = (event.orchestrator.clone(), event.organization.clone());
        self.group(&orchestrator, organization.as_ref()).redriven.push(event);
        Ok(())
    }

    /// Adds an acknowledgement; the store that it overtakes, if any, is cancelled. A full buffer
    /// forgets it, which costs a redelivery. Whether a store was cancelled.
    pub fn acknowledge(
        &mut self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        ack: Ack,
    ) -> bool {
        if self.changes >= self.capacity {
            return false;
        }
        let group = self.group(orchestrator, organization);
        let overtaken = group.find(&ack.id).and_then(Option::take);
        group.sent.retain(|sent| sent.id != ack.id);
        if let Some(event) = &overtaken {
            group.claims.retain(|claim| claim.id != ack.id);
            if !planted(Mutant::CompletionForgotten) {
                group.completed.push(ack);
            }
            self.bytes = self.bytes.saturating_sub(event.body.len());
        } else if group.acks.len() < MAX_ACKS {
            group.acks.push(ack);
            self.changes += 1;
        }
        overtaken.is_some()
    }

    /// Whether `count` more acknowledgements of an orchestrator's events would all be kept.
    #[must_use]
    pub fn has_room_for_acks(&self, orchestrator: &OrchestratorId, count: usize) -> bool {
        let acks = self.groups.get(orchestrator).map_or(0, |group| group.acks.len());
        self.changes.saturating_add(count) <= self.capacity && acks.saturating_add(count) <= MAX_ACKS
    }

    /// Adds the note that an event was written to a socket. A full buffer forgets it.
    pub fn sent(&mut self, orchestrator: &OrchestratorId, sent: Sent) {
        if self.changes >= self.capacity {
            return;
        }
        let group = self.group(orchestrator, None);
        group.sent.push(sent);
        // An acknowledgement takes these back, so they count only where they can pile up.
        if group.sent.len() > group.stores.len() {
            self.changes += 1;
        }
    }

    /// Adds an event that is given up.
    pub fn bury(
        &mut self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        letter: DeadLetter,
    ) {
        self.group(orchestrator, organization).dead.push(letter);
        self.changes += 1;
    }

    /// Adds what a daemon instance is subscribed to. A full buffer forgets it, and the daemon must
    /// subscribe again when it comes back.
    pub fn remember(&mut self, orchestrator: &OrchestratorId, daemon: &DaemonId, what: Arc<Subscriptions>) {
        if self.changes >= self.capacity {
            return;
        }
        self.remembered.insert((orchestrator.clone(), daemon.clone()), what);
        self.latest += 1;
        self.changes += 1;
    }

    /// Whether something waits that concerns this daemon.
    #[must_use]
    pub fn concerns(&self, orchestrator: &OrchestratorId, daemon: &DaemonId) -> bool {
        self.groups.contains_key(orchestrator)
            || self.remembered.contains_key(&(orchestrator.clone(), daemon.clone()))
    }

    /// A number that grows with changes. Once [`CommitBuffer::taken`] has come to it, everything that is in
    /// the buffer now has been taken.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// Up to which number everything was taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.order.front().map_or(self.latest, |(number, _)| number.saturating_sub(1))
    }

    /// Takes what waits, oldest first, as one batch of bounded size: writing it must not take the store
    /// longer than anybody's patience. The rest stays.
    #[must_use]
    pub fn take(&mut self, now: Timestamp) -> CommitBatch {
        let mut left = (MAX_BATCH_CHANGES, MAX_BATCH_BYTES);
        let fits = self.order.iter().position(|(_, orchestrator)| {
            let full = left.0 == 0 || left.1 == 0;
            let (changes, bytes) = self.groups.get(orchestrator).map_or((0, 0), Group::weight);
            left = (left.0.saturating_sub(changes), left.1.saturating_sub(bytes));
            full
        });
        let rest = fits.map_or_else(VecDeque::new, |first| self.order.split_off(first));
        let order = std::mem::replace(&mut self.order, rest);
        let groups = order.into_iter().filter_map(|(_, orchestrator)| {
            let group = self.groups.remove(&orchestrator)?;
            Some(OrchestratorCommit {
                orchestrator,
                organization: group.organization,
                completed: group.completed,
                stores: group.stores.into_iter().flatten().collect(),
                claims: group.claims,
                redriven: group.redriven,
                acks: group.acks,
                dead: group.dead,
                sent: group.sent,
            })
        });
        let groups: Vec<OrchestratorCommit> = groups.collect();
        let weights = self.groups.values().map(Group::weight);
        (self.changes, self.bytes) = weights.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let remembered = self.remembered.drain().map(|((orchestrator, daemon), subscriptions)| Remembered {
            orchestrator,
            daemon,
            subscriptions,
        });
        CommitBatch { now, groups, remembered: remembered.collect() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{
        envelope::{Context, Published},
        ids::ConnectionId,
    };

    fn event(orchestrator: &str, id: &str) -> Arc<Event> {
        let json = format!(r#"{{"id":"{id}","type":"a.b","orchestratorId":"{orchestrator}"}}"#);
        let json = Bytes::from(json);
        Arc::new(Published::parse(&json, &Context::default(), Timestamp(1)).expect("an event").event)
    }

    fn vp(id: &str) -> OrchestratorId {
        OrchestratorId::parse(id).expect("an id")
    }

    fn id(id: &str) -> EventId {
        EventId::parse(id).expect("an id")
    }

    fn daemon() -> DaemonId {
        DaemonId::parse("d").expect("an id")
    }

    fn ack(event: &str) -> Ack {
        Ack { id: id(event), daemon: daemon(), attempts: 1 }
    }

    fn sent(event: &str) -> Sent {
        let connection = ConnectionId::random();
        Sent {
            id: id(event),
            daemon: daemon(),
            connection,
            attempts: 1,
            at: Timestamp(1),
            crashes: 0,
            history: Vec::new(),
            shared: false,
        }
    }

    #[test]
    fn an_acknowledgement_that_overtakes_its_store_cancels_it() {
        let mut buffer = CommitBuffer::new(100);
        buffer.store(event("vp_1", "a")).expect("room");
        buffer.store(event("vp_1", "b")).expect("room");
        buffer.sent(&vp("vp_1"), sent("a"));
        assert!(buffer.acknowledge(&vp("vp_1"), None, ack("a")));
        let batch = buffer.take(Timestamp(2));
        let [group] = &batch.groups[..] else { panic!("one orchestrator") };
        assert_eq!(group.completed, [ack("a")]);
        assert_eq!(group.stores.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(group.acks.is_empty() && group.sent.is_empty());
    }

    #[test]
    fn an_acknowledgement_of_a_stored_event_is_written() {
        let mut buffer = CommitBuffer::new(100);
        buffer.store(event("vp_1", "a")).expect("room");
        let _ = buffer.take(Timestamp(2));
        assert!(!buffer.acknowledge(&vp("vp_1"), None, ack("a")));
        let batch = buffer.take(Timestamp(3));
        assert_eq!(batch.groups[0].acks, [ack("a")]);
    }

    #[test]
    fn the_same_id_of_another_orchestrator_is_not_meant() {
        let mut buffer = CommitBuffer::new(100);
        buffer.store(event("vp_1", "a")).expect("room");
        assert!(!buffer.acknowledge(&vp("vp_2"), None, ack("a")));
        let batch = buffer.take(Timestamp(2));
        assert_eq!(batch.groups.len(), 2);
        assert_eq!(batch.groups[0].stores.len(), 1);
    }

    #[test]
    fn long_queues_keep_their_order_and_find_every_store() {
        let mut buffer = CommitBuffer::new(1_000);
        for n in 0..200 {
            buffer.store(event("vp_1", &format!("e{n}"))).expect("room");
        }
        for n in (0..200).step_by(2) {
            assert!(buffer.acknowledge(&vp("vp_1"), None, ack(&format!("e{n}"))), "e{n}");
        }
        let batch = buffer.take(Timestamp(2));
        let left: Vec<_> = batch.groups[0].stores.iter().map(|event| event.id.to_string()).collect();
        let odd: Vec<_> = (1..200).step_by(2).map(|n| format!("e{n}")).collect();
        assert_eq!(left, odd);
        assert_eq!(batch.groups[0].completed.len(), 100);
    }

    #[test]
    fn a_connection_must_wait_only_for_what_concerns_it() {
        let mut buffer = CommitBuffer::new(100);
        buffer.store(event("vp_1", "a")).expect("room");
        buffer.remember(&vp("vp_2"), &daemon(), Arc::new(Subscriptions::default()));
        assert!(buffer.concerns(&vp("vp_1"), &daemon()));
        assert!(buffer.concerns(&vp("vp_2"), &daemon()));
        assert!(!buffer.concerns(&vp("vp_3"), &daemon()));
        assert_eq!(buffer.take(Timestamp(2)).remembered.len(), 1);
        assert!(!buffer.concerns(&vp("vp_1"), &daemon()));
    }

    #[test]
    fn a_batch_is_bounded_and_the_rest_comes_next() {
        let mut buffer = CommitBuffer::new(100_000);
        for n in 0..5_000 {
            buffer.store(event(&format!("vp_{n}"), "a")).expect("room");
        }
        let first = buffer.take(Timestamp(2));
        assert_eq!(first.groups.len(), MAX_BATCH_CHANGES);
        assert_eq!(first.groups[0].orchestrator, vp("vp_0"));
        assert_eq!(buffer.len(), 1_000);
        let second = buffer.take(Timestamp(3));
        assert_eq!(second.groups.len(), 1_000);
        assert_eq!(second.groups[0].orchestrator, vp("vp_4000"));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_full_buffer_refuses_events_and_says_so() {
        let mut buffer = CommitBuffer::new(2);
        buffer.store(event("vp_1", "a")).expect("room");
        buffer.store(event("vp_1", "b")).expect("room");
        assert_eq!(buffer.store(event("vp_1", "c")), Err(BufferFull));
        assert_eq!(buffer.take(Timestamp(2)).groups[0].stores.len(), 2);
        assert!(buffer.store(event("vp_1", "c")).is_ok());
    }
}

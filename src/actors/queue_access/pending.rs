//! What waits to be written, what is being written, and who is told when it is. Pure.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::{
    backplane::{buffer::CommitBuffer, commit::CommitBatch},
    domain::{clock::Timestamp, ids::OrchestratorId},
};

/// With so many who wait, those who have given up are first looked for.
const MANY: usize = 1024;

/// The orchestrators whose queues could not be written when that was tried last.
pub type Unwritable = Arc<HashSet<OrchestratorId>>;

/// Changes on their way into the store.
pub(super) struct Pending {
    /// What was put in and not taken yet.
    pub(super) buffer: CommitBuffer,
    /// What is being written, and the number up to which everything is written then.
    committing: Option<(Arc<CommitBatch>, u64)>,
    /// Who waits for which number, in their order.
    waiters: VecDeque<(u64, oneshot::Sender<Unwritable>)>,
    /// With how many of them those are forgotten who have given up: while the store is away, everybody
    /// comes again and again.
    forget_at: usize,
    unwritable: Unwritable,
}

/// The answer to somebody who asks when the present changes are written.
pub(super) enum Written {
    /// They are.
    Already(Unwritable),
    /// This tells.
    Soon(oneshot::Receiver<Unwritable>),
}

impl Pending {
    pub(super) fn new(buffer: CommitBuffer) -> Self {
        let (committing, waiters, unwritable) = (None, VecDeque::new(), Unwritable::default());
        Self { buffer, committing, waiters, forget_at: MANY, unwritable }
    }

    /// When everything that was put in before is written. A batch may hold only the older part of it.
    pub(super) fn wait(&mut self) -> Written {
        if self.buffer.is_empty() && self.committing.is_none() {
            return Written::Already(self.unwritable.clone());
        }
        if self.waiters.len() >= self.forget_at {
            self.waiters.retain(|(_, waiter)| !waiter.is_closed());
            self.forget_at = (2 * self.waiters.len()).max(MANY);
        }
        let (sender, receiver) = oneshot::channel();
        self.waiters.push_back((self.buffer.latest(), sender));
        Written::Soon(receiver)
    }

    /// The next batch. One that was taken and never reported as written comes again: its writer failed,
    /// and writing it twice changes nothing.
    pub(super) fn take(&mut self, now: Timestamp) -> Arc<CommitBatch> {
        if let Some((unfinished, _)) = &self.committing {
            return unfinished.clone();
        }
        let batch = Arc::new(self.buffer.take(now));
        self.committing = Some((batch.clone(), self.buffer.taken()));
        batch
    }

    /// What was taken is written, but for the queues of `failed`. Returns who is to be told.
    pub(super) fn written(
        &mut self,
        failed: HashSet<OrchestratorId>,
    ) -> (Vec<oneshot::Sender<Unwritable>>, Unwritable) {
        let Some((batch, number)) = self.committing.take() else {
            return (Vec::new(), self.unwritable.clone());
        };
        if !failed.is_empty() || !self.unwritable.is_empty() {
            let unwritable = Arc::make_mut(&mut self.unwritable);
            batch.groups.iter().for_each(|group| {
                unwritable.remove(&group.orchestrator);
            });
            unwritable.extend(failed);
        }
        let told = self.waiters.partition_point(|(needed, _)| *needed <= number);
        let told = self.waiters.drain(..told).map(|(_, waiter)| waiter).collect();
        (told, self.unwritable.clone())
    }

    /// Whether `orchestrator`'s queue is being written.
    pub(super) fn is_writing(&self, orchestrator: &OrchestratorId) -> bool {
        self.committing.as_ref().is_some_and(|(batch, _)| batch.concerns(orchestrator))
    }

    /// How many changes are not written, a batch that is being written counting as one.
    pub(super) fn len(&self) -> usize {
        self.buffer.len() + usize::from(self.committing.is_some())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::envelope::{Context, Published};

    const NOW: Timestamp = Timestamp(1);

    fn vp(name: &str) -> OrchestratorId {
        OrchestratorId::parse(name).expect("an id")
    }

    fn store(pending: &mut Pending, orchestrator: &str) {
        let json = Bytes::from(format!(r#"{{"id":"e","type":"a.b","orchestratorId":"{orchestrator}"}}"#));
        let event = Published::parse(&json, &Context::default(), NOW).expect("an event").event;
        pending.buffer.store(Arc::new(event)).expect("room");
    }

    fn pending() -> Pending {
        Pending::new(CommitBuffer::new(100_000))
    }

    fn soon(pending: &mut Pending) -> oneshot::Receiver<Unwritable> {
        match pending.wait() {
            Written::Soon(receiver) => receiver,
            Written::Already(_) => panic!("nothing is written yet"),
        }
    }

    /// Writes one batch; whether `waiter` was told.
    fn write(pending: &mut Pending, failed: &[&str], waiter: &mut oneshot::Receiver<Unwritable>) -> bool {
        let _batch = pending.take(NOW);
        let (told, unwritable) = pending.written(failed.iter().map(|name| vp(name)).collect());
        for told in told {
            told.send(unwritable.clone()).expect("somebody waits");
        }
        waiter.try_recv().is_ok()
    }

    #[test]
    fn nobody_is_told_before_the_last_of_it_is_written() {
        let mut pending = pending();
        for number in 0..4001 {
            store(&mut pending, &format!("vp_{number}"));
        }
        let mut waiter = soon(&mut pending);
        assert!(!write(&mut pending, &[], &mut waiter), "one change did not fit into the batch");
        assert!(write(&mut pending, &[], &mut waiter));
        assert!(matches!(pending.wait(), Written::Already(_)));
    }

    #[test]
    fn who_comes_while_a_batch_is_written_waits_for_what_it_put_in() {
        let mut pending = pending();
        store(&mut pending, "vp_1");
        let mut first = soon(&mut pending);
        let _batch = pending.take(NOW);
        let mut of_the_same = soon(&mut pending);
        store(&mut pending, "vp_2");
        let mut second = soon(&mut pending);
        assert!(write(&mut pending, &[], &mut first));
        assert!(of_the_same.try_recv().is_ok());
        assert!(second.try_recv().is_err());
        assert!(write(&mut pending, &[], &mut second));
    }

    #[test]
    fn a_queue_that_could_not_be_written_is_known_until_it_can_be() {
        let mut pending = pending();
        store(&mut pending, "vp_1");
        let mut waiter = soon(&mut pending);
        let _batch = pending.take(NOW);
        store(&mut pending, "vp_2");
        let mut later = soon(&mut pending);
        let _told = pending.written([vp("vp_1")].into());
        assert!(waiter.try_recv().is_err(), "its sender was dropped");
        let _batch = pending.take(NOW);
        let (told, unwritable) = pending.written(HashSet::new());
        assert_eq!((told.len(), unwritable.contains(&vp("vp_1"))), (1, true), "also for who waited longer");
        drop(told);
        assert!(later.try_recv().is_err());
        let Written::Already(unwritable) = pending.wait() else { panic!("everything is written") };
        assert!(unwritable.contains(&vp("vp_1")), "also for who asks when it is over");

        store(&mut pending, "vp_1");
        let mut waiter = soon(&mut pending);
        assert!(write(&mut pending, &[], &mut waiter));
        let Written::Already(unwritable) = pending.wait() else { panic!("everything is written") };
        assert!(unwritable.is_empty());
    }

    #[test]
    fn who_has_given_up_is_not_kept_while_the_store_is_away() {
        let mut pending = pending();
        store(&mut pending, "vp_1");
        let patient: Vec<_> = (0..10).map(|_| soon(&mut pending)).collect();
        for _ in 0..10 * MANY {
            drop(soon(&mut pending));
        }
        assert!(pending.waiters.len() <= MANY, "{} are kept", pending.waiters.len());
        let _batch = pending.take(NOW);
        let (told, unwritable) = pending.written(HashSet::new());
        let reached = told.into_iter().filter_map(|waiter| waiter.send(unwritable.clone()).ok()).count();
        assert_eq!(reached, patient.len(), "who still waits is told");
    }

    #[test]
    fn a_batch_whose_writer_failed_comes_again() {
        let mut pending = pending();
        store(&mut pending, "vp_1");
        let first = pending.take(NOW);
        store(&mut pending, "vp_2");
        assert!(Arc::ptr_eq(&first, &pending.take(NOW)));
        assert!(pending.is_writing(&vp("vp_1")) && !pending.is_writing(&vp("vp_2")));
        assert_eq!(pending.len(), 2);
    }
}

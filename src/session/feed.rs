//! Where a connection's events come from: directly while it keeps up, from the queue while it does
//! not (delivery rule 2).
//!
//! ```text
//!            hint, full window                     looked, nothing more, no hint since
//!   Live ───────────────────────────► Behind ───────────────────────────────────────► Live
//! ```
//!
//! A push to a connection that is behind is only a hint: what it announces is in the queue, and the
//! next look finds it in its place. So nothing overtakes, and there is no second replay path.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use super::effect::Fetched;
use crate::domain::{
    clock::Monotonic,
    ids::EventId,
    mutant::{Mutant, planted},
};

/// How many events are read ahead of the window at most.
pub(super) const READ_AHEAD: usize = 64;
/// With fewer events read ahead than this, the next look is worth its round trip.
const LOW_WATER: usize = 16;

/// For how long what was read ahead is sent without another look: while the window was full, another
/// daemon may have taken it.
const FRESH: Duration = Duration::from_secs(1);

/// How many acknowledgements are held against a look that is under way. More cost a redelivery.
const MAX_TAKEN: usize = 1024;

/// For how long a push may come behind a look that has brought the same event: hubs hear a publish one
/// after the other, and the first of them may have stored it.
const LATE_PUSH: Duration = Duration::from_secs(5);
/// How many events that came from the queue are remembered for that.
const MAX_OVERTAKEN: usize = 256;

/// The state of the feed.
#[derive(Debug, Default)]
pub(super) struct Feed {
    behind: bool,
    fetching: bool,
    /// The queue may hold something that was not looked at.
    unseen: bool,
    /// The queue holds something that is read only when there is room to send it at once.
    held_back: bool,
    /// After a failed look: not before this.
    retry_at: Option<Monotonic>,
    ready: VecDeque<Fetched>,
    /// When the oldest page of them came.
    read_at: Monotonic,
    /// The look that is under way leaves out what was given up since: it does not count.
    void: bool,
    /// Acknowledged while a look is under way, which may have found them before.
    taken: HashSet<EventId>,
    /// Sent from the queue, or taken over another connection, and when: their pushes may still come.
    overtaken: VecDeque<(EventId, Monotonic)>,
}

impl Feed {
    /// Whether live events must wait for the queue.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Notes that the queue may hold something new. Whether this is where the feed fell behind.
    pub(super) fn hint(&mut self) -> bool {
        self.unseen = true;
        !std::mem::replace(&mut self.behind, true)
    }

    /// Whether a look into the queue should start now; if so, it has started. Without room, only what
    /// is already flowing is refilled: a peer that takes nothing is read nothing for. `at_once` is how many
    /// events could be sent before anything that was read ahead is in their way.
    pub(super) fn start_fetch(
        &mut self,
        may_send: bool,
        room: usize,
        at_once: usize,
        now: Monotonic,
    ) -> bool {
        self.retry_at = self.retry_at.filter(|at| now < *at);
        let waits = self.unseen || self.held_back && at_once > 0;
        let wanted = may_send && self.behind && waits && !self.fetching;
        if !wanted || self.retry_at.is_some() || self.ready.len() >= LOW_WATER {
            return false;
        }
        if room == 0 && self.ready.is_empty() {
            return false;
        }
        (self.fetching, self.unseen, self.held_back) = (true, false, false);
        true
    }

    /// Takes the outcome of a look: its events, whether there is more behind them, and whether that is only
    /// for somebody who has room. Returns the events that it does not keep and others could have.
    pub(super) fn fetched(
        &mut self,
        events: impl IntoIterator<Item = Fetched>,
        more: bool,
        held_back: bool,
    ) -> Vec<EventId> {
        let void = std::mem::take(&mut self.void);
        self.fetching = false;
        self.held_back |= held_back;
        self.unseen |= more || void;
        let mut taken = std::mem::take(&mut self.taken);
        if planted(Mutant::TakenReadAhead) {
            taken.clear();
        }
        let events = events.into_iter().filter(|fetched| !taken.contains(&fetched.delivery.event.id));
        if void {
            return events.filter_map(claimed).collect();
        }
        self.ready.extend(events);
        Vec::new()
    }

    /// Gives up what others could have, and is not sent yet; the next look finds what is left of it.
    pub(super) fn give_back(&mut self) -> Vec<EventId> {
        if self.ready.iter().all(|fetched| fetched.claimed_until.is_none()) {
            return Vec::new();
        }
        self.held_back = true;
        let (shared, own) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition::<VecDeque<_>, _>(|fetched| fetched.claimed_until.is_some());
        self.ready = own;
        shared.into_iter().filter_map(claimed).collect()
    }

    /// Notes that a look failed and is worth another try at `retry_at`.
    pub(super) fn failed(&mut self, retry_at: Monotonic) {
        (self.fetching, self.unseen, self.retry_at) = (false, true, Some(retry_at));
        self.taken = HashSet::new();
        self.void = false;
    }

    /// The next event to send.
    pub(super) fn next(&mut self) -> Option<Fetched> {
        let backwards = planted(Mutant::LastInFirstOut);
        let next = if backwards { self.ready.pop_back() } else { self.ready.pop_front() };
        if self.ready.is_empty() {
            self.ready = VecDeque::new();
        }
        next
    }

    /// Notes that an event from the queue is sent, or that it was taken without being in flight here.
    pub(super) fn overtakes_push(&mut self, id: &EventId, now: Monotonic) {
        self.forget_overtaken(now);
        if self.overtaken.len() >= MAX_OVERTAKEN {
            self.overtaken.pop_front();
        }
        self.overtaken.push_back((id.clone(), now));
    }

    /// Whether a push comes too late: the event was found in the queue and sent already, or taken.
    pub(super) fn is_overtaken(&mut self, id: &EventId, now: Monotonic) -> bool {
        self.forget_overtaken(now);
        self.overtaken.iter().any(|(overtaken, _)| overtaken == id)
    }

    /// Forgets the events whose pushes cannot come any more, and gives their memory back.
    pub(super) fn forget_overtaken(&mut self, now: Monotonic) {
        while self.overtaken.front().is_some_and(|(_, at)| now.since(*at) > LATE_PUSH) {
            self.overtaken.pop_front();
        }
        if self.overtaken.is_empty() && self.overtaken.capacity() > 0 {
            self.overtaken = VecDeque::new();
        }
    }

    /// The event that is sent next.
    pub(super) fn peek(&self) -> Option<&Fetched> {
        self.ready.front()
    }

    /// How many events are read ahead.
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether the feed has caught up; if so, it is live again.
    pub(super) fn catch_up(&mut self) -> bool {
        let unseen = (self.unseen || self.held_back) && !planted(Mutant::HintForgotten);
        let done = self.behind && !unseen && !self.fetching && self.ready.is_empty();
        if done {
            self.behind = false;
        }
        done
    }

    /// The ids that are read ahead.
    pub(super) fn ids(&self) -> impl Iterator<Item = &EventId> {
        self.ready.iter().map(|fetched| &fetched.delivery.event.id)
    }

    /// Forgets an event that was read ahead, or is being read: it was taken some other way.
    pub(super) fn forget(&mut self, id: &EventId) {
        self.ready.retain(|fetched| fetched.delivery.event.id != *id);
        if self.fetching && self.taken.len() < MAX_TAKEN {
            self.taken.insert(id.clone());
        }
    }

    /// Notes when a page came, before it is taken.
    pub(super) fn page_came(&mut self, now: Monotonic) {
        if self.ready.is_empty() {
            self.read_at = now;
        }
    }

    /// Gives up what was read ahead too long ago; the next look finds what still waits. Returns what others
    /// could have of it.
    pub(super) fn forget_stale(&mut self, now: Monotonic) -> Vec<EventId> {
        if self.ready.is_empty() || now.since(self.read_at) <= FRESH {
            return Vec::new();
        }
        (self.unseen, self.void) = (true, self.fetching);
        std::mem::take(&mut self.ready).into_iter().filter_map(claimed).collect()
    }

    /// When the feed wants to be looked at again.
    pub(super) fn next_due(&self) -> Monotonic {
        self.retry_at.unwrap_or(Monotonic::NEVER)
    }
}

/// The id of an event that others could have, if it is one.
fn claimed(fetched: Fetched) -> Option<EventId> {
    fetched.claimed_until.map(|_| fetched.delivery.event.id.clone())
}

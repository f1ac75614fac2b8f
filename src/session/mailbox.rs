//! The flow of events to one connection: what is sent, what waits for its acknowledgement, what is tried
//! again, and when an event is given up (delivery rules 2 to 8).

pub(super) mod answers;

use std::{sync::Arc, time::Duration};

use super::{
    effect::{Effect, FetchRequest, Fetched, Flow, Identity, Limits, Page},
    feed::{Feed, READ_AHEAD},
    window::{InFlight, State, Window},
};
use crate::{
    domain::{
        attempt::{Cause, Ended},
        clock::{Monotonic, Now},
        event::Audience,
        ids::EventId,
        mutant::{Mutant, planted},
        subscription::Subscriptions,
    },
    protocol::{
        event_frame::{Delivery, Sending},
        server_frame::Blocked,
    },
};

/// How many bytes may be on their way to a socket before sending waits.
const MAX_OUTBOUND_BYTES: usize = 1024 * 1024;
/// How long to wait before what could not be done now is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// An event is suspected of a crash when its connection breaks this soon after it.
const CRASH_SPAN: Duration = Duration::from_secs(5);
/// After how many crashes an event is given up; after one less it is tried alone.
const CRASH_LIMIT: u32 = 3;

/// One connection's mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    limits: Arc<Limits>,
    identity: Arc<Identity>,
    interest: Arc<Subscriptions>,
    window: Window,
    feed: Feed,
    /// How many events may be in flight.
    max_in_flight: usize,
    /// Bytes on their way to the socket.
    outbound: usize,
    /// How many events were sent, and how many of them have left for the socket.
    sent: u64,
    flushed: u64,
    /// When the last of them was sent.
    sent_at: Monotonic,
    /// The event that is tried alone, and until when it is suspected.
    quarantine: Option<(EventId, Monotonic)>,
    /// How many events waited when the queue was last looked into.
    queued: usize,
    /// Whether the queue may hold something, wanted or not.
    backlog: bool,
    /// Whether the queue has grown since the last look began, so that its answer may be outdated.
    grew: bool,
    stopped: bool,
}

impl Mailbox {
    /// An empty mailbox; `backlog` says whether something may wait in the queue.
    pub(super) fn new(
        limits: Arc<Limits>,
        identity: Arc<Identity>,
        max_in_flight: usize,
        backlog: bool,
    ) -> Self {
        Self {
            limits,
            identity,
            interest: Arc::default(),
            window: Window::default(),
            feed: Feed::default(),
            max_in_flight,
            outbound: 0,
            sent: 0,
            flushed: 0,
            sent_at: Monotonic::default(),
            quarantine: None,
            queued: 0,
            backlog,
            grew: false,
            stopped: false,
        }
    }

    /// What the connection is subscribed to.
    pub(super) fn interest(&self) -> &Arc<Subscriptions> {
        &self.interest
    }

    /// Changes what the connection is subscribed to.
    pub(super) fn set_interest(&mut self, interest: Arc<Subscriptions>) {
        self.interest = interest;
    }

    /// How many events may be in flight.
    pub(super) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// How many events are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.window.len()
    }

    /// How many events wait for this daemon, as far as that is known.
    pub(super) fn queued(&self) -> usize {
        if !self.feed.is_behind() {
            return self.queued;
        }
        // Who is paused does not look: that something waits is all that is known then.
        self.queued.max(self.feed.len()).max(usize::from(self.backlog))
    }

    /// Whether the queue may hold something.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog
    }

    /// Why what waits is not sent, if it is not (delivery rule 4).
    pub(super) fn blocked(&self) -> Option<Blocked> {
        if self.stopped {
            Some(Blocked::Draining)
        } else if self.max_in_flight == 0 {
            Some(Blocked::Paused)
        } else if !self.feed.is_behind() {
            None
        } else if self.outbound >= MAX_OUTBOUND_BYTES {
            Some(Blocked::SlowPeer)
        } else if self.quarantine.is_some() {
            Some(Blocked::Quarantine)
        } else if self.window.len() >= self.max_in_flight {
            Some(Blocked::Window)
        } else {
            self.suspect_due().map(|_| Blocked::Quarantine)
        }
    }

    /// From when on nothing but the suspect that comes next can be blamed, should the connection break:
    /// what was sent before may still be in flight, but too long ago. `None` when no suspect waits for that.
    fn suspect_due(&self) -> Option<Monotonic> {
        let waits = self.window.len() > 0 && self.feed.peek().is_some_and(is_suspect);
        waits.then(|| self.sent_at.plus(CRASH_SPAN))
    }

    /// How events flow now.
    pub(super) fn flow(&self) -> Flow {
        let (in_flight, blocked) = (self.in_flight(), self.blocked());
        Flow { in_flight, room: self.max_in_flight.saturating_sub(in_flight), blocked }
    }

    /// Whether an event is in flight here, put off, or about to be sent.
    pub(super) fn is_on_its_way(&self, id: &EventId) -> bool {
        self.window.contains(id) || self.feed.ids().any(|ready| ready == id)
    }

    pub(super) fn on_event(&mut self, delivery: &Arc<Delivery>, now: Now, out: &mut Vec<Effect>) {
        let id = &delivery.event.id;
        if self.window.contains(id) || self.feed.is_overtaken(id, now.mono) {
            return;
        }
        if self.feed.is_behind() || !self.has_room() || !self.wants(delivery) {
            self.on_hint(now, out);
        } else {
            self.send(Fetched::fresh(delivery.clone()), now, out);
        }
    }

    pub(super) fn on_hint(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.note_backlog();
        if self.feed.hint() {
            out.push(Effect::Behind);
        }
        self.advance(now, out);
    }

    pub(super) fn on_page(&mut self, page: Option<Page>, now: Now, out: &mut Vec<Effect>) {
        match page {
            None => self.feed.failed(now.mono.plus(RETRY)),
            Some(Page { events, more, held_back, waiting }) => {
                self.feed.page_came(now.mono);
                self.backlog = self.grew || waiting > 0;
                self.queued = waiting.saturating_sub(self.window.len());
                let window = &self.window;
                let fresh = events.into_iter().filter(|fetched| !window.contains(&fetched.delivery.event.id));
                release(self.feed.fetched(fresh, more, held_back), out);
            }
        }
        self.advance(now, out);
    }

    /// Takes what was read again of `asked`.
    pub(super) fn on_redelivery(
        &mut self,
        asked: &[EventId],
        found: Option<Vec<Fetched>>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let read = found.is_some();
        let mut found = found.unwrap_or_default();
        for id in asked {
            let Some((_, state @ (State::Reloading | State::Returning))) = self.window.get(id) else {
                continue;
            };
            // The daemon may have lowered its window meanwhile.
            let fits = state == State::Reloading || self.window.len() <= self.max_in_flight;
            if !read || self.outbound >= MAX_OUTBOUND_BYTES || !fits {
                let at = now.mono.plus(RETRY);
                if state == State::Reloading {
                    self.window.postpone(id, at)
                } else {
                    self.window.delay(id, at)
                }
                continue;
            }
            let Some((flight, _)) = self.window.get(id) else { continue };
            let (attempts, crashes) = (flight.attempt, flight.crashes);
            let history = std::mem::take(&mut flight.history);
            match found.iter().position(|fetched| fetched.delivery.event.id == *id) {
                Some(at) if !self.stopped => {
                    let delivery = found.swap_remove(at).delivery;
                    if self.wants(&delivery) {
                        let again = Fetched::fresh(delivery);
                        self.send(Fetched { attempts, crashes, history, ..again }, now, out);
                    } else {
                        self.window.remove(id);
                        // It stays in the queue, for whoever subscribes again.
                        self.backlog = true;
                    }
                }
                still_there => {
                    self.window.remove(id);
                    self.backlog |= still_there.is_some();
                }
            }
        }
        self.advance(now, out);
    }

    /// Everything that was sent has left for the socket.
    pub(super) fn on_drained(&mut self, now: Now, out: &mut Vec<Effect>) {
        let was_full = self.outbound >= MAX_OUTBOUND_BYTES;
        (self.outbound, self.flushed) = (0, self.sent);
        if was_full {
            self.advance(now, out);
        }
    }

    /// The queue has grown by something that was not offered here.
    pub(super) fn note_backlog(&mut self) {
        (self.backlog, self.grew) = (true, true);
    }

    /// Sends nothing any more; acknowledgements count.
    pub(super) fn stop(&mut self, out: &mut Vec<Effect>) {
        self.stopped = true;
        release(self.feed.give_back(), out);
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Monotonic {
        let alone = self.quarantine.as_ref().map_or(Monotonic::NEVER, |(_, until)| *until);
        let suspect = self.suspect_due().filter(|_| self.has_room()).unwrap_or(Monotonic::NEVER);
        self.window.next_due().min(self.feed.next_due()).min(alone).min(suspect)
    }

    /// Does what is due: what was not acknowledged in time is tried again, moved or given up.
    pub(super) fn on_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let (mut reload, mut release, mut outbound) = (Vec::new(), Vec::new(), self.outbound);
        while let Some(id) = self.window.take_due(now.mono) {
            let Some((flight, state)) = self.window.get(&id) else { continue };
            if state == State::Delayed {
                self.window.ripen(&id);
                continue;
            }
            if flight.attempt >= self.limits.max_attempts {
                flight.end(&self.identity, Ended::TimedOut, None);
                self.give_up(&id, Cause::MaxAttempts, out);
            } else if flight.any {
                flight.end(&self.identity, Ended::TimedOut, None);
                self.let_go(&id, out);
                release.push(id);
            } else if self.stopped || self.max_in_flight == 0 || outbound >= MAX_OUTBOUND_BYTES {
                self.window.postpone(&id, now.mono.plus(RETRY));
            } else {
                flight.end(&self.identity, Ended::TimedOut, None);
                outbound += flight.size;
                self.window.reload(&id);
                reload.push(id);
            }
        }
        self::release(release, out);
        if !reload.is_empty() {
            out.push(Effect::Reload(reload));
        }
        self.advance(now, out);
    }

    /// The connection has ended, and `crashed` says that it broke. What it had is free for others, and
    /// an event that breaks its connection again and again is given up (delivery rule 6).
    pub(super) fn on_gone(&mut self, crashed: bool, now: Now, out: &mut Vec<Effect>) {
        let mut release = self.feed.give_back();
        for mut flight in self.window.drain() {
            let suspect =
                crashed && flight.order <= self.flushed && now.mono.since(flight.sent_at.0) <= CRASH_SPAN;
            if suspect {
                flight.crashes += 1;
                flight.end(&self.identity, Ended::Crashed, None);
            }
            if suspect && flight.crashes >= CRASH_LIMIT {
                let InFlight { id, attempt: attempts, history, .. } = flight;
                out.push(Effect::DeadLetter { id, cause: Cause::CrashLoop, attempts, history });
                continue;
            }
            if suspect {
                out.push(Effect::Note(flight.note()));
            }
            if flight.any {
                release.push(flight.id);
            }
        }
        self::release(release, out);
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        self.interest.matches(&delivery.event.kind, delivery.event.channel.as_ref())
    }

    fn has_room(&self) -> bool {
        let most = self.max_in_flight + usize::from(planted(Mutant::WindowOverfilled));
        self.may_send() && self.quarantine.is_none() && self.window.len() < most
    }

    fn may_send(&self) -> bool {
        !self.stopped && (self.outbound < MAX_OUTBOUND_BYTES || planted(Mutant::SlowPeerFed))
    }

    /// Sends what was put off and what was read ahead, reads more when that runs low, and goes live when
    /// nothing is left.
    fn advance(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.lift_quarantine(now.mono);
        if self.has_room() {
            release(self.feed.forget_stale(now.mono), out);
        }
        let mut reload = Vec::new();
        while self.has_room()
            && let Some(id) = self.window.next_ripe()
        {
            reload.push(id);
        }
        if !reload.is_empty() {
            out.push(Effect::Reload(reload));
        }
        while self.has_room()
            && let Some(next) = self.feed.peek()
        {
            if self.suspect_due().is_some_and(|due| now.mono < due) {
                break;
            }
            if next.claimed_until.is_some_and(|until| until <= now.wall) {
                // By now another connection may have it.
                self.feed.next();
                self.feed.hint();
                continue;
            }
            let Some(fetched) = self.feed.next() else { break };
            if self.wants(&fetched.delivery) {
                self.queued = self.queued.saturating_sub(1);
                self.feed.overtakes_push(&fetched.delivery.event.id, now.mono);
                self.send(fetched, now, out);
            } else if fetched.claimed_until.is_some() {
                release(vec![fetched.delivery.event.id.clone()], out);
            }
        }
        if !self.has_room() {
            release(self.feed.give_back(), out);
        }
        let room = self.max_in_flight.saturating_sub(self.window.len());
        let at_once = if self.has_room() { room.saturating_sub(self.feed.len()) } else { 0 };
        if self.feed.start_fetch(self.may_send(), room, at_once, now.mono) {
            self.grew = false;
            let exclude = self.window.ids().chain(self.feed.ids()).cloned().collect();
            out.push(Effect::Fetch(FetchRequest { exclude, limit: room + READ_AHEAD, room: at_once }));
        } else if self.feed.catch_up() {
            self.queued = 0;
            out.push(Effect::CaughtUp);
        }
    }

    /// A suspect that was taken, or has not broken the connection in time, is none any more.
    fn lift_quarantine(&mut self, now: Monotonic) {
        let over = |(id, until): &(EventId, Monotonic)| *until <= now || !self.window.contains(id);
        if self.quarantine.as_ref().is_some_and(over) {
            self.quarantine = None;
        }
    }

    fn send(&mut self, fetched: Fetched, now: Now, out: &mut Vec<Effect>) {
        let suspect = is_suspect(&fetched);
        let Fetched { delivery, attempts, crashes, history, claimed_until } = fetched;
        let event = &delivery.event;
        if event.expires_at.is_some_and(|end| end <= now.wall) && !planted(Mutant::ExpiredSent) {
            // The queue counts it as expired.
            self.window.remove(&event.id);
            return;
        }
        if attempts >= self.limits.max_attempts {
            self.window.remove(&event.id);
            let (id, cause) = (event.id.clone(), Cause::MaxAttempts);
            out.push(Effect::DeadLetter { id, cause, attempts, history });
            return;
        }
        let again = attempts > 0 && planted(Mutant::AttemptNotCounted);
        let attempt = if again { attempts } else { attempts + 1 };
        let (size, ack_deadline) = (delivery.size(), self.limits.redelivery_after(attempt));
        self.outbound += size;
        self.sent += 1;
        self.sent_at = now.mono;
        let sending = Sending { delivery: delivery.clone(), attempt, ack_deadline };
        out.push(Effect::Deliver { sending, crashes, history: history.clone() });
        if !event.requires_ack {
            if delivery.take() {
                out.push(Effect::Acknowledge { ids: vec![(event.id.clone(), attempt)], waited: None });
            }
            return;
        }
        let any = event.audience == Audience::Any;
        // What was read ahead may not be claimed for long any more.
        let in_time = claimed_until.is_none_or(|until| until >= now.wall.plus(ack_deadline));
        if any && (attempt > 1 || !in_time) {
            out.push(Effect::Extend { ids: vec![event.id.clone()], span: ack_deadline });
        }
        let flight = InFlight {
            id: event.id.clone(),
            attempt,
            size,
            sent_at: (now.mono, now.wall),
            order: self.sent,
            any,
            crashes,
            history,
        };
        if suspect {
            self.quarantine = Some((flight.id.clone(), now.mono.plus(CRASH_SPAN)));
        }
        self.window.sent(flight, now.mono.plus(ack_deadline));
    }

    /// Another connection gets it: what happened here is written down.
    fn let_go(&mut self, id: &EventId, out: &mut Vec<Effect>) {
        out.extend(self.window.remove(id).map(|flight| Effect::Note(flight.note())));
    }

    fn give_up(&mut self, id: &EventId, cause: Cause, out: &mut Vec<Effect>) {
        if let Some(InFlight { id, attempt: attempts, history, .. }) = self.window.remove(id) {
            out.push(Effect::DeadLetter { id, cause, attempts, history });
        }
    }
}

/// Lets others have events that this connection does not get to.
fn release(ids: Vec<EventId>, out: &mut Vec<Effect>) {
    if !ids.is_empty() {
        out.push(Effect::Release { ids, delay: Duration::ZERO });
    }
}

fn is_suspect(fetched: &Fetched) -> bool {
    fetched.crashes + 1 >= CRASH_LIMIT
}

//! A small world around one session: the queue, the shell with its mailbox and flags, the daemon. It
//! answers faithfully, at moments of the test's choosing, and checks every effect against the promises.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    mem::take,
    sync::Arc,
};

use bytes::Bytes;

use super::fixtures::*;
use crate::{
    domain::{clock::Now, ids::EventId, subscription::Subscriptions},
    protocol::event_frame::Delivery,
    session::{
        Session,
        effect::{Admission, Effect, FetchRequest, Fetched, Limits, Page},
    },
};

pub(super) const KINDS: [&str; 3] = ["message.received", "channel.joined", "vp.mentioned"];

/// One thing that happens. Numbers are taken modulo what there is to choose from.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An event is published: the queue has it, and the connection is offered it.
    Publish { kind: usize, requires_ack: bool, large: bool },
    /// The actor takes one message out of its mailbox.
    Mail,
    /// The look that was asked for reads the queue; its answer is on the way.
    Look,
    /// The answer arrives; the mailbox was emptied first, as actors do.
    Answer,
    /// The look fails.
    FailLook,
    /// The reload that was asked for is answered.
    Reload,
    /// The reload fails.
    FailReload,
    /// The daemon acknowledges one of the events in flight, the oldest at 0.
    Ack(usize),
    /// The daemon acknowledges any event there ever was.
    LateAck(usize),
    /// Somebody else takes an event out of the queue.
    Elsewhere(usize),
    /// Another actor hints.
    Hint,
    /// Time goes by; the monitor reminds the connection.
    Tick(u64),
    /// The daemon subscribes to one of [`KINDS`].
    Subscribe(usize),
    /// The daemon unsubscribes from one of [`KINDS`].
    Unsubscribe(usize),
    /// The socket has taken everything.
    Drained,
}

enum Mail {
    Deliver(Arc<Delivery>),
    Hint,
}

struct Entry {
    delivery: Arc<Delivery>,
    attempts: u32,
}

impl Entry {
    fn fetched(&self) -> Fetched {
        Fetched { attempts: self.attempts, ..Fetched::fresh(self.delivery.clone()) }
    }
}

struct Look {
    request: FetchRequest,
    interest: Arc<Subscriptions>,
    read: Option<Page>,
}

pub(super) struct World {
    session: Session,
    now: Now,
    limits: Limits,
    /// How many events one page brings at most.
    page_size: usize,
    mailbox_size: usize,
    queue: Vec<Entry>,
    published: Vec<EventId>,
    mailbox: VecDeque<Mail>,
    live: bool,
    missed: bool,
    unwanted: bool,
    interest: Arc<Subscriptions>,
    look: Option<Look>,
    reloads: VecDeque<Vec<EventId>>,
    in_flight: BTreeSet<EventId>,
    attempts: HashMap<EventId, u32>,
    acknowledged: HashSet<EventId>,
    /// Every event that was sent, in the order of first sending.
    pub(super) first_sent: Vec<EventId>,
    sent: usize,
}

impl World {
    pub(super) fn new(limits: Limits, page_size: usize, mailbox_size: usize, patterns: &[&str]) -> Self {
        let mut world = Self {
            session: Session::new(Arc::new(limits.clone()), START),
            now: START,
            limits,
            page_size,
            mailbox_size,
            queue: Vec::new(),
            published: Vec::new(),
            mailbox: VecDeque::new(),
            live: false,
            missed: false,
            unwanted: false,
            interest: Arc::default(),
            look: None,
            reloads: VecDeque::new(),
            in_flight: BTreeSet::new(),
            attempts: HashMap::new(),
            acknowledged: HashSet::new(),
            first_sent: Vec::new(),
            sent: 0,
        };
        let admission = Admission { subscriptions: Some(subscribed_to(patterns)), ..admission() };
        world.drive(|session, now, out| session.on_admitted(Ok(admission), None, now, out));
        world
    }

    fn drive(&mut self, input: impl FnOnce(&mut Session, Now, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        input(&mut self.session, self.now, &mut out);
        out.into_iter().for_each(|effect| self.perform(effect));
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver { sending, .. } => self.sent(&sending.delivery, sending.attempt),
            Effect::Acknowledge { ids, .. } => {
                let ids: Vec<EventId> = ids.into_iter().map(|(id, _)| id).collect();
                self.queue.retain(|entry| !ids.contains(&entry.delivery.event.id));
                self.in_flight.retain(|id| !ids.contains(id));
                self.acknowledged.extend(ids);
            }
            Effect::DeadLetter { id, attempts, .. } => {
                assert!(attempts >= self.limits.max_attempts, "{id} is buried alive");
                self.queue.retain(|entry| entry.delivery.event.id != id);
                self.in_flight.remove(&id);
            }
            Effect::Fetch(request) => {
                assert!(self.look.is_none(), "two looks at once");
                self.look = Some(Look { request, interest: self.interest.clone(), read: None });
            }
            Effect::Reload(ids) => self.reloads.push_back(ids),
            Effect::CaughtUp => {
                self.live = !take(&mut self.missed);
                if !self.live {
                    self.drive(Session::on_hint);
                }
            }
            Effect::Behind => self.live = false,
            Effect::Subscribed(interest) => {
                self.interest = interest;
                if take(&mut self.unwanted) {
                    self.drive(Session::on_hint);
                }
            }
            Effect::Send(..) | Effect::Heartbeat(_) | Effect::Pause(_) | Effect::Ping => {}
            other => panic!("{other:?}"),
        }
    }

    fn sent(&mut self, delivery: &Delivery, attempt: u32) {
        let id = &delivery.event.id;
        assert!(!self.acknowledged.contains(id), "{id} was acknowledged and is sent again");
        self.sent += 1;
        let before = self.attempts.insert(id.clone(), attempt);
        assert!(before.is_none_or(|before| before < attempt), "{id}: attempt {attempt} after {before:?}");
        if before.is_none() {
            self.first_sent.push(id.clone());
        }
        if let Some(entry) = self.queue.iter_mut().find(|entry| entry.delivery.event.id == *id) {
            entry.attempts = attempt;
        }
        if delivery.event.requires_ack {
            self.in_flight.insert(id.clone());
            assert!(
                self.in_flight.len() <= self.limits.max_in_flight,
                "more in flight than the window holds"
            );
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Publish { kind, requires_ack, large } => self.publish(*kind, *requires_ack, *large),
            Step::Mail => self.mail(),
            Step::Look => self.read(),
            Step::Answer => self.answer(),
            Step::FailLook => {
                if self.look.take().is_some() {
                    self.drive(|session, now, out| session.on_page(None, now, out));
                }
            }
            Step::Reload => self.reload(),
            Step::FailReload => {
                if let Some(asked) = self.reloads.pop_front() {
                    self.drive(|session, now, out| session.on_redelivery(&asked, None, now, out));
                }
            }
            Step::Ack(n) => {
                let known: Vec<_> = self.in_flight.iter().cloned().collect();
                self.acknowledge(&known, *n);
            }
            Step::LateAck(n) => self.acknowledge(&self.published.clone(), *n),
            Step::Elsewhere(n) => {
                if !self.queue.is_empty() {
                    self.queue.remove(n % self.queue.len());
                }
            }
            Step::Hint => self.hint(),
            Step::Tick(seconds) => {
                let span = secs(*seconds);
                self.now = Now { wall: self.now.wall.plus(span), mono: self.now.mono.plus(span) };
                self.tick();
            }
            Step::Subscribe(n) => {
                self.frame("subscribe", &format!(r#"{{"eventTypes":["{}"]}}"#, KINDS[n % KINDS.len()]));
            }
            Step::Unsubscribe(n) => {
                self.frame("unsubscribe", &format!(r#"{{"eventTypes":["{}"]}}"#, KINDS[n % KINDS.len()]));
            }
            Step::Drained => self.drive(Session::on_drained),
        }
    }

    fn publish(&mut self, kind: usize, requires_ack: bool, large: bool) {
        static LARGE: [u8; 400_000] = [b' '; 400_000];
        let payload = Bytes::from_static(if large { &LARGE } else { b"{}" });
        // Four digits, so that ids sort in the order of publishing.
        let name = format!("e{:04}", self.published.len());
        let delivery = delivery(&name, KINDS[kind % KINDS.len()], requires_ack, payload);
        self.published.push(delivery.event.id.clone());
        self.queue.push(Entry { delivery: delivery.clone(), attempts: 0 });
        if !wants(&self.interest, &delivery) {
            self.unwanted = true;
        } else if self.live && !self.missed && self.mailbox.len() < self.mailbox_size {
            self.mailbox.push_back(Mail::Deliver(delivery));
        } else {
            self.missed = true;
            if self.live {
                self.hint();
            }
        }
    }

    /// As the shell's handle does: a full mailbox keeps the note, which the monitor finds.
    fn hint(&mut self) {
        self.missed = true;
        if self.mailbox.len() < self.mailbox_size {
            self.mailbox.push_back(Mail::Hint);
        }
    }

    fn mail(&mut self) {
        match self.mailbox.pop_front() {
            Some(Mail::Deliver(delivery)) => {
                self.drive(|session, now, out| session.on_event(&delivery, now, out));
            }
            Some(Mail::Hint) => {
                self.missed = false;
                self.drive(Session::on_hint);
            }
            None => {}
        }
    }

    fn empty_mailbox(&mut self) {
        while !self.mailbox.is_empty() {
            self.mail();
        }
    }

    fn read(&mut self) {
        let Some(look) = self.look.as_mut().filter(|look| look.read.is_none()) else { return };
        let mut candidates = self.queue.iter().filter(|entry| {
            let id = &entry.delivery.event.id;
            !look.request.exclude.contains(id) && wants(&look.interest, &entry.delivery)
        });
        let limit = look.request.limit.min(self.page_size);
        let events = candidates.by_ref().take(limit).map(Entry::fetched).collect();
        let more = candidates.next().is_some();
        look.read = Some(Page { events, more, waiting: self.queue.len(), ..Page::default() });
    }

    fn answer(&mut self) {
        self.empty_mailbox();
        self.read();
        if let Some(page) = self.look.take().and_then(|look| look.read) {
            self.drive(|session, now, out| session.on_page(Some(page), now, out));
        }
    }

    fn reload(&mut self) {
        let Some(asked) = self.reloads.pop_front() else { return };
        self.empty_mailbox();
        let known = self.queue.iter().filter(|entry| asked.contains(&entry.delivery.event.id));
        let found: Vec<_> = known.map(Entry::fetched).collect();
        let stays = |id: &EventId| {
            found.iter().any(|found| found.delivery.event.id == *id && wants(&self.interest, &found.delivery))
        };
        self.in_flight.retain(|id| !asked.contains(id) || stays(id));
        self.drive(|session, now, out| session.on_redelivery(&asked, Some(found), now, out));
    }

    fn acknowledge(&mut self, known: &[EventId], n: usize) {
        if let Some(id) = known.get(n % known.len().max(1)) {
            self.frame("ack", &format!(r#"{{"eventIds":["{id}"]}}"#));
        }
    }

    /// A frame arrives; the mailbox was emptied first here too.
    fn frame(&mut self, kind: &str, payload: &str) {
        self.empty_mailbox();
        if take(&mut self.unwanted) {
            self.session.note_backlog();
        }
        let text = format!(r#"{{"type":"{kind}","payload":{payload}}}"#);
        self.drive(|session, now, out| session.on_text(&text, now, out));
    }

    fn tick(&mut self) {
        if self.session.next_deadline() > self.now.mono && !self.missed {
            return;
        }
        let missed = take(&mut self.missed);
        self.drive(|session, now, out| {
            if missed {
                session.on_hint(now, out);
            }
            session.on_tick(now, out);
        });
        assert!(self.session.next_deadline() > self.now.mono, "a tick leaves its own deadline behind");
    }

    /// Whether everything that is wanted has gone out.
    fn is_done(&self) -> bool {
        let waits = self.queue.iter().any(|entry| wants(&self.interest, &entry.delivery));
        self.live && !waits && self.in_flight.is_empty() && self.mailbox.is_empty()
    }

    /// No more inputs: everything is answered, every event acknowledged, and all must have gone out.
    pub(super) fn settle(&mut self) {
        for _ in 0..2_000 {
            if self.is_done() {
                return;
            }
            let sent = self.sent;
            self.answer();
            self.reload();
            self.step(&Step::Drained);
            self.acknowledge(&self.in_flight.iter().cloned().collect::<Vec<_>>(), 0);
            let answered = self.look.is_none() && self.reloads.is_empty() && self.in_flight.is_empty();
            if answered && sent == self.sent && !self.missed && !self.is_done() {
                let wait = self.session.next_deadline().since(self.now.mono);
                assert!(wait < HOUR, "stalled: live {}, {} wait", self.live, self.queue.len());
                self.now = Now { wall: self.now.wall.plus(wait), mono: self.now.mono.plus(wait) };
            }
            self.tick();
        }
        panic!("never settles: live {}, {} wait", self.live, self.queue.len());
    }
}

fn wants(interest: &Subscriptions, delivery: &Delivery) -> bool {
    interest.matches(&delivery.event.kind, delivery.event.channel.as_ref())
}

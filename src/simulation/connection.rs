//! A connection as its hub sees it: the real session, with the mailbox, the flags and the socket that
//! the actors' shell keeps around it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    mem::take,
    sync::Arc,
};

use super::{
    Number,
    act::{Act, Frame},
    facts::{Moment, Note},
    invariant::Invariant,
    shell,
    world::World,
};
use crate::{
    domain::{
        clock::Now,
        ids::{ConnectionId, EventId},
        subscription::Subscriptions,
    },
    protocol::event_frame::Delivery,
    session::{
        Session,
        effect::{Effect, Fetched, Identity, Page},
    },
};

/// How many bytes of events may wait in a mailbox, and be on their way to a socket.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// A message in a connection's mailbox.
#[derive(Debug)]
pub(super) enum Mail {
    Deliver(Arc<Delivery>),
    Hint,
}

/// See the [module](self).
pub(super) struct Link {
    pub(super) hub: Number,
    pub(super) daemon: Number,
    pub(super) orchestrator: Number,
    pub(super) id: ConnectionId,
    pub(super) session: Session,
    pub(super) identity: Arc<Identity>,
    /// It is counted among the connections of its orchestrator.
    pub(super) known: bool,
    pub(super) open: bool,
    pub(super) interest: Arc<Subscriptions>,
    pub(super) live: bool,
    pub(super) missed: bool,
    pub(super) unwanted: bool,
    pub(super) mailbox: VecDeque<Mail>,
    pub(super) mailbox_bytes: usize,
    pub(super) mail_is_due: bool,
    /// The peer does not read; the actor may stand still with it.
    pub(super) stalled: bool,
    pub(super) frozen_since: Option<u64>,
    pub(super) held: Vec<Act>,
    pub(super) outbound: usize,
    /// Deliveries that have not left for the socket yet.
    pub(super) unflushed: Vec<crate::backplane::commit::Sent>,
    pub(super) last_up: u64,
    pub(super) last_down: u64,
    /// What it is told that it lost.
    pub(super) gap: Option<crate::domain::gap::Gap>,
    /// When what the session knows of an event was true.
    pub(super) told: HashMap<Number, Moment>,
    /// The last attempt that it was sent, and the life of the event then.
    pub(super) attempts: HashMap<Number, (u32, u32)>,
    pub(super) taken: HashMap<Number, u32>,
    pub(super) in_flight: BTreeSet<Number>,
    pub(super) window: usize,
}

impl Link {
    pub(super) fn new(hub: Number, daemon: Number, identity: Arc<Identity>, session: Session) -> Self {
        Self {
            hub,
            daemon,
            orchestrator: 0,
            id: identity.connection,
            session,
            identity,
            known: false,
            open: true,
            interest: Arc::default(),
            live: false,
            missed: false,
            unwanted: false,
            mailbox: VecDeque::new(),
            mailbox_bytes: 0,
            mail_is_due: false,
            stalled: false,
            frozen_since: None,
            held: Vec::new(),
            outbound: 0,
            unflushed: Vec::new(),
            last_up: 0,
            last_down: 0,
            gap: None,
            told: HashMap::new(),
            attempts: HashMap::new(),
            taken: HashMap::new(),
            in_flight: BTreeSet::new(),
            window: 0,
        }
    }
}

impl World {
    /// Feeds the session of a connection and carries out what it asks for.
    pub(super) fn drive(
        &mut self,
        connection: Number,
        input: impl FnOnce(&mut Session, Now, &mut Vec<Effect>),
    ) {
        let (mut effects, now) = (Vec::new(), self.now());
        input(&mut self.links[connection].session, now, &mut effects);
        for effect in effects {
            self.carry_out(connection, effect);
        }
    }

    /// A frame of the client arrives.
    pub(super) fn frame(&mut self, connection: Number, frame: &Frame) {
        if !self.runs(connection, || Act::Frame { connection, frame: frame.clone() }) {
            return;
        }
        self.empty_mailbox(connection);
        if !self.links[connection].open {
            return;
        }
        if take(&mut self.links[connection].unwanted) {
            self.links[connection].session.note_backlog();
        }
        let text = self.text(connection, frame);
        let (mut effects, now) = (Vec::new(), self.now());
        self.links[connection].session.on_text(&text, now, &mut effects);
        if let Frame::Flow(most) = frame {
            self.links[connection].window = (*most).min(self.limits.max_in_flight_ceiling);
        }
        if let Frame::Nack { event, .. } = frame {
            self.links[connection].in_flight.remove(event);
        }
        if let Frame::Ack(events) = frame {
            self.check_taken(connection, events, &effects);
        }
        for effect in effects {
            self.carry_out(connection, effect);
        }
    }

    /// An acknowledgement is a fact: a session that lives hands it on.
    fn check_taken(&mut self, connection: Number, events: &[Number], effects: &[Effect]) {
        if self.links[connection].session.identity().is_none() {
            return;
        }
        let mut taken = BTreeSet::new();
        for effect in effects {
            taken.extend(shell::acknowledged(effect));
        }
        for event in events {
            if !taken.contains(&self.oracle.facts.all[*event].event.id) {
                let what = format!("connection {connection} did not hand an acknowledgement on");
                self.oracle.fail(Invariant::NothingVanishes, what, Some(*event));
            }
        }
    }

    /// What a look into the queue brought arrives.
    pub(super) fn page(&mut self, connection: Number, page: Option<Page>, read: Moment) {
        let mut page = Some(page);
        if !self.runs(connection, || Act::Page { connection, page: page.take().flatten(), read }) {
            return;
        }
        self.empty_mailbox(connection);
        let page = page.flatten();
        for fetched in page.iter().flat_map(|page| &page.events) {
            self.learn(connection, fetched, read);
        }
        self.drive(connection, |session, now, out| session.on_page(page, now, out));
    }

    /// What was read again arrives.
    pub(super) fn reloaded(
        &mut self,
        connection: Number,
        ids: &[EventId],
        found: Option<Vec<Fetched>>,
        read: Moment,
    ) {
        let mut found = Some(found);
        let again = |found| Act::Reloaded { connection, ids: ids.to_vec(), found, read };
        if !self.runs(connection, || again(found.take().flatten())) {
            return;
        }
        self.empty_mailbox(connection);
        let found = found.flatten();
        for fetched in found.iter().flatten() {
            self.learn(connection, fetched, read);
        }
        self.drive(connection, |session, now, out| session.on_redelivery(ids, found, now, out));
    }

    fn learn(&mut self, connection: Number, fetched: &Fetched, read: Moment) {
        let orchestrator = self.links[connection].orchestrator;
        let Some(event) = self.oracle.facts.find(orchestrator, &fetched.delivery.event.id) else { return };
        self.links[connection].told.insert(event, read);
        self.note(event, Note::Read { connection, attempts: fetched.attempts });
    }
}

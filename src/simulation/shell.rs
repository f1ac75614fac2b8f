//! Between the session and the world: what the session asks for is carried out here, and nowhere else.
//! A new effect costs one arm.

use std::time::Duration;

use super::{
    Number, act::Act, connection::MAX_BYTES, invariant::Invariant, plan::Plan, publisher::LARGE, world::World,
};
use crate::{
    backplane::commit::{Ack, DeadLetter, Sent},
    domain::{
        clock::{Now, Timestamp},
        event::Audience,
        gap::Gap,
        ids::{EventId, NodeId, OrchestratorId},
        scope::ScopeSet,
        subscription::Subscriptions,
    },
    session::{
        Session,
        effect::{Admission, DeliveryNote, Effect, Limits},
    },
};

/// How much longer than its deadline a claim holds.
const CLAIM_MARGIN: Duration = Duration::from_secs(5);
/// How long somebody waits for a group commit.
const COMMIT_TIMEOUT: u64 = 5_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The numbers that sessions obey; what has nothing to do with events never comes due.
pub(super) fn limits(plan: &Plan) -> Limits {
    let redelivery = |factor| Duration::from_millis(plan.redelivery * factor);
    Limits {
        heartbeat_interval: DAY,
        auth_timeout: Duration::from_secs(30),
        ping_interval: DAY,
        message_limit: 1_000_000,
        message_window: Duration::from_secs(60),
        max_in_flight: plan.window,
        max_in_flight_ceiling: plan.window * 2,
        redelivery_schedule: [1, 2, 4].map(redelivery).to_vec(),
        max_attempts: plan.max_attempts,
        strict_scopes: false,
    }
}

/// The ids that an effect acknowledges.
pub(super) fn acknowledged(effect: &Effect) -> Vec<EventId> {
    match effect {
        Effect::Acknowledge { ids, .. } => ids.iter().map(|(id, _)| id.clone()).collect(),
        _ => Vec::new(),
    }
}

/// The connection has ended.
pub(super) fn gone(session: &mut Session, crashed: bool, now: Now, out: &mut Vec<Effect>) {
    session.on_gone(crashed, now, out);
}

impl World {
    pub(super) fn claimed_until(&self, deadline: Duration) -> Timestamp {
        self.now().wall.plus(deadline.saturating_add(CLAIM_MARGIN))
    }

    /// What the hub that holds a connection answers to its `auth`.
    pub(super) fn admission(
        &self,
        connection: Number,
        subscriptions: Option<Subscriptions>,
        depth: usize,
        gap: Option<Gap>,
    ) -> Admission {
        Admission {
            identity: self.links[connection].identity.clone(),
            scopes: ScopeSet::standard(),
            expires_at: self.now().wall.plus(DAY),
            subscriptions,
            backlog: depth > 0,
            depth: u64::try_from(depth).expect("a count"),
            gap,
            node: NodeId::parse("node").expect("an id"),
        }
    }

    /// Does what a session asks for.
    pub(super) fn carry_out(&mut self, connection: Number, effect: Effect) {
        let until = self.at + COMMIT_TIMEOUT;
        let (hub, orchestrator) = (self.links[connection].hub, self.links[connection].orchestrator);
        match effect {
            Effect::Send(message, _) => self.said(connection, &message),
            Effect::Deliver { sending, crashes, history } => {
                let (event, attempts) = (sending.delivery.event.clone(), sending.attempt);
                let sent_at = self.now().wall;
                let identity = &self.links[connection].identity;
                let sent = Sent {
                    id: event.id.clone(),
                    daemon: identity.daemon.clone(),
                    connection: identity.connection,
                    attempts,
                    at: sent_at,
                    crashes,
                    history,
                    shared: event.audience == Audience::Any,
                };
                self.links[connection].outbound += sending.delivery.size();
                if event.requires_ack {
                    self.links[connection].unflushed.push(sent);
                }
                self.deliver(connection, &event, attempts, sending.delivery.size());
            }
            Effect::Note(DeliveryNote { id, attempts, at, crashes, history, shared }) => {
                self.links[connection].unflushed.retain(|sent| sent.id != id);
                let identity = self.links[connection].identity.clone();
                let (daemon, connection) = (identity.daemon.clone(), identity.connection);
                let sent = Sent { id, daemon, connection, attempts, at, crashes, history, shared };
                self.note_sent(hub, &identity.orchestrator, sent);
            }
            Effect::Acknowledge { ids, .. } => {
                for (id, attempts) in ids {
                    self.links[connection].unflushed.retain(|sent| sent.id != id);
                    self.take_ack(hub, connection, id, attempts);
                }
            }
            Effect::DeadLetter { id, cause, attempts, history } => {
                let reason = cause.as_str();
                let identity = self.links[connection].identity.clone();
                let daemon = identity.daemon.clone();
                self.given_up(connection, &id, reason);
                let letter = DeadLetter { id, reason, attempts, daemon, history };
                let organization = identity.organization.as_ref();
                self.hubs[hub].buffer.bury(&identity.orchestrator, organization, letter);
                self.filled(hub);
            }
            Effect::Release { ids, delay } => {
                ids.iter().for_each(|id| self.let_go(connection, id));
                let delay = u64::try_from(delay.as_millis()).expect("small");
                // Before any look that the session asks for now: one road leads to the store.
                self.release(connection, &ids, delay);
            }
            Effect::Extend { ids, span } => {
                if !self.store.away {
                    let (until, now) = (self.claimed_until(span), self.now().wall);
                    let identity = self.links[connection].identity.clone();
                    let granted = self.store.claim(
                        &identity.orchestrator,
                        identity.connection,
                        &ids,
                        ids.len(),
                        until,
                        now,
                    );
                    self.claimed(connection, &ids, &granted, until);
                }
            }
            Effect::Fetch(mut request) => {
                let interest = self.links[connection].interest.clone();
                // A set, in no order of its own.
                request.exclude.sort();
                let due = self.due(connection);
                self.soon(0, 4, Act::Look { connection, request, interest, due, until });
            }
            Effect::Reload(ids) => {
                let due = self.due(connection);
                self.soon(0, 4, Act::Reread { connection, ids, due, until });
            }
            Effect::CaughtUp => {
                let link = &mut self.links[connection];
                link.live = true;
                if std::mem::take(&mut link.missed) {
                    link.live = false;
                    self.drive(connection, Session::on_hint);
                }
            }
            Effect::Behind => self.links[connection].live = false,
            Effect::Subscribed(interest) => {
                let identity = self.links[connection].identity.clone();
                self.hubs[hub].buffer.remember(&identity.orchestrator, &identity.daemon, interest.clone());
                self.filled(hub);
                self.links[connection].interest = interest;
                self.forget_unwanted(connection);
                if std::mem::take(&mut self.links[connection].unwanted) {
                    self.drive(connection, Session::on_hint);
                }
            }
            Effect::Authenticate { .. } => {
                self.links[connection].known = true;
                self.hubs[hub].links.entry(orchestrator).or_default().push(connection);
                let due = self.due(connection);
                self.soon(1, 8, Act::Enter { connection, due, until });
            }
            Effect::Close(_) => self.end(connection, false),
            Effect::Confirm { .. } => {
                let what = format!("connection {connection} hears ack_ok and has not asked for it");
                self.oracle.fail(Invariant::LegacyShape, what, None);
            }
            Effect::Heartbeat(_) | Effect::Pause(_) | Effect::Ping => {}
        }
        if self.links[connection].outbound > MAX_BYTES + 2 * LARGE {
            let what =
                format!("connection {connection} has {} bytes outbound", self.links[connection].outbound);
            self.oracle.fail(Invariant::Bounded, what, None);
        }
    }

    /// Puts an acknowledgement into a hub's buffer.
    pub(super) fn take_ack(&mut self, hub: Number, connection: Number, id: EventId, attempts: u32) {
        let identity = self.links[connection].identity.clone();
        let orchestrator = self.links[connection].orchestrator;
        let ack = Ack { id: id.clone(), daemon: identity.daemon.clone(), attempts };
        let room = self.hubs[hub].buffer.has_room_for_acks(&identity.orchestrator, 1);
        self.hubs[hub].buffer.acknowledge(&identity.orchestrator, identity.organization.as_ref(), ack);
        let event = self.oracle.facts.find(orchestrator, &id).expect("an event that was published");
        self.ack_taken(hub, connection, event, room);
        self.filled(hub);
    }

    /// What must be written before a connection may look into its queue.
    fn due(&self, connection: Number) -> u64 {
        let link = &self.links[connection];
        let identity = &link.identity;
        self.settled_by(link.hub, |buffer| buffer.concerns(&identity.orchestrator, &identity.daemon))
    }

    /// The socket has taken what was written: that counts as attempts now.
    pub(super) fn flushed(&mut self, connection: Number) {
        let link = &mut self.links[connection];
        let (hub, unflushed) = (link.hub, std::mem::take(&mut link.unflushed));
        if unflushed.is_empty() {
            return;
        }
        let orchestrator = link.identity.orchestrator.clone();
        for sent in unflushed {
            self.note_sent(hub, &orchestrator, sent);
        }
    }

    /// Puts the note of an attempt into a hub's buffer, which forgets it when it is full.
    fn note_sent(&mut self, hub: Number, orchestrator: &OrchestratorId, sent: Sent) {
        if self.hubs[hub].buffer.len() >= self.plan.buffer {
            let whose = self.oracle.facts.orchestrators[orchestrator];
            let event = self.oracle.facts.find(whose, &sent.id).expect("an event that was published");
            self.oracle.facts.all[event].forgotten = true;
        }
        self.hubs[hub].buffer.sent(orchestrator, sent);
        self.filled(hub);
    }
}

//! An authenticated connection: subscriptions, heartbeats, and the flow of events.

use std::{sync::Arc, time::Duration};

use super::{
    effect::{Admission, Effect, FetchRequest, Fetched, Identity, Limits, Page},
    feed::{Feed, READ_AHEAD},
    rate_limit,
    window::{InFlight, Window},
};
use crate::{
    domain::{
        clock::{Monotonic, Now},
        ids::{ChannelId, EventId},
        scope::{Scope, ScopeSet},
        subscription::{Subscriptions, TypePattern},
    },
    protocol::{
        client_frame::Heartbeat,
        codes::{CloseReason, ErrorCode},
        event_frame::Delivery,
        server_frame::{AuthSuccess, ServerMessage},
    },
};

/// How many bytes may be on their way to a socket before sending waits.
const MAX_OUTBOUND_BYTES: usize = 1024 * 1024;
/// After how many intervals without a sign of life the connection is closed.
const MISSED_HEARTBEATS: u32 = 3;
/// How long to wait before the queue is asked again after it could not be read.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Ready {
    limits: Arc<Limits>,
    identity: Arc<Identity>,
    scopes: ScopeSet,
    token_deadline: Monotonic,
    last_alive: Monotonic,
    last_heartbeat: Option<Monotonic>,
    ping_due: Monotonic,
    subscriptions: Arc<Subscriptions>,
    window: Window,
    feed: Feed,
    outbound: usize,
    /// Whether the queue may hold something, wanted or not.
    backlog: bool,
    /// Whether the queue has grown since the last look began, so that its answer may be outdated.
    grew: bool,
    stopped: bool,
}

impl Ready {
    /// Starts an authenticated connection: greets it, restores what it was subscribed to, and looks
    /// for what waits, unless it is `stopped` from the start.
    pub(super) fn admit(
        limits: Arc<Limits>,
        stopped: bool,
        admission: Admission,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Self {
        let mut ready = Self {
            identity: admission.identity.clone(),
            scopes: admission.scopes,
            token_deadline: token_deadline(&admission, now),
            last_alive: now.mono,
            last_heartbeat: None,
            ping_due: now.mono.plus(limits.ping_interval),
            subscriptions: Arc::new(Subscriptions::default()),
            window: Window::default(),
            feed: Feed::default(),
            outbound: 0,
            backlog: admission.backlog,
            grew: false,
            stopped,
            limits,
        };
        ready.greet(&admission, request_id, out);
        ready.restrict_to_scopes(admission.subscriptions.unwrap_or_default(), out);
        if admission.backlog {
            ready.on_hint(now, out);
        } else {
            out.push(Effect::CaughtUp);
        }
        ready
    }

    fn greet(&self, admission: &Admission, request_id: Option<String>, out: &mut Vec<Effect>) {
        let success = AuthSuccess {
            session_id: self.identity.session.clone(),
            scopes: self.scopes,
            heartbeat_interval: self.limits.heartbeat_interval,
            connection_id: self.identity.connection,
            daemon_id: self.identity.daemon.clone(),
            orchestrator_id: self.identity.orchestrator.clone(),
            expires_at: admission.expires_at,
        };
        out.push(Effect::Send(ServerMessage::AuthSuccess(Box::new(success)), request_id));
    }

    pub(super) fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Takes a new token. Whether it is this orchestrator's; if not, nothing was changed.
    pub(super) fn renew(
        &mut self,
        admission: Admission,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> bool {
        if admission.identity.orchestrator != self.identity.orchestrator {
            return false;
        }
        self.scopes = admission.scopes;
        self.token_deadline = token_deadline(&admission, now);
        self.greet(&admission, request_id, out);
        self.restrict_to_scopes(Subscriptions::clone(&self.subscriptions), out);
        true
    }

    /// Subscribes to what of `wanted` the token allows. A `*` that it does not allow takes everything
    /// with it.
    fn restrict_to_scopes(&mut self, mut wanted: Subscriptions, out: &mut Vec<Effect>) {
        wanted.restrict(self.scopes, self.limits.strict_scopes);
        if wanted != *self.subscriptions {
            self.subscriptions = Arc::new(wanted);
            out.push(Effect::Subscribed(self.subscriptions.clone()));
        }
    }

    /// The scope that the token lacks to subscribe to `pattern`, if any.
    fn lacks(&self, pattern: &TypePattern) -> Option<Scope> {
        pattern.missing_scope(self.scopes, self.limits.strict_scopes)
    }

    /// The client gave a sign of life.
    pub(super) fn alive(&mut self, now: Monotonic) {
        self.last_alive = now;
    }

    pub(super) fn on_heartbeat(
        &mut self,
        beat: Heartbeat,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let spacing = self.limits.heartbeat_spacing();
        if let Some(last) = self.last_heartbeat {
            let elapsed = now.mono.since(last);
            if elapsed < spacing {
                let warning = rate_limit("heartbeat", spacing.saturating_sub(elapsed), 2, 1);
                out.push(Effect::Send(warning, request_id));
                return;
            }
        }
        self.last_heartbeat = Some(now.mono);
        let next_heartbeat = now.wall.plus(self.limits.heartbeat_interval);
        out.push(Effect::Send(ServerMessage::HeartbeatAck { next_heartbeat }, request_id));
        out.push(Effect::Heartbeat(beat));
    }

    pub(super) fn on_subscribe(
        &mut self,
        patterns: &[TypePattern],
        channels: &[ChannelId],
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let lacking = patterns.iter().find_map(|pattern| Some((pattern, self.lacks(pattern)?)));
        let mut wanted = Subscriptions::clone(&self.subscriptions);
        let refusal = if let Some((pattern, scope)) = lacking {
            let pattern = String::from(pattern.clone());
            let message = format!("subscribing to {pattern} needs the scope {scope}");
            Some((ErrorCode::InsufficientScope, message, None))
        } else {
            wanted.subscribe(patterns, channels).err().map(|error| {
                (ErrorCode::InvalidMessage, format!("eventTypes: {error}"), Some("eventTypes".to_owned()))
            })
        };
        if let Some((code, message, field)) = refusal {
            out.push(Effect::Send(ServerMessage::Error { code, message, field }, request_id));
            return;
        }
        if wanted == *self.subscriptions {
            return;
        }
        self.subscriptions = Arc::new(wanted);
        out.push(Effect::Subscribed(self.subscriptions.clone()));
        if self.backlog {
            self.on_hint(now, out);
        }
    }

    pub(super) fn on_unsubscribe(&mut self, patterns: &[TypePattern], out: &mut Vec<Effect>) {
        let mut wanted = Subscriptions::clone(&self.subscriptions);
        wanted.unsubscribe(patterns);
        if wanted != *self.subscriptions {
            self.subscriptions = Arc::new(wanted);
            out.push(Effect::Subscribed(self.subscriptions.clone()));
        }
    }

    /// Whether an event is in flight here, or about to be.
    pub(super) fn is_on_its_way(&self, id: &EventId) -> bool {
        self.window.contains(id) || self.feed.ids().any(|ready| ready == id)
    }

    /// Takes acknowledgements.
    pub(super) fn on_ack(&mut self, ids: Vec<EventId>, now: Now, out: &mut Vec<Effect>) {
        let mut first = None;
        for id in &ids {
            match self.window.remove(id) {
                Some(taken) => first = first.or(Some(taken)),
                None => self.feed.forget(id),
            }
        }
        let waited = first.map(|taken| now.mono.since(taken.sent_at));
        // An acknowledgement is a fact, also when it is late or came over another connection.
        out.push(Effect::Acknowledge { ids, waited });
        self.advance(now, out);
    }

    pub(super) fn on_event(&mut self, delivery: &Arc<Delivery>, now: Now, out: &mut Vec<Effect>) {
        if self.window.contains(&delivery.event.id) {
            return;
        }
        if self.feed.is_behind() || !self.has_room() || !self.wants(delivery) {
            self.on_hint(now, out);
        } else {
            self.send(&Fetched { delivery: delivery.clone(), attempts: 0 }, now, out);
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
            Some(Page { events, more, queue_is_empty }) => {
                self.backlog = self.grew || !queue_is_empty;
                let window = &self.window;
                let fresh = events.into_iter().filter(|fetched| !window.contains(&fetched.delivery.event.id));
                self.feed.fetched(fresh, more);
            }
        }
        self.advance(now, out);
    }

    pub(super) fn on_redelivery(
        &mut self,
        asked: &[EventId],
        found: Option<Vec<Fetched>>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(found) = found else {
            for id in asked {
                self.window.postpone(id, now.mono.plus(RETRY));
            }
            return;
        };
        for id in asked {
            if self.outbound >= MAX_OUTBOUND_BYTES {
                self.window.postpone(id, now.mono.plus(RETRY));
                continue;
            }
            let still_there = found.iter().find(|fetched| fetched.delivery.event.id == *id);
            match (still_there, self.window.attempt(id)) {
                (_, None) => {}
                (Some(fetched), Some(attempts)) if self.wants(&fetched.delivery) && !self.stopped => {
                    self.send(&Fetched { delivery: fetched.delivery.clone(), attempts }, now, out);
                }
                (still_there, Some(_)) => {
                    self.window.remove(id);
                    // It stays in the queue, for whoever subscribes again.
                    self.backlog |= still_there.is_some();
                }
            }
        }
        self.advance(now, out);
    }

    pub(super) fn on_drained(&mut self, now: Now, out: &mut Vec<Effect>) {
        let was_full = self.outbound >= MAX_OUTBOUND_BYTES;
        self.outbound = 0;
        if was_full {
            self.advance(now, out);
        }
    }

    /// The queue has grown by something that was not offered here.
    pub(super) fn note_backlog(&mut self) {
        (self.backlog, self.grew) = (true, true);
    }

    pub(super) fn stop_sending(&mut self) {
        self.stopped = true;
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        self.subscriptions.matches(&delivery.event.kind, delivery.event.channel.as_ref())
    }

    fn has_room(&self) -> bool {
        self.may_send() && self.window.len() < self.limits.max_in_flight
    }

    fn may_send(&self) -> bool {
        !self.stopped && self.outbound < MAX_OUTBOUND_BYTES
    }

    /// Sends what was read ahead, reads more when that runs low, and goes live when nothing is left.
    fn advance(&mut self, now: Now, out: &mut Vec<Effect>) {
        while self.has_room()
            && let Some(fetched) = self.feed.next()
        {
            if self.wants(&fetched.delivery) {
                self.send(&fetched, now, out);
            }
        }
        let room = self.limits.max_in_flight.saturating_sub(self.window.len());
        if self.feed.start_fetch(self.may_send(), room, now.mono) {
            self.grew = false;
            let exclude = self.window.ids().chain(self.feed.ids()).cloned().collect();
            out.push(Effect::Fetch(FetchRequest { exclude, limit: room + READ_AHEAD }));
        } else if self.feed.catch_up() {
            out.push(Effect::CaughtUp);
        }
    }

    fn send(&mut self, fetched: &Fetched, now: Now, out: &mut Vec<Effect>) {
        let event = &fetched.delivery.event;
        if fetched.attempts >= self.limits.max_attempts {
            self.window.remove(&event.id);
            out.push(Effect::DeadLetter { id: event.id.clone(), attempts: fetched.attempts });
            return;
        }
        let (attempt, size) = (fetched.attempts + 1, fetched.delivery.size());
        self.outbound += size;
        out.push(Effect::Deliver { delivery: fetched.delivery.clone(), attempt });
        if event.requires_ack {
            let due = now.mono.plus(self.limits.redelivery_after(attempt));
            self.window.sent(InFlight { id: event.id.clone(), attempt, size, sent_at: now.mono, due });
        } else if fetched.delivery.take() {
            out.push(Effect::Acknowledge { ids: vec![event.id.clone()], waited: None });
        }
    }

    fn heartbeat_deadline(&self) -> Monotonic {
        self.last_alive.plus(self.limits.heartbeat_interval * MISSED_HEARTBEATS)
    }

    pub(super) fn next_deadline(&self) -> Monotonic {
        let fixed = self.token_deadline.min(self.heartbeat_deadline()).min(self.ping_due);
        fixed.min(self.window.next_due()).min(self.feed.next_due())
    }

    /// Does what is due. Why the connection must end, if it must.
    pub(super) fn on_tick(&mut self, now: Now, out: &mut Vec<Effect>) -> Option<CloseReason> {
        if self.token_deadline <= now.mono {
            return Some(CloseReason::TokenExpired);
        }
        if self.heartbeat_deadline() <= now.mono {
            return Some(CloseReason::HeartbeatTimeout);
        }
        if self.ping_due <= now.mono {
            self.ping_due = now.mono.plus(self.limits.ping_interval);
            out.push(Effect::Ping);
        }
        let (mut reload, mut outbound) = (Vec::new(), self.outbound);
        for overdue in self.window.due(now.mono) {
            if overdue.attempt >= self.limits.max_attempts {
                self.window.remove(&overdue.id);
                out.push(Effect::DeadLetter { id: overdue.id, attempts: overdue.attempt });
            } else if outbound >= MAX_OUTBOUND_BYTES {
                self.window.postpone(&overdue.id, now.mono.plus(RETRY));
            } else {
                outbound += overdue.size;
                self.window.postpone(&overdue.id, Monotonic::NEVER);
                reload.push(overdue.id);
            }
        }
        if !reload.is_empty() {
            out.push(Effect::Reload(reload));
        }
        self.advance(now, out);
        None
    }
}

/// The token's wall-clock expiry on the clock that deadlines run on.
fn token_deadline(admission: &Admission, now: Now) -> Monotonic {
    now.mono.plus(admission.expires_at.since(now.wall))
}

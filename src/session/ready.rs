//! An authenticated connection: its token, subscriptions and heartbeats, and its [`Mailbox`].

use std::sync::Arc;

use super::{
    effect::{Admission, Effect, Identity, Limits},
    mailbox::Mailbox,
    rate_limit,
};
use crate::{
    domain::{
        clock::{Monotonic, Now},
        ids::ChannelId,
        scope::{Scope, ScopeSet},
        subscription::{Subscriptions, TypePattern},
    },
    protocol::{
        client_frame::{Heartbeat, Wishes},
        codes::{CloseReason, ErrorCode},
        server_frame::{AuthSuccess, ServerMessage},
    },
};

/// After how many intervals without a sign of life the connection is closed.
const MISSED_HEARTBEATS: u32 = 3;

#[derive(Debug)]
pub(super) struct Ready {
    limits: Arc<Limits>,
    identity: Arc<Identity>,
    scopes: ScopeSet,
    token_deadline: Monotonic,
    last_alive: Monotonic,
    last_heartbeat: Option<Monotonic>,
    ping_due: Monotonic,
    wishes: Wishes,
    pub(super) mailbox: Mailbox,
}

impl Ready {
    /// Starts an authenticated connection: greets it, restores what it was subscribed to, and looks
    /// for what waits, unless it is `stopped` from the start.
    pub(super) fn admit(
        limits: Arc<Limits>,
        stopped: bool,
        wishes: Wishes,
        mut admission: Admission,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Self {
        let asked = wishes.max_in_flight.unwrap_or(limits.max_in_flight);
        let max_in_flight = asked.min(limits.max_in_flight_ceiling);
        let mut mailbox =
            Mailbox::new(limits.clone(), admission.identity.clone(), max_in_flight, admission.backlog);
        if stopped {
            mailbox.stop(out);
        }
        let mut restored = admission.subscriptions.take().filter(|_| wishes.resume).unwrap_or_default();
        restored.restrict(admission.scopes, limits.strict_scopes);
        let mut ready = Self {
            identity: admission.identity.clone(),
            scopes: admission.scopes,
            token_deadline: token_deadline(&admission, now),
            last_alive: now.mono,
            last_heartbeat: None,
            ping_due: now.mono.plus(limits.ping_interval),
            wishes,
            mailbox,
            limits,
        };
        ready.greet(&admission, &restored, max_in_flight, request_id, out);
        ready.replace_subscriptions(restored, out);
        if admission.backlog {
            ready.mailbox.on_hint(now, out);
        } else {
            out.push(Effect::CaughtUp);
        }
        ready
    }

    fn greet(
        &self,
        admission: &Admission,
        subscriptions: &Subscriptions,
        max_in_flight: usize,
        request_id: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let success = AuthSuccess {
            session_id: self.identity.session.clone(),
            scopes: self.scopes,
            heartbeat_interval: self.limits.heartbeat_interval,
            connection_id: self.identity.connection,
            daemon_id: self.identity.daemon.clone(),
            orchestrator_id: self.identity.orchestrator.clone(),
            expires_at: admission.expires_at,
            node_id: admission.node.clone(),
            wishes: self.wishes,
            resumed: !subscriptions.is_empty(),
            backlog: admission.depth,
            gap: admission.gap,
            subscriptions: subscriptions.clone(),
            max_in_flight,
            heartbeat_timeout: self.limits.heartbeat_interval * MISSED_HEARTBEATS,
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
        let mut kept = Subscriptions::clone(self.mailbox.interest());
        kept.restrict(self.scopes, self.limits.strict_scopes);
        self.greet(&admission, &kept, self.mailbox.max_in_flight(), request_id, out);
        self.replace_subscriptions(kept, out);
        true
    }

    /// Subscribes to `wanted`, unless that changes nothing.
    fn replace_subscriptions(&mut self, wanted: Subscriptions, out: &mut Vec<Effect>) {
        if wanted != **self.mailbox.interest() {
            self.subscribe(wanted, out);
        }
    }

    fn subscribe(&mut self, wanted: Subscriptions, out: &mut Vec<Effect>) {
        let wanted = Arc::new(wanted);
        self.mailbox.set_interest(wanted.clone());
        out.push(Effect::Subscribed(wanted));
    }

    /// The scope that the token lacks to subscribe to `pattern`, if any.
    fn lacks(&self, pattern: &TypePattern) -> Option<Scope> {
        pattern.missing_scope(self.scopes, self.limits.strict_scopes)
    }

    /// What the client understands.
    pub(super) fn wishes(&self) -> Wishes {
        self.wishes
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
        let ack = ServerMessage::HeartbeatAck {
            next_heartbeat,
            in_flight: self.mailbox.in_flight(),
            queued: self.mailbox.queued(),
            blocked: self.mailbox.blocked(),
        };
        out.push(Effect::Send(ack, request_id));
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
        let mut wanted = Subscriptions::clone(self.mailbox.interest());
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
        if wanted == **self.mailbox.interest() {
            return;
        }
        self.subscribe(wanted, out);
        if self.mailbox.has_backlog() {
            self.mailbox.on_hint(now, out);
        }
    }

    pub(super) fn on_unsubscribe(&mut self, patterns: &[TypePattern], out: &mut Vec<Effect>) {
        let mut wanted = Subscriptions::clone(self.mailbox.interest());
        wanted.unsubscribe(patterns);
        if wanted != **self.mailbox.interest() {
            self.subscribe(wanted, out);
        }
    }

    fn heartbeat_deadline(&self) -> Monotonic {
        self.last_alive.plus(self.limits.heartbeat_interval * MISSED_HEARTBEATS)
    }

    pub(super) fn next_deadline(&self) -> Monotonic {
        let fixed = self.token_deadline.min(self.heartbeat_deadline()).min(self.ping_due);
        fixed.min(self.mailbox.next_due())
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
            self.mailbox.shrink(now);
            out.push(Effect::Ping);
        }
        self.mailbox.on_due(now, out);
        None
    }
}

/// The token's wall-clock expiry on the clock that deadlines run on.
fn token_deadline(admission: &Admission, now: Now) -> Monotonic {
    now.mono.plus(admission.expires_at.since(now.wall))
}

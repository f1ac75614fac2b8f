//! One connection as a state machine: inputs and the time go in, [`Effect`]s come out.
//!
//! ```text
//!                 auth admitted                 close, time-out, violation
//!   AwaitingAuth ───────────────► Ready ──────────────────────────────────► Closed
//!        │                         ▲ │ auth of the same orchestrator              ▲
//!        │                         └─┘ renews the token                           │
//!        └────────────────────────────────────────────────────────────────────────┘
//!                 refused, time-out, violation
//! ```
//!
//! Pure: no socket, no actor, no clock. While a token is being verified the shell feeds no input, so
//! there is no state for it.

pub mod effect;
mod feed;
mod mailbox;
mod rate;
mod ready;
mod window;

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{
        clock::{Monotonic, Now},
        ids::EventId,
        mutant::{Mutant, planted},
    },
    protocol::{
        client_frame::{ClientFrame, ClientMessage, DecodeError, Wishes, decode},
        codes::{CloseReason, ErrorCode},
        event_frame::Delivery,
        server_frame::ServerMessage,
    },
};
use effect::{Admission, Effect, Fetched, Flow, Identity, Limits, Page, Refusal};
use mailbox::{Mailbox, answers::Nack};
use rate::{RateWindow, Verdict};
use ready::Ready;

/// How many undecodable frames in a row close the connection.
const UNDECODABLE_TO_CLOSE: u8 = 3;
/// How many acknowledgements of unknown events weigh as much as one message.
const UNKNOWN_ACKS_PER_MESSAGE: usize = 100;
/// How long a client that floods the hub is not read from, per frame too many.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    phase: Phase,
    rate: RateWindow,
    undecodable: u8,
    /// What the client asked for when it introduced itself last.
    wishes: Wishes,
    /// Whether the hub has announced that it will close the connection.
    draining: bool,
}

#[derive(Debug)]
enum Phase {
    AwaitingAuth { deadline: Monotonic },
    Ready(Box<Ready>),
    Closed,
}

impl Session {
    /// A connection that was just opened.
    #[must_use]
    pub fn new(limits: Arc<Limits>, now: Now) -> Self {
        let deadline = now.mono.plus(limits.auth_timeout);
        let phase = Phase::AwaitingAuth { deadline };
        Self {
            limits,
            phase,
            rate: RateWindow::default(),
            undecodable: 0,
            wishes: Wishes::default(),
            draining: false,
        }
    }

    /// Who is at the other end, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.phase {
            Phase::Ready(ready) => Some(ready.identity()),
            Phase::AwaitingAuth { .. } | Phase::Closed => None,
        }
    }

    /// When [`Session::on_tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Monotonic {
        match &self.phase {
            Phase::AwaitingAuth { deadline } => *deadline,
            Phase::Ready(ready) => ready.next_deadline(),
            Phase::Closed => Monotonic::NEVER,
        }
    }

    /// A text frame arrived.
    pub fn on_text(&mut self, text: &str, now: Now, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        match decode(text) {
            Ok(frame) => {
                self.undecodable = 0;
                self.on_frame(frame, now, out);
            }
            Err(DecodeError::Undecodable(problem)) => {
                if self.passes_rate(1, now, out) {
                    self.on_undecodable(&problem, now, out);
                }
            }
            Err(DecodeError::Invalid { request_id, field, problem }) => {
                self.undecodable = 0;
                if self.passes_rate(1, now, out) {
                    out.push(invalid(field, &problem, request_id));
                }
            }
        }
    }

    /// A frame arrived that is no text, or no JSON; `problem` says which.
    pub fn on_undecodable(&mut self, problem: &str, now: Now, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.undecodable += 1;
        out.push(invalid("frame".to_owned(), problem, None));
        if self.undecodable >= UNDECODABLE_TO_CLOSE {
            self.close(CloseReason::ProtocolError, now, out);
        }
    }

    /// The connection must end, for a reason that lies outside the protocol's frames.
    pub fn close(&mut self, reason: CloseReason, now: Now, out: &mut Vec<Effect>) {
        let lives_on = reason == CloseReason::SessionTerminated && planted(Mutant::ReplacedLivesOn);
        if !matches!(self.phase, Phase::Closed) && !lives_on {
            self.on_gone(false, now, out);
            out.push(Effect::Close(reason));
        }
    }

    /// The connection has ended; `crashed` says that it broke, without a word from either side.
    pub fn on_gone(&mut self, crashed: bool, now: Now, out: &mut Vec<Effect>) {
        if let Phase::Ready(mut ready) = std::mem::replace(&mut self.phase, Phase::Closed) {
            ready.mailbox.on_gone(crashed, now, out);
        }
    }

    /// How events flow to the daemon.
    #[must_use]
    pub fn flow(&self) -> Flow {
        self.mailbox().map_or_else(Flow::default, Mailbox::flow)
    }

    /// Whether several events may be written as one frame.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        matches!(&self.phase, Phase::Ready(ready) if ready.wishes().batch)
    }

    fn mailbox(&self) -> Option<&Mailbox> {
        match &self.phase {
            Phase::Ready(ready) => Some(&ready.mailbox),
            Phase::AwaitingAuth { .. } | Phase::Closed => None,
        }
    }

    fn mailbox_mut(&mut self) -> Option<&mut Mailbox> {
        match &mut self.phase {
            Phase::Ready(ready) => Some(&mut ready.mailbox),
            Phase::AwaitingAuth { .. } | Phase::Closed => None,
        }
    }

    fn on_frame(&mut self, frame: ClientFrame, now: Now, out: &mut Vec<Effect>) {
        if let Phase::Ready(ready) = &mut self.phase {
            ready.alive(now.mono);
        }
        match frame.message {
            ClientMessage::Ack { event_ids, confirm } => {
                self.on_ack(event_ids, confirm, frame.id, now, out);
            }
            ClientMessage::Nack { event_ids, delay, reason, terminal } => {
                self.on_nack(event_ids, &Nack { delay, reason, terminal }, frame.id, now, out);
            }
            message => self.on_message(message, frame.id, now, out),
        }
    }

    fn on_message(
        &mut self,
        message: ClientMessage,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if !self.passes_rate(1, now, out) {
            return;
        }
        match (&mut self.phase, message) {
            (Phase::Closed, _) => {}
            (_, ClientMessage::Ping) => out.push(Effect::Send(ServerMessage::Pong, request_id)),
            (_, ClientMessage::Auth(auth)) => {
                self.wishes = auth.wishes;
                out.push(Effect::Authenticate { auth, request_id });
            }
            (Phase::AwaitingAuth { .. }, _) => out.push(not_authenticated(request_id)),
            (Phase::Ready(ready), ClientMessage::Heartbeat(beat)) => {
                ready.on_heartbeat(beat, request_id, now, out);
            }
            (Phase::Ready(ready), ClientMessage::Subscribe { patterns, channels }) => {
                ready.on_subscribe(&patterns, &channels, request_id, now, out);
            }
            (Phase::Ready(ready), ClientMessage::Unsubscribe { patterns }) => {
                ready.on_unsubscribe(&patterns, out);
            }
            (Phase::Ready(ready), _) if !ready.wishes().extended => {
                let problem = "is a frame type of protocol 1.1, which auth did not ask for";
                out.push(invalid("type".to_owned(), problem, request_id));
            }
            (Phase::Ready(ready), ClientMessage::Progress { event_ids, extend }) => {
                ready.mailbox.on_progress(&event_ids, extend, now, out);
            }
            (Phase::Ready(ready), ClientMessage::Flow { max_in_flight }) => {
                ready.mailbox.on_flow(max_in_flight, now, out);
            }
            (Phase::Ready(_), ClientMessage::Ack { .. } | ClientMessage::Nack { .. }) => {}
        }
    }

    /// Acknowledging what the hub sent is no message of the client's own (contract 9.7). Ids that are
    /// not in flight here may be late, or made up: they pass, but they weigh.
    fn on_ack(
        &mut self,
        ids: Vec<EventId>,
        confirm: bool,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(ids) = self.admitted_answers(ids, &request_id, now, out) else { return };
        let Phase::Ready(ready) = &mut self.phase else { return };
        ready.mailbox.on_ack(&ids, now, out);
        if confirm && ready.wishes().confirm || planted(Mutant::ConfirmedUnasked) {
            out.push(Effect::Confirm { ids, request_id });
        }
    }

    fn on_nack(
        &mut self,
        ids: Vec<EventId>,
        nack: &Nack,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        // Who has not asked for protocol 1.1 learns so.
        if self.mailbox().is_some() && !self.wishes_are_extended() {
            let message = ClientMessage::Nack { event_ids: ids, delay: None, reason: None, terminal: false };
            return self.on_message(message, request_id, now, out);
        }
        let Some(ids) = self.admitted_answers(ids, &request_id, now, out) else { return };
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_nack(&ids, nack, now, out);
        }
    }

    fn wishes_are_extended(&self) -> bool {
        matches!(&self.phase, Phase::Ready(ready) if ready.wishes().extended)
    }

    /// The ids of an answer that pass the rate; `None` when nothing is left of it.
    fn admitted_answers(
        &mut self,
        ids: Vec<EventId>,
        request_id: &Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Option<Vec<EventId>> {
        let Some(mailbox) = self.mailbox() else {
            if !matches!(self.phase, Phase::Closed) && self.passes_rate(1, now, out) {
                out.push(not_authenticated(request_id.clone()));
            }
            return None;
        };
        let unknown = ids.iter().filter(|id| !mailbox.is_on_its_way(id)).count();
        if unknown == 0 {
            return Some(ids);
        }
        let weight = u32::try_from(unknown.div_ceil(UNKNOWN_ACKS_PER_MESSAGE)).unwrap_or(u32::MAX);
        if self.passes_rate(weight, now, out) {
            return Some(ids);
        }
        let mailbox = self.mailbox()?;
        let known: Vec<_> = ids.into_iter().filter(|id| mailbox.is_on_its_way(id)).collect();
        (!known.is_empty()).then_some(known)
    }

    /// Counts a frame that weighs as much as `weight` messages.
    fn passes_rate(&mut self, weight: u32, now: Now, out: &mut Vec<Effect>) -> bool {
        let Limits { message_limit, message_window, .. } = *self.limits;
        match self.rate.count(weight, now.mono, message_limit, message_window) {
            Verdict::Pass => true,
            Verdict::Drop { warn, count, retry_after } => {
                if warn {
                    let warning = rate_limit("message.send", retry_after, count, message_limit);
                    out.push(Effect::Send(warning, None));
                } else {
                    out.push(Effect::Pause(FLOOD_PAUSE));
                }
                false
            }
            Verdict::Close => {
                self.close(CloseReason::RateLimited, now, out);
                false
            }
        }
    }

    /// The answer to [`Effect::Authenticate`].
    pub fn on_admitted(
        &mut self,
        answer: Result<Admission, Refusal>,
        request_id: Option<String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        match (&mut self.phase, answer) {
            (Phase::Closed, _) => {}
            // The token that the connection has is still good.
            (Phase::Ready(_), Err(Refusal::Unavailable)) => out.push(unavailable(request_id)),
            (_, Err(refusal)) => self.refuse(refusal, request_id, now, out),
            (Phase::AwaitingAuth { .. }, Ok(admission)) => {
                let stopped = self.draining;
                let (limits, wishes) = (self.limits.clone(), self.wishes);
                let ready = Ready::admit(limits, stopped, wishes, admission, request_id, now, out);
                self.phase = Phase::Ready(Box::new(ready));
            }
            (Phase::Ready(ready), Ok(admission)) => {
                if !ready.renew(admission, request_id.clone(), now, out) {
                    self.refuse(
                        Refusal::Failed("the token belongs to another orchestrator"),
                        request_id,
                        now,
                        out,
                    );
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, request_id: Option<String>, now: Now, out: &mut Vec<Effect>) {
        let (code, message, close) = match refusal {
            Refusal::Failed(why) => (ErrorCode::AuthFailed, why, CloseReason::AuthFailed),
            Refusal::Expired => (ErrorCode::TokenExpired, "the token has expired", CloseReason::TokenExpired),
            Refusal::NoScope => (
                ErrorCode::InsufficientScope,
                "the token has no scope that is usable here",
                CloseReason::InsufficientScope,
            ),
            Refusal::TooMany => (
                ErrorCode::MaxConnections,
                "the orchestrator has as many connections as it may have",
                CloseReason::MaxConnections,
            ),
            Refusal::Unavailable => {
                out.push(unavailable(request_id));
                return self.close(CloseReason::Internal, now, out);
            }
        };
        out.push(Effect::Send(ServerMessage::AuthError { code, message: message.to_owned() }, request_id));
        self.close(close, now, out);
    }

    /// An event for this connection was published.
    pub fn on_event(&mut self, delivery: &Arc<Delivery>, now: Now, out: &mut Vec<Effect>) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_event(delivery, now, out);
        }
    }

    /// Something may wait in the queue that this connection does not know of.
    pub fn on_hint(&mut self, now: Now, out: &mut Vec<Effect>) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_hint(now, out);
        }
    }

    /// The queue has grown by something that this connection does not want now, but may want later.
    pub fn note_backlog(&mut self) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.note_backlog();
        }
    }

    /// The answer to [`Effect::Fetch`]; `None` when the queue could not be read.
    pub fn on_page(&mut self, page: Option<Page>, now: Now, out: &mut Vec<Effect>) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_page(page, now, out);
        }
    }

    /// The answer to [`Effect::Reload`] of `asked`: those that are still in the queue; `None` when it
    /// could not be read.
    pub fn on_redelivery(
        &mut self,
        asked: &[EventId],
        found: Option<Vec<Fetched>>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_redelivery(asked, found, now, out);
        }
    }

    /// Everything that was sent has left for the socket.
    pub fn on_drained(&mut self, now: Now, out: &mut Vec<Effect>) {
        if let Some(mailbox) = self.mailbox_mut() {
            mailbox.on_drained(now, out);
        }
    }

    /// The hub will close this connection after `delay`: no new events, acknowledgements count.
    pub fn on_drain(&mut self, delay: Duration, out: &mut Vec<Effect>) {
        self.draining = true;
        if let Phase::Ready(ready) = &mut self.phase {
            ready.mailbox.stop(out);
        }
        if !matches!(self.phase, Phase::Closed) {
            out.push(Effect::Send(ServerMessage::Reconnect { reason: "server_shutdown", delay }, None));
        }
    }

    /// A deadline may have come.
    pub fn on_tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let over = match &mut self.phase {
            Phase::AwaitingAuth { deadline } if *deadline <= now.mono => Some(CloseReason::AuthTimeout),
            Phase::Ready(ready) => ready.on_tick(now, out),
            Phase::AwaitingAuth { .. } | Phase::Closed => None,
        };
        match over {
            Some(CloseReason::TokenExpired) => self.refuse(Refusal::Expired, None, now, out),
            Some(reason) => self.close(reason, now, out),
            None => {}
        }
    }
}

fn unavailable(request_id: Option<String>) -> Effect {
    let code = ErrorCode::InternalError;
    let message = "the hub cannot authenticate anybody right now".to_owned();
    Effect::Send(ServerMessage::Error { code, message, field: None }, request_id)
}

fn not_authenticated(request_id: Option<String>) -> Effect {
    let code = ErrorCode::NotAuthenticated;
    let message = "send an auth frame first".to_owned();
    Effect::Send(ServerMessage::Error { code, message, field: None }, request_id)
}

fn invalid(field: String, problem: &str, request_id: Option<String>) -> Effect {
    let message = format!("{field}: {problem}");
    let code = ErrorCode::InvalidMessage;
    Effect::Send(ServerMessage::Error { code, message, field: Some(field) }, request_id)
}

fn rate_limit(
    action: &'static str,
    retry_after: Duration,
    current_rate: u32,
    max_rate: u32,
) -> ServerMessage {
    ServerMessage::RateLimit { action, retry_after, current_rate, max_rate }
}

#[cfg(test)]
mod tests;

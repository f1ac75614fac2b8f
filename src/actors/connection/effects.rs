//! Carrying out what a session asks for.

use std::{sync::Arc, time::Duration};

use actix::{ActorContext as _, ActorFutureExt as _, AsyncContext as _, fut::wrap_future};
use actix_web_actors::ws::{CloseReason as CloseFrame, WebsocketContext};

use super::Connection;
use crate::{
    actors::{
        claims,
        connection_manager::Condemn,
        messages::{Admit, Beat},
        queue_access::QueueError,
    },
    auth::token::TokenError,
    backplane::{
        acknowledgements::Acknowledgements as _,
        records::{ConnectionRef, HeartbeatRecord},
    },
    domain::{
        attempt::Attempt,
        clock::{self, Now},
        event::Audience,
        ids::EventId,
        subscription::Subscriptions,
    },
    protocol::{
        client_frame::{Auth, Heartbeat},
        codes::{CloseReason, ErrorCode},
        event_frame::{Sending, batch},
        server_frame::ServerMessage,
    },
    session::{
        Session,
        effect::{DeliveryNote, Effect, FetchRequest, Refusal},
    },
};

/// How long before its deadline an authentication is answered at the latest.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);
/// How many events one `batch` frame holds at most.
const MAX_BATCH: usize = 64;

/// Whether an effect writes to the socket: what is to be read before it must be written before it.
fn writes(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(..) | Effect::Ping | Effect::Pause(_) | Effect::Close(_))
}

impl Connection {
    pub(super) fn perform(&mut self, effects: Vec<Effect>, now: Now, ctx: &mut WebsocketContext<Self>) {
        let mut sendings = Vec::new();
        for effect in effects {
            match effect {
                Effect::Deliver { sending, crashes, history } => {
                    self.note_sending(&sending, crashes, history, now);
                    sendings.push(sending);
                }
                effect => {
                    if writes(&effect) {
                        self.write(&mut sendings, now, ctx);
                    }
                    self.perform_one(effect, now, ctx);
                }
            }
        }
        self.write(&mut sendings, now, ctx);
        self.handle.set_flow(self.session.flow());
        self.handle.set_deadline(self.session.next_deadline());
    }

    fn perform_one(&mut self, effect: Effect, now: Now, ctx: &mut WebsocketContext<Self>) {
        match effect {
            Effect::Send(message, reply_to) => {
                if matches!(message, ServerMessage::RateLimit { .. }) {
                    self.services.shared.metrics.rate_limited.inc();
                }
                ctx.text(message.encode(reply_to.as_deref(), now.wall));
            }
            Effect::Confirm { ids, request_id } => self.confirm(ids, request_id, ctx),
            Effect::Fetch(request) => self.fetch(request, ctx),
            Effect::Reload(ids) => self.reload(ids, ctx),
            Effect::CaughtUp => {
                if self.handle.set_live() {
                    self.drive(ctx, Session::on_hint);
                }
            }
            Effect::Behind => self.handle.set_behind(),
            Effect::Subscribed(subscriptions) => {
                self.subscribed(subscriptions);
                // What was published between the frame's arrival and the new interest was not offered.
                if self.handle.take_unwanted() {
                    self.drive(ctx, Session::on_hint);
                }
            }
            Effect::Heartbeat(beat) => self.beat(beat, now),
            Effect::Authenticate { auth, request_id } => self.authenticate(auth, request_id, now, ctx),
            Effect::Ping => ctx.ping(b""),
            Effect::Pause(span) => {
                ctx.wait(wrap_future::<_, Self>(tokio::time::sleep(span)));
            }
            Effect::Close(reason) => self.close(reason, ctx),
            effect => self.settle(effect),
        }
    }

    /// Carries out what needs no socket, also after it is gone.
    pub(super) fn settle(&mut self, effect: Effect) {
        // Not the session's: it may have ended with the same frame.
        let Some(identity) = self.handle.identity().cloned() else { return };
        let shared = &self.services.shared;
        match effect {
            Effect::Acknowledge { ids, waited } => {
                log::debug!(connection:% = identity.connection, orchestrator = identity.orchestrator.as_str(), events:? = ids;
                    "event:acknowledged");
                self.unflushed.retain(|note| !ids.iter().any(|(id, _)| *id == note.id));
                shared.queue.acknowledge(&identity, ids);
                if let Some(waited) = waited {
                    shared.metrics.ack_latency.observe(waited.as_secs_f64());
                }
            }
            Effect::DeadLetter { id, cause, attempts, history } => {
                log::warn!(event = id.as_str(), orchestrator = identity.orchestrator.as_str(), attempts, cause = cause.as_str();
                    "an event is given up and goes to the dead letters");
                shared.queue.bury(&identity, id, cause, attempts, history);
            }
            Effect::Note(note) => {
                // The later word counts, not what was noted when it was sent.
                self.unflushed.retain(|unflushed| unflushed.id != note.id);
                shared.queue.sent(&identity, note);
            }
            Effect::Release { ids, delay } => claims::release(shared, &identity, ids, delay),
            Effect::Extend { ids, span } => claims::extend(shared, &identity, ids, span),
            _ => {}
        }
    }

    fn note_sending(&mut self, sending: &Sending, crashes: u32, history: Vec<Attempt>, now: Now) {
        let (event, attempts) = (&sending.delivery.event, sending.attempt);
        let metrics = &self.services.shared.metrics;
        metrics.routed.inc();
        if attempts > 1 {
            metrics.redelivered.inc();
        } else {
            metrics.latency.observe(sending.delivery.received.seconds());
        }
        if event.requires_ack {
            let (id, at) = (event.id.clone(), now.wall);
            let shared = event.audience == Audience::Any;
            self.unflushed.push(DeliveryNote { id, attempts, at, crashes, history, shared });
        }
        log::debug!(event = event.id.as_str(), connection:% = self.handle.id, orchestrator = event.orchestrator.as_str(), attempt = attempts;
            "event:routed");
    }

    /// Writes events: each in a frame of its own, or several in one for a client that asked for that.
    fn write(&mut self, sendings: &mut Vec<Sending>, now: Now, ctx: &mut WebsocketContext<Self>) {
        self.wrote |= !sendings.is_empty();
        let together = if self.session.takes_batches() { MAX_BATCH } else { 1 };
        for chunk in sendings.chunks(together) {
            match chunk {
                [one] => ctx.text(one.frame(now.wall)),
                several => ctx.text(batch(several, now.wall)),
            }
        }
        sendings.clear();
    }

    /// The socket has taken what was written: that counts as attempts now.
    pub(super) fn note_deliveries(&mut self) {
        if let Some(identity) = self.handle.identity() {
            for note in self.unflushed.drain(..) {
                self.services.shared.queue.sent(identity, note);
            }
        }
    }

    /// Answers when acknowledgements are durable: which of them took something, which mean nothing.
    fn confirm(&self, ids: Vec<EventId>, request_id: Option<String>, ctx: &mut WebsocketContext<Self>) {
        let Some(identity) = self.handle.identity().cloned() else { return };
        let shared = self.services.shared.clone();
        let durable = async move {
            shared.queue.durable().await?;
            let known = shared.backplane.acknowledged(&identity.orchestrator, &ids).await?;
            let (ids, unknown): (Vec<_>, Vec<_>) = ids.into_iter().zip(known).partition(|(_, known)| *known);
            let only_ids = |pairs: Vec<(EventId, bool)>| pairs.into_iter().map(|(id, _)| id).collect();
            Ok::<_, QueueError>(ServerMessage::AckOk { ids: only_ids(ids), unknown: only_ids(unknown) })
        };
        ctx.spawn(wrap_future::<_, Self>(durable).map(move |answer, connection, ctx| {
            let answer = answer.unwrap_or_else(|error| {
                log::debug!(connection:% = connection.handle.id, error:%; "acknowledgements are not confirmed");
                let message = "the acknowledgements are not durable yet".to_owned();
                ServerMessage::Error { code: ErrorCode::InternalError, message, field: None }
            });
            if connection.ended.is_none() {
                connection.perform(vec![Effect::Send(answer, request_id)], clock::now(), ctx);
            }
        }));
    }

    fn fetch(&mut self, request: FetchRequest, ctx: &mut WebsocketContext<Self>) {
        let Some(identity) = self.session.identity().cloned() else { return };
        let (queue, interest) = (self.services.shared.queue.clone(), self.handle.interest());
        let look = async move { queue.fetch(&identity, &interest, &request).await };
        ctx.spawn(wrap_future::<_, Self>(look).map(|page, connection, ctx| {
            if let Err(error) = &page {
                log::debug!(connection:% = connection.handle.id, error:%; "the queue cannot be read; trying again");
            }
            connection.drive(ctx, |session, now, out| session.on_page(page.ok(), now, out));
            connection.handle.keep_promises();
        }));
    }

    fn reload(&mut self, ids: Vec<EventId>, ctx: &mut WebsocketContext<Self>) {
        let Some(identity) = self.session.identity().cloned() else { return };
        let queue = self.services.shared.queue.clone();
        let look = async move {
            let found = queue.reload(&identity, &ids).await;
            (ids, found)
        };
        ctx.spawn(wrap_future::<_, Self>(look).map(|(ids, found), connection, ctx| {
            connection.drive(ctx, |session, now, out| session.on_redelivery(&ids, found.ok(), now, out));
        }));
    }

    fn subscribed(&self, subscriptions: Arc<Subscriptions>) {
        self.handle.set_interest(subscriptions.clone());
        if let Some(identity) = self.session.identity() {
            self.services.shared.queue.remember(identity, subscriptions);
        }
    }

    fn beat(&self, beat: Heartbeat, now: Now) {
        let Some(identity) = self.session.identity() else { return };
        log::debug!(connection:% = identity.connection, orchestrator = identity.orchestrator.as_str(); "heartbeat:received");
        self.services.monitor.do_send(Beat(HeartbeatRecord {
            orchestrator: identity.orchestrator.clone(),
            daemon: identity.daemon.clone(),
            session: identity.session.clone(),
            via: Some(ConnectionRef {
                id: identity.connection,
                node: self.services.shared.node.clone(),
                connected_at: identity.connected_at,
            }),
            organization: identity.organization.clone(),
            status: beat.status.as_str(),
            metrics: beat.metrics,
            at: now.wall,
        }));
    }

    /// Verifies a token and asks to be let in. The actor waits: nothing else happens on a connection
    /// meanwhile, so frames that follow `auth` at once find it authenticated.
    fn authenticate(
        &mut self,
        auth: Auth,
        request_id: Option<String>,
        now: Now,
        ctx: &mut WebsocketContext<Self>,
    ) {
        let shared = self.services.shared.clone();
        let manager = self.services.manager.clone();
        let (handle, address) = (self.handle.clone(), self.address);
        let renewal = self.handle.is_admitted();
        // The answer must come before the deadline that would cut it off.
        let patience = self.session.next_deadline().since(now.mono).saturating_sub(ANSWER_MARGIN);
        let verified = shared.verifier.verify(&auth.access_token, now.wall);
        let answer = async move {
            let daemon = auth.daemon_id.clone();
            let answer = match verified {
                Ok(token) => {
                    let admit =
                        Admit { handle, token, daemon: auth.daemon_id, orchestrator: auth.orchestrator_id };
                    manager.send(admit).await.unwrap_or(Err(Refusal::Unavailable))
                }
                Err(TokenError::Expired) => Err(Refusal::Expired),
                Err(TokenError::Invalid(why)) => Err(Refusal::Failed(why)),
            };
            match &answer {
                Ok(admission) => shared.failures.forgive(address, &admission.identity.daemon),
                Err(Refusal::Unavailable) => {}
                // A renewal that failed is not somebody who knocks again and again.
                Err(_) if renewal => {}
                Err(_) => {
                    let delay = shared.failures.count(address, daemon.as_ref(), now.mono).min(patience);
                    tokio::time::sleep(delay).await;
                }
            }
            answer
        };
        let admitted = wrap_future::<_, Self>(answer).map(|answer, connection: &mut Self, ctx| {
            connection.note_authentication(answer.as_ref().err());
            let now = clock::now();
            connection.handle.seen(now.mono, connection.session.next_deadline());
            connection.drive(ctx, |session, now, out| session.on_admitted(answer, request_id, now, out));
            if let Some(identity) = connection.session.identity() {
                let (orchestrator, daemon) = (identity.orchestrator.as_str(), identity.daemon.as_str());
                log::info!(connection:% = identity.connection, orchestrator, daemon; "connection:authenticated");
            }
        });
        // A renewal must not hold up what the connection is there for.
        if renewal {
            ctx.spawn(admitted);
        } else {
            ctx.wait(admitted);
        }
    }

    fn note_authentication(&self, refusal: Option<&Refusal>) {
        let outcome = match refusal {
            None => "success",
            Some(Refusal::Failed(_)) => "failed",
            Some(Refusal::Expired) => "expired",
            Some(Refusal::NoScope) => "insufficient_scope",
            Some(Refusal::TooMany) => "max_connections",
            Some(Refusal::Unavailable) => "unavailable",
        };
        self.services.shared.metrics.authentication(outcome);
        if outcome != "success" {
            log::info!(connection:% = self.handle.id, outcome; "auth:failed");
        }
    }

    /// Writes the close frame, reads on for a moment so that it is not overtaken by a reset, and stops.
    /// Should the peer not take it, the manager ends the transport from outside.
    fn close(&mut self, reason: CloseReason, ctx: &mut WebsocketContext<Self>) {
        self.ended = Some(reason);
        ctx.close(Some(CloseFrame {
            code: reason.code().into(),
            description: Some(reason.text().to_owned()),
        }));
        self.services.manager.do_send(Condemn { handle: self.handle.clone(), reason });
        let linger = wrap_future::<_, Self>(self.inbound.clone().linger());
        ctx.wait(linger.map(|(), _, ctx| ctx.stop()));
    }
}

//! Connection: the actor of one WebSocket.
//!
//! Responsibilities: read frames, drive the [`Session`], carry out its effects in order. Does not: keep
//! anything that must survive it, look into payloads, or judge itself: a peer that stops reading
//! freezes this actor (its future is the body of an HTTP response, polled only while the write buffer
//! is small), so the monitor watches it from outside.

mod effects;
mod fragments;

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use actix::{
    Actor, ActorContext as _, ActorFuture, ActorFutureExt as _, AsyncContext as _, Handler, StreamHandler,
    fut::wrap_future,
};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};

use self::fragments::{Assembled, Fragments};
use super::{
    connections::{ConnectionHandle, MAILBOX_CAPACITY},
    inbound::Inbound,
    messages::{Closed, Deliver, Drain, Evict, Hint, Tick},
    services::Services,
};
use crate::{
    domain::clock::{Now, now},
    protocol::{MAX_MESSAGE_BYTES, codes::CloseReason},
    session::{
        Session,
        effect::{DeliveryNote, Effect},
    },
};

/// See the [module](self).
pub struct Connection {
    services: Arc<Services>,
    handle: Arc<ConnectionHandle>,
    session: Session,
    inbound: Inbound,
    address: Option<IpAddr>,
    fragments: Fragments,
    ended: Option<CloseReason>,
    /// Events that were written, and that the socket may not have taken yet: as long as it has not, they
    /// do not count as attempts.
    unflushed: Vec<DeliveryNote>,
    /// Something was written since the socket last took everything.
    wrote: bool,
}

impl Connection {
    /// A connection whose handshake is being answered.
    #[must_use]
    pub fn new(
        services: Arc<Services>,
        handle: Arc<ConnectionHandle>,
        inbound: Inbound,
        address: Option<IpAddr>,
    ) -> Self {
        let session = Session::new(services.shared.limits.clone(), now());
        Self {
            services,
            handle,
            session,
            inbound,
            address,
            fragments: Fragments::default(),
            ended: None,
            unflushed: Vec::new(),
            wrote: false,
        }
    }

    /// Feeds the session and carries out what it asks for.
    fn drive(
        &mut self,
        ctx: &mut WebsocketContext<Self>,
        input: impl FnOnce(&mut Session, Now, &mut Vec<Effect>),
    ) {
        let now = now();
        let mut effects = Vec::new();
        input(&mut self.session, now, &mut effects);
        self.perform(effects, now, ctx);
    }

    /// Ends the connection, from whichever side.
    fn end(&mut self, reason: CloseReason, ctx: &mut WebsocketContext<Self>) {
        self.drive(ctx, |session, now, out| session.close(reason, now, out));
    }

    /// A frame arrived: the peer lives.
    fn seen(&mut self) {
        self.handle.seen(now().mono, self.session.next_deadline());
        if self.handle.take_unwanted() {
            self.session.note_backlog();
        }
    }

    fn on_text(&mut self, text: &str, ctx: &mut WebsocketContext<Self>) {
        if text.len() > MAX_MESSAGE_BYTES {
            return self.end(CloseReason::TooBig, ctx);
        }
        self.seen();
        self.drive(ctx, |session, now, out| session.on_text(text, now, out));
    }

    fn on_protocol_error(&mut self, error: &ProtocolError, ctx: &mut WebsocketContext<Self>) {
        match error {
            // The decoder's only I/O error: text that is no UTF-8. The transport's own errors end the
            // stream; see `Inbound`.
            ProtocolError::Io(_) => {
                self.drive(ctx, |session, now, out| session.on_undecodable("is not UTF-8", now, out));
            }
            ProtocolError::Overflow => self.end(CloseReason::TooBig, ctx),
            _ => self.end(CloseReason::ProtocolError, ctx),
        }
    }

    /// The actor looks into its mailbox; `bytes` of events came out of it.
    fn answer(&self, bytes: usize) {
        self.handle.answered(bytes);
    }
}

impl Actor for Connection {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.handle.bind(ctx.address());
        self.handle.seen(now().mono, self.session.next_deadline());
        self.services.shared.connections.open(&self.handle);
        self.services.shared.metrics.open.inc();
        ctx.spawn(DrainWatch);
        log::debug!(connection:% = self.handle.id; "connection:new");
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        let reason = self.ended.or(self.handle.evicted()).unwrap_or(CloseReason::Abnormal);
        let mut effects = Vec::new();
        self.session.on_gone(reason == CloseReason::Abnormal, now(), &mut effects);
        effects.into_iter().for_each(|effect| self.settle(effect));
        self.services.manager.do_send(Closed { handle: self.handle.clone(), reason });
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Connection {
    fn handle(&mut self, frame: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        if self.ended.is_some() {
            return;
        }
        match frame {
            Ok(Message::Text(text)) => self.on_text(&text, ctx),
            Ok(Message::Continuation(item)) => match self.fragments.add(item) {
                Assembled::Incomplete => {}
                Assembled::Text(text) => self.on_text(&text, ctx),
                Assembled::NotUtf8 => {
                    self.drive(ctx, |session, now, out| session.on_undecodable("is not UTF-8", now, out));
                }
                Assembled::Binary => self.end(CloseReason::UnsupportedData, ctx),
                Assembled::TooBig => self.end(CloseReason::TooBig, ctx),
            },
            Ok(Message::Binary(_)) => self.end(CloseReason::UnsupportedData, ctx),
            Ok(Message::Ping(payload)) => ctx.pong(&payload),
            Ok(Message::Pong(_) | Message::Nop) => {}
            Ok(Message::Close(reason)) => {
                self.ended = Some(CloseReason::Normal);
                ctx.close(reason);
                ctx.stop();
            }
            Err(error) => self.on_protocol_error(&error, ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Deliver> for Connection {
    type Result = ();

    fn handle(&mut self, Deliver(delivery): Deliver, ctx: &mut Self::Context) {
        self.answer(delivery.size());
        self.drive(ctx, |session, now, out| session.on_event(&delivery, now, out));
    }
}

impl Handler<Tick> for Connection {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Self::Context) {
        self.answer(0);
        let missed = self.handle.take_missed();
        self.drive(ctx, |session, now, out| {
            if missed {
                session.on_hint(now, out);
            }
            session.on_tick(now, out);
        });
    }
}

impl Handler<Hint> for Connection {
    type Result = ();

    fn handle(&mut self, _: Hint, ctx: &mut Self::Context) {
        self.answer(0);
        self.handle.take_missed();
        self.drive(ctx, Session::on_hint);
    }
}

impl Handler<Evict> for Connection {
    type Result = ();

    fn handle(&mut self, Evict(reason): Evict, ctx: &mut Self::Context) {
        self.answer(0);
        self.end(reason, ctx);
    }
}

impl Handler<Drain> for Connection {
    type Result = ();

    fn handle(&mut self, Drain { delay }: Drain, ctx: &mut Self::Context) {
        self.drive(ctx, |session, _, out| session.on_drain(delay, out));
        // A little before the client would close by itself, so that it learns the reason.
        let slot = tokio::time::sleep(delay.mul_f64(0.9));
        ctx.spawn(wrap_future::<_, Self>(slot).map(|(), connection, ctx| {
            connection.end(CloseReason::GoingAway, ctx);
        }));
    }
}

/// Runs whenever the actor runs, and it runs only when the socket has taken what was written: so this
/// is where the count of outbound bytes starts anew.
struct DrainWatch;

impl ActorFuture<Connection> for DrainWatch {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        connection: &mut Connection,
        ctx: &mut WebsocketContext<Connection>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if std::mem::take(&mut connection.wrote) {
            connection.note_deliveries();
            connection.drive(ctx, Session::on_drained);
        }
        Poll::Pending
    }
}

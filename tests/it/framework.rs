//! What the hub's design rests on in actix, shown on actix itself: if an update changes it, these fail
//! and the design must be looked at again.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, AsyncContext, Handler, Message, StreamHandler};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use socket2::{SockRef, Socket};

use crate::support::eventually::eventually;

/// What a probe's actor did, seen from outside.
#[derive(Default)]
struct Seen {
    ticks: AtomicU64,
    handled: AtomicUsize,
    stopped: AtomicUsize,
    actor: Mutex<Option<Addr<Probe>>>,
    socket: Mutex<Option<Socket>>,
}

/// An actor like the hub's: one per WebSocket.
struct Probe(Arc<Seen>);

#[derive(Message)]
#[rtype(result = "()")]
struct Payload(usize);

impl Actor for Probe {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4);
        *self.0.actor.lock().unwrap() = Some(ctx.address());
        ctx.run_interval(Duration::from_millis(5), |probe, _| {
            probe.0.ticks.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.0.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handler<Payload> for Probe {
    type Result = ();

    fn handle(&mut self, Payload(bytes): Payload, ctx: &mut Self::Context) {
        self.0.handled.fetch_add(1, Ordering::SeqCst);
        ctx.text("x".repeat(bytes));
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Probe {
    fn handle(&mut self, _: Result<ws::Message, ws::ProtocolError>, _: &mut Self::Context) {}

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Opens a WebSocket to a [`Probe`] and never reads from it again.
fn stalled_probe() -> (Arc<Seen>, TcpStream) {
    let seen = Arc::new(Seen::default());
    let (address, addresses) = mpsc::channel();
    let shared = seen.clone();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            let connected = shared.clone();
            let server = HttpServer::new(move || {
                let seen = shared.clone();
                App::new().default_service(web::to(move |request: HttpRequest, body: web::Payload| {
                    let answer: Result<HttpResponse, _> = ws::start(Probe(seen.clone()), &request, body);
                    async move { answer }
                }))
            });
            let server = server.workers(1).disable_signals().on_connect(move |stream, _| {
                let stream = stream.downcast_ref::<actix_web::rt::net::TcpStream>().unwrap();
                let socket = SockRef::from(stream);
                socket.set_send_buffer_size(4096).unwrap();
                *connected.socket.lock().unwrap() = Some(socket.try_clone().unwrap());
            });
            server.listen(listener).unwrap().run().await.unwrap();
        });
    });
    let mut peer = TcpStream::connect(addresses.recv().unwrap()).unwrap();
    SockRef::from(&peer).set_recv_buffer_size(4096).unwrap();
    peer.write_all(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .unwrap();
    let mut status = [0; 12];
    peer.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    eventually(|| seen.actor.lock().unwrap().is_some(), "the actor starts");
    (seen, peer)
}

fn actor(seen: &Seen) -> Addr<Probe> {
    seen.actor.lock().unwrap().clone().unwrap()
}

/// Sends until the actor no longer looks into its mailbox: until its timer stands still too.
fn freeze(seen: &Seen) {
    let actor = actor(seen);
    eventually(
        || {
            let before = seen.ticks.load(Ordering::SeqCst);
            let _ = actor.try_send(Payload(256 * 1024));
            // Twenty of the actor's own intervals.
            std::thread::sleep(Duration::from_millis(100));
            seen.ticks.load(Ordering::SeqCst) == before
        },
        "a peer that does not read freezes the actor",
    );
}

#[test]
fn a_peer_that_stops_reading_freezes_its_actor_and_only_the_socket_can_end_it() {
    let (seen, _peer) = stalled_probe();
    freeze(&seen);
    let handled = seen.handled.load(Ordering::SeqCst);
    let _ = actor(&seen).try_send(Payload(1));
    assert_eq!(seen.handled.load(Ordering::SeqCst), handled, "its mailbox stands still");
    assert_eq!(seen.stopped.load(Ordering::SeqCst), 0);
    seen.socket.lock().unwrap().as_ref().unwrap().shutdown(Shutdown::Both).unwrap();
    eventually(|| seen.stopped.load(Ordering::SeqCst) == 1, "the actor ends when its socket does");
}

#[test]
fn a_bounded_mailbox_refuses_what_does_not_fit_when_asked_politely() {
    let (seen, _peer) = stalled_probe();
    freeze(&seen);
    let actor = actor(&seen);
    let accepted = (0..100).filter(|_| actor.try_send(Payload(1)).is_ok()).count();
    assert!(accepted <= 5, "four fit, and one more may be under way: {accepted}");
    for _ in 0..100 {
        actor.do_send(Payload(1));
    }
    assert!(actor.try_send(Payload(1)).is_err(), "`do_send` does not care, and nobody is told");
}

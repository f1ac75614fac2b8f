//! A daemon that speaks the raw WebSocket protocol.

mod listening;

pub(crate) use listening::ids_in;

use std::net::{SocketAddr, TcpStream};

use chrono::Utc;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio_tungstenite::tungstenite::{
    Error, HandshakeError, Message, WebSocket, client,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{eventually::DEADLINE, hub::Hub, identity::Identity};

/// The documented path of the endpoint.
pub(crate) const PATH: &str = "/daemon/ws";

/// One connection to a hub.
pub(crate) struct Daemon {
    socket: WebSocket<TcpStream>,
    identity: Option<Identity>,
    session: Value,
}

impl Daemon {
    /// A connection that has said nothing yet.
    #[track_caller]
    pub(crate) fn open(hub: &Hub) -> Self {
        Self::open_at(hub, PATH).unwrap_or_else(|status| panic!("the upgrade was refused: HTTP {status}"))
    }

    /// The same on another path; the HTTP status when the hub refuses the upgrade.
    pub(crate) fn open_at(hub: &Hub, path: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(("127.0.0.1", hub.port())).unwrap();
        Self::upgrade(stream, hub, path)
    }

    /// The same with a receive buffer of a few kilobytes, so that what the daemon does not read
    /// soon piles up in the hub.
    pub(crate) fn open_with_small_buffer(hub: &Hub) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], hub.port())).into()).unwrap();
        Self::upgrade(socket.into(), hub, PATH).unwrap()
    }

    fn upgrade(stream: TcpStream, hub: &Hub, path: &str) -> Result<Self, u16> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        match client(format!("ws://127.0.0.1:{}{path}", hub.port()), stream) {
            Ok((socket, _)) => Ok(Self { socket, identity: None, session: Value::Null }),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("the upgrade failed: {error}"),
        }
    }

    /// A connection that is authenticated.
    #[track_caller]
    pub(crate) fn connect(hub: &Hub, identity: &Identity) -> Self {
        let mut daemon = Self::open(hub);
        daemon.authenticate(identity);
        daemon
    }

    /// Authenticates, and asserts that it worked.
    #[track_caller]
    pub(crate) fn authenticate(&mut self, identity: &Identity) {
        self.auth(identity);
        let frame = self.next_frame();
        assert_eq!(frame["type"], "auth_success", "{frame}");
        self.session = frame["payload"].clone();
        self.identity = Some(identity.clone());
    }

    /// Who it is.
    pub(crate) fn identity(&self) -> &Identity {
        self.identity.as_ref().unwrap()
    }

    /// The payload of `auth_success`.
    pub(crate) fn session(&self) -> &Value {
        &self.session
    }

    /// Sends an `auth` frame; its id.
    pub(crate) fn auth(&mut self, identity: &Identity) -> String {
        self.send(
            "auth",
            json!({
                "accessToken": identity.token,
                "daemonId": identity.daemon,
                "orchestratorId": identity.orchestrator,
            }),
        )
    }

    /// Sends an `auth` frame of protocol 1.1 with every capability and with `more` members; its id.
    pub(crate) fn auth_extended(&mut self, identity: &Identity, more: &Value) -> String {
        let mut payload = json!({
            "accessToken": identity.token,
            "daemonId": identity.daemon,
            "orchestratorId": identity.orchestrator,
            "protocol": "1.1",
            "capabilities": ["batch", "nack", "progress", "confirm"],
        });
        let members = payload.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        self.send("auth", payload)
    }

    /// A connection that speaks protocol 1.1, with `more` members in its `auth`.
    #[track_caller]
    pub(crate) fn connect_extended(hub: &Hub, identity: &Identity, more: &Value) -> Self {
        let mut daemon = Self::open(hub);
        daemon.auth_extended(identity, more);
        let frame = daemon.next_frame();
        assert_eq!(frame["type"], "auth_success", "{frame}");
        daemon.session = frame["payload"].clone();
        daemon.identity = Some(identity.clone());
        daemon
    }

    /// Subscribes, and waits until that has taken effect.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, event_types: &[&str]) {
        self.send("subscribe", json!({ "eventTypes": event_types }));
        let replies = self.roundtrip();
        let refused = |frame: &Value| frame["type"] == "error";
        assert!(!replies.iter().any(refused), "{replies:?}");
        assert!(
            replies.is_empty(),
            "events waited for this subscription; use send(\"subscribe\") and next_event(): {replies:?}"
        );
    }

    /// Acknowledges events.
    pub(crate) fn ack(&mut self, event_ids: &[&str]) {
        self.send("ack", json!({ "eventIds": event_ids }));
    }

    /// Sends a heartbeat; its id.
    pub(crate) fn heartbeat(&mut self) -> String {
        self.send("heartbeat", json!({ "status": "active", "metrics": { "messagesSent": 1 } }))
    }

    /// Sends a frame of the protocol; its id.
    pub(crate) fn send(&mut self, kind: &str, payload: Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let timestamp = Utc::now().to_rfc3339();
        let frame = json!({ "type": kind, "id": id, "timestamp": timestamp, "payload": payload });
        self.send_text(&frame.to_string());
        id
    }

    /// Sends a text message as it is.
    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).unwrap();
    }

    /// Sends a text message in two WebSocket frames.
    pub(crate) fn send_in_two_pieces(&mut self, text: &str) {
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        let frame = |bytes: &[u8], code, last| {
            Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(code), last))
        };
        self.send_message(frame(first, Data::Text, false)).unwrap();
        self.send_message(frame(second, Data::Continue, true)).unwrap();
    }

    /// Sends any WebSocket message; fails when the hub has hung up.
    pub(crate) fn send_message(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message)
    }
}

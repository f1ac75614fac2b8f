//! What the hub says, with a deadline on everything.

use std::{
    io::{self, ErrorKind},
    time::Instant,
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::CloseFrame};

use super::Daemon;
use crate::support::eventually::DEADLINE;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The close code; 1006 when there was no close frame.
    pub(crate) code: u16,
    /// The text beside it.
    pub(crate) reason: String,
}

/// The ids of the events in a frame, one or several, in order.
#[track_caller]
pub(crate) fn ids_in(frame: &Value) -> Vec<String> {
    let id = |event: &Value| event["eventId"].as_str().unwrap().to_owned();
    match frame["type"].as_str() {
        Some("event") => vec![id(&frame["payload"])],
        Some("batch") => frame["payload"]["events"].as_array().unwrap().iter().map(id).collect(),
        _ => panic!("no events: {frame}"),
    }
}

/// What the hub does next.
#[derive(Debug)]
enum Received {
    Frame(Value),
    Pong(Vec<u8>),
    Closed(Closed),
}

impl Daemon {
    /// Everything the hub says until it has answered a ping frame, which proves that the connection
    /// lives and that all frames sent before were handled.
    #[track_caller]
    pub(crate) fn roundtrip(&mut self) -> Vec<Value> {
        let id = self.send("ping", json!({}));
        let mut before = Vec::new();
        loop {
            let frame = self.next_frame();
            if frame["type"] == "pong" && frame["replyTo"] == id.as_str() {
                return before;
            }
            before.push(frame);
        }
    }

    /// The next frame of the protocol.
    #[track_caller]
    pub(crate) fn next_frame(&mut self) -> Value {
        match self.receive() {
            Received::Frame(frame) => frame,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The payload of the next frame, which must be an event.
    #[track_caller]
    pub(crate) fn next_event(&mut self) -> Value {
        let mut frame = self.next_frame();
        assert_eq!(frame["type"], "event", "{frame}");
        frame["payload"].take()
    }

    /// The payload of the next frame, which must be an event, acknowledged.
    #[track_caller]
    pub(crate) fn take_event(&mut self) -> Value {
        let event = self.next_event();
        self.ack(&[event["eventId"].as_str().unwrap()]);
        event
    }

    /// Acknowledges the next `count` events and returns their ids in order of arrival.
    #[track_caller]
    pub(crate) fn take_ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            ids.push(self.take_event()["eventId"].as_str().unwrap().to_owned());
        }
        ids
    }

    /// The payload of the next transport-level pong.
    #[track_caller]
    pub(crate) fn next_transport_pong(&mut self) -> Vec<u8> {
        loop {
            match self.receive_any() {
                Received::Pong(payload) => return payload,
                Received::Frame(_) => {}
                Received::Closed(closed) => panic!("expected a pong, got {closed:?}"),
            }
        }
    }

    /// How the hub closes the connection, whatever it says before.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> Closed {
        loop {
            if let Received::Closed(closed) = self.receive() {
                return closed;
            }
        }
    }

    /// Asserts that the hub refuses authentication with `error` and closes with `close`.
    #[track_caller]
    pub(crate) fn expect_refusal(&mut self, error: &str, close: u16) {
        let frame = self.next_frame();
        assert_eq!(frame["type"], "auth_error", "{frame}");
        assert_eq!(frame["payload"]["code"], error, "{frame}");
        assert!(frame["payload"]["message"].is_string(), "{frame}");
        assert_eq!(self.expect_close().code, close);
    }

    /// Says good-bye and waits for the hub to do the same.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.socket.close(None).unwrap();
        self.expect_close();
    }

    #[track_caller]
    fn receive(&mut self) -> Received {
        loop {
            match self.receive_any() {
                Received::Pong(_) => {}
                other => return other,
            }
        }
    }

    #[track_caller]
    fn receive_any(&mut self) -> Received {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the hub said nothing for {DEADLINE:?}");
            self.socket.get_ref().set_read_timeout(Some(left)).unwrap();
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let frame = serde_json::from_str(&text);
                    return Received::Frame(frame.unwrap_or_else(|error| panic!("{error}: {text}")));
                }
                Ok(Message::Pong(payload)) => return Received::Pong(payload.to_vec()),
                Ok(Message::Ping(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(bytes)) => panic!("the hub sent a binary frame: {bytes:?}"),
                Ok(Message::Close(frame)) => return Received::Closed(closed(frame)),
                Err(Error::Io(error)) if is_timeout(&error) => {}
                Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                    return Received::Closed(Closed { code: 1006, reason: String::new() });
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> Closed {
    frame.map_or(Closed { code: 1005, reason: String::new() }, |frame| Closed {
        code: frame.code.into(),
        reason: frame.reason.to_string(),
    })
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

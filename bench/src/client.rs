//! One daemon as seen from its socket: connect, upgrade, authenticate, subscribe, acknowledge.
//!
//! The frames it sends are those of the documented client. JSON is searched, not parsed.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use anyhow::{Context, Result, bail};
use memchr::{memchr, memmem};
use mio::{Interest, Registry, Token, net::TcpStream};

use crate::{
    event::Clock,
    ledger::Ledger,
    socket::{self, Frame},
};

/// What all clients of a swarm have in common.
pub(crate) struct Habits {
    /// The whole upgrade request.
    pub(crate) upgrade: Vec<u8>,
    /// Whether to subscribe once authenticated; without it the client is ready then.
    pub(crate) subscribes: bool,
    /// Whether to acknowledge events.
    pub(crate) acknowledges: bool,
    /// An `ack` up to the digits that make its id unique.
    pub(crate) ack_head: String,
    /// An `ack` from there to the event id.
    pub(crate) ack_middle: String,
    /// The rest of an `ack`.
    pub(crate) ack_tail: &'static str,
    /// The `subscribe` frame.
    pub(crate) subscribe: String,
    /// Time.
    pub(crate) clock: Clock,
}

impl Habits {
    /// The habits of a client of the hub at `hub`; `now` is the time that its frames carry.
    #[must_use]
    pub(crate) fn new(hub: SocketAddr, clock: Clock, now: &str) -> Self {
        let upgrade = format!(
            "GET /daemon/ws HTTP/1.1\r\nHost: {hub}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            socket::KEY
        );
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"00000000-0000-4000-8000-000000000001","timestamp":"{now}","payload":{{"eventTypes":["message.received"]}}}}"#
        );
        Self {
            upgrade: upgrade.into_bytes(),
            subscribes: true,
            acknowledges: true,
            ack_head: r#"{"type":"ack","id":"00000000-0000-4000-8000-"#.to_owned(),
            ack_middle: format!(r#"","timestamp":"{now}","payload":{{"eventIds":[""#),
            ack_tail: r#""]}}"#,
            subscribe,
            clock,
        }
    }
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The TCP connection is being made.
    Connecting,
    /// The upgrade was asked for.
    Upgrading,
    /// `auth` was sent.
    Authenticating,
    /// `subscribe` was sent, and a ping behind it: its pong says that the hub has read both.
    Subscribing,
    /// Events may come.
    Ready,
    /// It said that it closes.
    Closing,
    /// It is over, as it should.
    Closed,
}

/// One connection.
pub(crate) struct Client {
    index: usize,
    stream: TcpStream,
    auth: Vec<u8>,
    /// How far it has come.
    pub(crate) state: State,
    /// The beginning of a frame whose end has not come yet.
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    mask: u32,
    acks: u64,
}

impl Client {
    /// Begins to connect; `auth` is the text of its `auth` frame.
    ///
    /// # Errors
    /// When the system has no socket for it.
    pub(crate) fn connect(hub: SocketAddr, registry: &Registry, index: usize, auth: Vec<u8>) -> Result<Self> {
        let mut stream = TcpStream::connect(hub).context("no socket for another client")?;
        registry.register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let mask = u32::try_from(index).unwrap_or_default().wrapping_mul(0x9e37_79b9) | 1;
        Ok(Self {
            index,
            stream,
            auth,
            state: State::Connecting,
            inbound: Vec::new(),
            outbound: Vec::new(),
            mask,
            acks: 0,
        })
    }

    /// Says good-bye; the hub's answer makes it [`State::Closed`].
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.state = State::Closing;
        let code = 1000_u16.to_be_bytes();
        socket::write(&mut self.outbound, socket::CLOSE, self.mask, &[&code, b"Client closing"]);
        self.flush()
    }

    /// Does whatever the socket allows now. `buffer` is shared by all clients.
    ///
    /// # Errors
    /// When the hub does not keep to the protocol, or closes without being asked.
    pub(crate) fn advance(&mut self, buffer: &mut [u8], habits: &Habits, ledger: &mut Ledger) -> Result<()> {
        if self.state == State::Connecting && !self.connected(habits)? {
            return Ok(());
        }
        loop {
            match self.stream.read(buffer) {
                Ok(0) if self.state == State::Closing => self.state = State::Closed,
                Ok(0) => bail!("the hub hung up on a client that was {:?}", self.state),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.receive(bytes, habits, ledger)?;
                    // The poll is edge-triggered, but a short read has emptied the socket.
                    if count == buffer.len() && self.state != State::Closed {
                        continue;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if self.state == State::Closing && error.kind() == ErrorKind::ConnectionReset => {
                    self.state = State::Closed;
                }
                Err(error) => return Err(error).context("reading"),
            }
            break;
        }
        if self.state == State::Closed { Ok(()) } else { self.flush() }
    }

    fn connected(&mut self, habits: &Habits) -> Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error).context("connecting");
        }
        if self.stream.peer_addr().is_err() {
            return Ok(false);
        }
        self.stream.set_nodelay(true)?;
        self.outbound.extend_from_slice(&habits.upgrade);
        self.state = State::Upgrading;
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> Result<()> {
        while !self.outbound.is_empty() {
            match self.stream.write(&self.outbound) {
                Ok(sent) if sent == self.outbound.len() => self.outbound.clear(),
                Ok(sent) => drop(self.outbound.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("writing"),
            }
        }
        if self.outbound.capacity() > 4096 {
            self.outbound = Vec::new();
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], habits: &Habits, ledger: &mut Ledger) -> Result<()> {
        if self.inbound.is_empty() {
            let used = self.consume(bytes, habits, ledger)?;
            self.inbound.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            let mut held = std::mem::take(&mut self.inbound);
            held.extend_from_slice(bytes);
            let used = self.consume(&held, habits, ledger)?;
            if used < held.len() {
                held.drain(..used);
                self.inbound = held;
            }
        }
        Ok(())
    }

    /// Handles all that is complete in `bytes`, and answers how many bytes that was.
    fn consume(&mut self, bytes: &[u8], habits: &Habits, ledger: &mut Ledger) -> Result<usize> {
        let mut used = 0;
        if self.state == State::Upgrading {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            let head = bytes.get(..end).unwrap_or_default();
            if !head.starts_with(b"HTTP/1.1 101 ") || memmem::find(head, socket::ACCEPT.as_bytes()).is_none()
            {
                bail!("the upgrade was answered with {:?}", String::from_utf8_lossy(bytes));
            }
            used = end + 4;
            let auth = std::mem::take(&mut self.auth);
            socket::write(&mut self.outbound, socket::TEXT, self.mask, &[&auth]);
            self.state = State::Authenticating;
        }
        while let Some(frame) = socket::parse(bytes.get(used..).unwrap_or_default())? {
            used += frame.length;
            self.handle(&frame, habits, ledger)?;
            if self.state == State::Closed {
                return Ok(bytes.len());
            }
        }
        Ok(used)
    }

    fn handle(&mut self, frame: &Frame<'_>, habits: &Habits, ledger: &mut Ledger) -> Result<()> {
        match frame.opcode {
            socket::TEXT if self.state == State::Closing => {}
            socket::TEXT => match event_id(frame.payload) {
                Some(id) => self.take(id, habits, ledger),
                None => self.converse(frame.payload, habits)?,
            },
            socket::PING => socket::write(&mut self.outbound, socket::PONG, self.mask, &[frame.payload]),
            socket::PONG if self.state == State::Subscribing => self.state = State::Ready,
            socket::CLOSE if self.state == State::Closing => self.state = State::Closed,
            socket::CLOSE => {
                let (code, reason) = frame.payload.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
                let (code, reason) = (u16::from_be_bytes(*code), String::from_utf8_lossy(reason));
                bail!("the hub closed a client that was {:?}: {code} {reason}", self.state)
            }
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, id: &[u8], habits: &Habits, ledger: &mut Ledger) {
        if habits.acknowledges {
            let digits = unique(self.acks);
            let (head, middle) = (habits.ack_head.as_bytes(), habits.ack_middle.as_bytes());
            let parts = [head, digits.as_slice(), middle, id, habits.ack_tail.as_bytes()];
            socket::write(&mut self.outbound, socket::TEXT, self.mask, &parts);
            self.mask = self.mask.rotate_left(7).wrapping_add(0x85eb_ca6b);
            self.acks += 1;
        }
        ledger.record(self.index, id, habits.clock.nanos());
    }

    /// Any frame that is no event.
    fn converse(&mut self, text: &[u8], habits: &Habits) -> Result<()> {
        let says = |what: &str| memmem::find(text, what.as_bytes()).is_some();
        if self.state == State::Authenticating && says(r#""type":"auth_success""#) {
            self.state = State::Ready;
            if habits.subscribes {
                self.state = State::Subscribing;
                let subscribe = habits.subscribe.as_bytes();
                socket::write(&mut self.outbound, socket::TEXT, self.mask, &[subscribe]);
                socket::write(&mut self.outbound, socket::PING, self.mask, &[b"subscribed"]);
            }
            return Ok(());
        }
        let refusals = ["error", "auth_error", "rate_limit", "reconnect"];
        if refusals.iter().any(|kind| says(&format!(r#""type":"{kind}""#))) {
            bail!("the hub says {}", String::from_utf8_lossy(text));
        }
        Ok(())
    }
}

/// The event id in an `event` frame; `None` in any other frame.
fn event_id(text: &[u8]) -> Option<&[u8]> {
    const FIELD: &[u8] = br#""eventId":""#;
    let start = memmem::find(text, FIELD)? + FIELD.len();
    let rest = text.get(start..)?;
    rest.get(..memchr(b'"', rest)?)
}

/// Twelve digits.
fn unique(mut number: u64) -> [u8; 12] {
    let mut digits = [b'0'; 12];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_id_is_found_without_parsing() {
        let frame = br#"{"type":"event","id":"u","payload":{"eventId":"e_1","eventType":"a.b"}}"#;
        assert_eq!(event_id(frame), Some(b"e_1".as_slice()));
        assert_eq!(event_id(br#"{"type":"heartbeat_ack"}"#), None);
    }

    #[test]
    fn request_ids_differ() {
        assert_eq!(&unique(0), b"000000000000");
        assert_eq!(&unique(1_234), b"000000001234");
    }
}

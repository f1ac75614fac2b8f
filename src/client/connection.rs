//! One connection from the handshake to its end.

use std::{pin::pin, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{ClientConfig, Handled, Handler, ReceivedEvent, Status, frames, frames::Incoming};
use crate::domain::clock;

/// How long connecting, and then authenticating, may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long closing may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// The interval of heartbeats where the hub names none.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long acknowledgements are collected before they are sent together.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// How many acknowledgements are sent without waiting for that.
const ACK_BATCH: usize = 100;
/// The largest frame, above what any hub sends.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// The close code for a session that was revoked or taken over.
const SESSION_TERMINATED: u16 = 4006;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// By request of the caller.
    Shutdown,
    /// The hub wants no more of this session; connecting again would fight whoever took it over.
    Terminated,
    /// Connecting again is right, no sooner than after this time.
    Lost { reason: String, retry_after: Duration },
}

fn lost(reason: impl ToString) -> End {
    End::Lost { reason: reason.to_string(), retry_after: Duration::ZERO }
}

pub(super) struct Connection<'a> {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    config: &'a ClientConfig,
    started: Instant,
    heartbeat: Duration,
    next_heartbeat: Instant,
    last_heard: Instant,
    acks: Vec<String>,
    flush_at: Instant,
    leave_at: Option<Instant>,
}

impl<'a> Connection<'a> {
    /// Connects, authenticates and subscribes.
    pub(super) async fn open(
        config: &'a ClientConfig,
        token: &str,
        handler: &mut impl Handler,
    ) -> Result<Self, End> {
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let connecting = connect_async_with_config(config.url.as_str(), Some(limits), true);
        let (socket, _) = match timeout(PATIENCE, connecting).await {
            Ok(connected) => connected.map_err(|error| refused(&error))?,
            Err(_) => return Err(lost("the hub does not answer")),
        };
        let now = Instant::now();
        let mut connection = Self {
            socket,
            config,
            started: now,
            heartbeat: HEARTBEAT,
            next_heartbeat: now + HEARTBEAT,
            last_heard: now,
            acks: Vec::new(),
            flush_at: now,
            leave_at: None,
        };
        match timeout(PATIENCE, connection.authenticate(token, handler)).await {
            Ok(authenticated) => authenticated.map(|()| connection),
            Err(_) => Err(lost("the hub does not answer to authentication")),
        }
    }

    async fn authenticate(&mut self, token: &str, handler: &mut impl Handler) -> Result<(), End> {
        let (daemon, orchestrator) = (&self.config.daemon_id, &self.config.orchestrator_id);
        self.send(frames::auth(token, daemon, orchestrator, clock::now().wall)).await?;
        loop {
            match self.receive().await? {
                Incoming::AuthSuccess { session, heartbeat } => {
                    self.heartbeat = heartbeat.unwrap_or(HEARTBEAT);
                    self.next_heartbeat = Instant::now() + self.heartbeat;
                    handler.status(&Status::Authenticated { session });
                    break;
                }
                Incoming::AuthError { code, message } => {
                    return Err(lost(format!("authentication failed: {code} {message}")));
                }
                Incoming::Reconnect { reason, delay } => {
                    return Err(End::Lost { reason, retry_after: delay });
                }
                _ => {}
            }
        }
        let (types, channels) = (&self.config.subscriptions, &self.config.channels);
        self.send(frames::subscribe(types, channels, clock::now().wall)).await
    }

    /// Serves the connection until it ends; says why it did.
    pub(super) async fn serve(
        mut self,
        handler: &mut impl Handler,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> End {
        let end = loop {
            match self.step(handler, shutdown).await {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        let text = match &end {
            End::Shutdown => "Client closing",
            End::Terminated => return end,
            End::Lost { .. } => "Client reconnecting",
        };
        // Whatever happens to the farewell, events without an acknowledgement come again.
        let _sent_or_not = timeout(FAREWELL, self.farewell(text)).await;
        end
    }

    async fn farewell(&mut self, text: &'static str) -> Result<(), End> {
        self.flush().await?;
        let frame = CloseFrame { code: CloseCode::Normal, reason: text.into() };
        self.socket.close(Some(frame)).await.map_err(lost)
    }

    /// Does the next thing that is due.
    async fn step(
        &mut self,
        handler: &mut impl Handler,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<(), End> {
        let silent_until = self.last_heard + self.heartbeat * 3;
        let leave_at = self.leave_at.unwrap_or(silent_until);
        let incoming = tokio::select! {
            biased;
            () = &mut *shutdown => return Err(End::Shutdown),
            () = sleep_until(leave_at), if self.leave_at.is_some() => return Err(lost("asked to reconnect")),
            () = sleep_until(silent_until) => return Err(lost("the hub fell silent")),
            () = sleep_until(self.next_heartbeat) => return self.beat().await,
            () = sleep_until(self.flush_at), if !self.acks.is_empty() => return self.flush().await,
            message = self.socket.next() => self.understand(message)?,
        };
        match incoming {
            Incoming::Event(event) => self.hand_over(*event, handler).await,
            Incoming::Reconnect { reason, delay } => {
                handler.status(&Status::ReconnectAsked { reason, delay });
                self.leave_at = Some(Instant::now() + delay);
                Ok(())
            }
            Incoming::AuthError { code, message } => Err(lost(format!("{code} {message}"))),
            Incoming::Problem { code, message } => {
                handler.status(&Status::Problem(format!("{code} {message}")));
                Ok(())
            }
            Incoming::RateLimit { action, retry_after } => {
                let text = format!("too many of {action}, wait {} s", retry_after.as_secs());
                handler.status(&Status::Problem(text));
                Ok(())
            }
            Incoming::AuthSuccess { .. } | Incoming::Other => Ok(()),
        }
    }

    /// Gives the event to the handler. Heartbeats go on meanwhile, so that a slow one looks busy and
    /// not dead.
    async fn hand_over(&mut self, event: ReceivedEvent, handler: &mut impl Handler) -> Result<(), End> {
        let (id, requires_ack) = (event.event_id.clone(), event.requires_ack);
        let mut handling = pin!(handler.event(event));
        let handled = loop {
            tokio::select! {
                handled = &mut handling => break handled,
                () = sleep_until(self.next_heartbeat) => self.beat().await?,
            }
        };
        // The hub may have spoken while nobody listened.
        self.last_heard = Instant::now();
        if handled == Handled::Done && requires_ack {
            if self.acks.is_empty() {
                self.flush_at = Instant::now() + ACK_DELAY;
            }
            self.acks.push(id);
        }
        if self.acks.len() >= ACK_BATCH { self.flush().await } else { Ok(()) }
    }

    async fn beat(&mut self) -> Result<(), End> {
        self.next_heartbeat = Instant::now() + self.heartbeat;
        self.send(frames::heartbeat(self.started.elapsed(), clock::now().wall)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.acks.is_empty() {
            return Ok(());
        }
        let frame = frames::ack(&self.acks, clock::now().wall);
        self.acks.clear();
        self.send(frame).await
    }

    async fn send(&mut self, frame: String) -> Result<(), End> {
        match timeout(PATIENCE, self.socket.send(Message::text(frame))).await {
            Ok(sent) => sent.map_err(lost),
            Err(_) => Err(lost("the hub takes nothing any more")),
        }
    }

    async fn receive(&mut self) -> Result<Incoming, End> {
        let message = self.socket.next().await;
        self.understand(message)
    }

    fn understand(&mut self, message: Option<tungstenite::Result<Message>>) -> Result<Incoming, End> {
        self.last_heard = Instant::now();
        match message {
            None => Err(lost("the connection broke")),
            Some(Err(error)) => Err(lost(error)),
            // One frame that cannot be read is no reason to leave: the next connection would meet it again.
            Some(Ok(Message::Text(text))) => Ok(frames::read(&text).unwrap_or_else(|error| {
                Incoming::Problem { code: "UNREADABLE".to_owned(), message: error.to_string() }
            })),
            Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == SESSION_TERMINATED => {
                Err(End::Terminated)
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Err(lost(format!("closed by the hub: {} {}", u16::from(frame.code), frame.reason)))
            }
            Some(Ok(Message::Close(None))) => Err(lost("closed by the hub")),
            Some(Ok(_)) => Ok(Incoming::Other),
        }
    }
}

/// Why the handshake failed, and how long the hub wants to be left alone.
fn refused(error: &tungstenite::Error) -> End {
    let tungstenite::Error::Http(response) = error else { return lost(error) };
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    End::Lost {
        reason: format!("the hub answered {}", response.status()),
        retry_after: Duration::from_secs(seconds),
    }
}

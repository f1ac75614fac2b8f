//! A session with its clock: inputs go in at virtual time, effects come out as short lines.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    domain::{
        clock::{Monotonic, Now, Timestamp},
        event::{Audience, Event, EventType},
        ids::{ConnectionId, DaemonId, EventId, NodeId, OrchestratorId, SessionId},
        scope::ScopeSet,
        subscription::{Subscriptions, TypePattern},
    },
    protocol::{event_frame::Delivery, server_frame::ServerMessage},
    session::{
        Session,
        effect::{Admission, Effect, Fetched, Identity, Limits, Page},
    },
};

pub(super) const START: Now = Now { wall: Timestamp(1_700_000_000_000), mono: Monotonic(5_000_000) };
pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The limits of the contract, with a window small enough to be filled by hand.
pub(super) fn limits() -> Limits {
    Limits {
        heartbeat_interval: secs(30),
        auth_timeout: secs(10),
        ping_interval: secs(30),
        message_limit: 100,
        message_window: secs(60),
        max_in_flight: 2,
        max_in_flight_ceiling: 1000,
        redelivery_schedule: [30, 60, 120, 300, 600].map(secs).to_vec(),
        max_attempts: 10,
        strict_scopes: false,
    }
}

/// The same, for tests that let hours go by: only what concerns events has a deadline.
pub(super) fn patient() -> Limits {
    Limits { heartbeat_interval: HOUR * 1000, ping_interval: HOUR * 1000, ..limits() }
}

pub(super) fn id(text: &str) -> EventId {
    EventId::parse(text).expect("an id")
}

fn ids(texts: &[&str]) -> Vec<EventId> {
    texts.iter().map(|text| id(text)).collect()
}

pub(super) fn delivery(text: &str, kind: &str, requires_ack: bool, payload: Bytes) -> Arc<Delivery> {
    Arc::new(Delivery::new(Arc::new(Event {
        id: id(text),
        kind: EventType::parse(kind).expect("a type"),
        orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
        daemon: None,
        organization: None,
        channel: None,
        workspace: None,
        timestamp: START.wall,
        requires_ack,
        priority: 0,
        audience: Audience::All,
        expires_at: None,
        traceparent: None,
        payload,
        body: Bytes::new(),
    })))
}

/// An event of type `message.received` that needs an acknowledgement.
pub(super) fn event(text: &str) -> Arc<Delivery> {
    delivery(text, "message.received", true, Bytes::from_static(b"{}"))
}

pub(super) fn fetched(text: &str, attempts: u32) -> Fetched {
    Fetched { attempts, ..Fetched::fresh(event(text)) }
}

/// An event that only one of several daemons is to have.
pub(super) fn shared(text: &str) -> Arc<Delivery> {
    let delivery = event(text);
    let event = Event { audience: Audience::Any, ..Event::clone(&delivery.event) };
    Arc::new(Delivery::new(Arc::new(event)))
}

/// A page with new events, from a queue that is not empty.
pub(super) fn page(texts: &[&str], more: bool) -> Option<Page> {
    let events = texts.iter().map(|text| fetched(text, 0)).collect();
    Some(Page { events, more, waiting: texts.len().max(1), ..Page::default() })
}

pub(super) fn empty_queue() -> Option<Page> {
    Some(Page::default())
}

pub(super) fn subscribed_to(patterns: &[&str]) -> Subscriptions {
    let patterns: Vec<_> =
        patterns.iter().map(|pattern| TypePattern::parse(pattern).expect("a pattern")).collect();
    let mut subscriptions = Subscriptions::default();
    subscriptions.subscribe(&patterns, &[]).expect("room");
    subscriptions
}

/// An admission of `vp_1`'s daemon: standard scopes, a token for a long time, nothing restored.
pub(super) fn admission() -> Admission {
    admission_of("vp_1")
}

pub(super) fn admission_of(orchestrator: &str) -> Admission {
    let identity = Identity {
        connection: ConnectionId::random(),
        orchestrator: OrchestratorId::parse(orchestrator).expect("an id"),
        daemon: DaemonId::parse("d").expect("an id"),
        session: SessionId::parse("s").expect("an id"),
        organization: None,
        connected_at: START.wall,
    };
    Admission {
        identity: Arc::new(identity),
        scopes: ScopeSet::standard(),
        expires_at: START.wall.plus(HOUR * 1000),
        subscriptions: None,
        backlog: false,
        depth: 0,
        gap: None,
        node: NodeId::parse("node_1").expect("an id"),
    }
}

/// A session at a moment. Every input answers with the effects, one line each.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: Now,
}

impl Rig {
    /// A connection that was just opened.
    pub(super) fn opened(limits: Limits) -> Self {
        Self { session: Session::new(Arc::new(limits), START), now: START }
    }

    /// An authenticated connection that is subscribed to everything and has caught up.
    pub(super) fn live(limits: Limits) -> Self {
        let mut rig = Self::opened(limits);
        rig.admit(Admission { subscriptions: Some(subscribed_to(&["*"])), ..admission() });
        rig
    }

    /// The same, of a client that speaks protocol 1.1.
    pub(super) fn extended(limits: Limits) -> Self {
        let mut rig = Self::opened(limits);
        rig.frame(
            "auth",
            r#"{"accessToken":"t","daemonId":"d","orchestratorId":"vp_1","protocol":"1.1",
                "capabilities":["batch","nack","progress","confirm"]}"#,
        );
        rig.admit(Admission { subscriptions: Some(subscribed_to(&["*"])), ..admission() });
        rig
    }

    /// The same, with something in its queue: the first look is under way.
    pub(super) fn looking(limits: Limits) -> Self {
        let mut rig = Self::opened(limits);
        rig.admit(Admission { subscriptions: Some(subscribed_to(&["*"])), backlog: true, ..admission() });
        rig
    }

    pub(super) fn run(&mut self, input: impl FnOnce(&mut Session, Now, &mut Vec<Effect>)) -> Vec<String> {
        let mut out = Vec::new();
        input(&mut self.session, self.now, &mut out);
        out.iter().map(line).collect()
    }

    pub(super) fn admit(&mut self, admission: Admission) -> Vec<String> {
        self.run(|session, now, out| session.on_admitted(Ok(admission), Some("a".into()), now, out))
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.now = Now { wall: self.now.wall.plus(span), mono: self.now.mono.plus(span) };
    }

    /// Lets `span` go by; then the shell ticks, if a deadline has come.
    pub(super) fn after(&mut self, span: Duration) -> Vec<String> {
        self.wait(span);
        if self.session.next_deadline() > self.now.mono {
            return Vec::new();
        }
        self.run(Session::on_tick)
    }

    pub(super) fn text(&mut self, text: &str) -> Vec<String> {
        self.run(|session, now, out| session.on_text(text, now, out))
    }

    /// A frame of `kind` with the id `r`; the payload is written without quotes around names.
    pub(super) fn frame(&mut self, kind: &str, payload: &str) -> Vec<String> {
        self.text(&format!(r#"{{"type":"{kind}","id":"r","payload":{payload}}}"#))
    }

    pub(super) fn subscribe(&mut self, patterns: &[&str]) -> Vec<String> {
        self.frame("subscribe", &format!(r#"{{"eventTypes":{patterns:?}}}"#))
    }

    pub(super) fn unsubscribe(&mut self, patterns: &[&str]) -> Vec<String> {
        self.frame("unsubscribe", &format!(r#"{{"eventTypes":{patterns:?}}}"#))
    }

    pub(super) fn ack(&mut self, texts: &[&str]) -> Vec<String> {
        self.frame("ack", &format!(r#"{{"eventIds":{texts:?}}}"#))
    }

    pub(super) fn nack(&mut self, texts: &[&str], more: &str) -> Vec<String> {
        self.frame("nack", &format!(r#"{{"eventIds":{texts:?}{more}}}"#))
    }

    /// The connection ends; `crashed` says that it broke.
    pub(super) fn gone(&mut self, crashed: bool) -> Vec<String> {
        self.run(|session, now, out| session.on_gone(crashed, now, out))
    }

    pub(super) fn heartbeat(&mut self) -> Vec<String> {
        self.frame("heartbeat", "{}")
    }

    pub(super) fn push(&mut self, delivery: &Arc<Delivery>) -> Vec<String> {
        self.run(|session, now, out| session.on_event(delivery, now, out))
    }

    pub(super) fn hint(&mut self) -> Vec<String> {
        self.run(Session::on_hint)
    }

    pub(super) fn page(&mut self, page: Option<Page>) -> Vec<String> {
        self.run(|session, now, out| session.on_page(page, now, out))
    }

    /// Answers a reload of `asked` with `found`.
    pub(super) fn reloaded(&mut self, asked: &[&str], found: &[&str]) -> Vec<String> {
        let found = found.iter().map(|text| fetched(text, 0)).collect();
        self.run(|session, now, out| session.on_redelivery(&ids(asked), Some(found), now, out))
    }

    pub(super) fn reload_failed(&mut self, asked: &[&str]) -> Vec<String> {
        self.run(|session, now, out| session.on_redelivery(&ids(asked), None, now, out))
    }

    pub(super) fn drained(&mut self) -> Vec<String> {
        self.run(Session::on_drained)
    }

    pub(super) fn drain(&mut self) -> Vec<String> {
        self.run(|session, _, out| session.on_drain(secs(5), out))
    }
}

fn joined<'a>(ids: impl IntoIterator<Item = &'a EventId>) -> String {
    ids.into_iter().map(EventId::as_str).collect::<Vec<_>>().join(",")
}

/// One effect in a line.
pub(super) fn line(effect: &Effect) -> String {
    match effect {
        Effect::Send(message, None) => said(message),
        Effect::Send(message, Some(id)) => format!("{} to {id}", said(message)),
        Effect::Deliver { sending, .. } => {
            format!("event {} #{}", sending.delivery.event.id, sending.attempt)
        }
        Effect::Authenticate { request_id, .. } => format!("authenticate {request_id:?}"),
        Effect::Acknowledge { ids, .. } => format!("taken {}", joined(ids.iter().map(|(id, _)| id))),
        Effect::Confirm { ids, .. } => format!("confirm {}", joined(ids)),
        Effect::DeadLetter { id, cause, attempts, .. } => format!("dead {id} #{attempts} {}", cause.as_str()),
        Effect::Note(note) => format!("note {} #{} crashes {}", note.id, note.attempts, note.crashes),
        Effect::Release { ids, delay } => format!("release {} for {}", joined(ids), delay.as_millis()),
        Effect::Extend { ids, span } => format!("extend {} by {}", joined(ids), span.as_millis()),
        Effect::Fetch(request) => {
            let mut exclude: Vec<_> = request.exclude.iter().collect();
            exclude.sort_by_key(|id| (id.as_str().len(), id.as_str().to_owned()));
            format!("fetch {} beside [{}]", request.limit, joined(exclude))
        }
        Effect::Reload(ids) => format!("reload {}", joined(ids)),
        Effect::CaughtUp => "caught up".into(),
        Effect::Behind => "behind".into(),
        Effect::Subscribed(now) => format!("subscribed {}", now.patterns().collect::<Vec<_>>().join(",")),
        Effect::Heartbeat(beat) => format!("heartbeat {}", beat.status.as_str()),
        Effect::Pause(span) => format!("pause {}", span.as_millis()),
        Effect::Ping => "ping".into(),
        Effect::Close(reason) => format!("close {}", reason.code()),
    }
}

fn said(message: &ServerMessage) -> String {
    match message {
        ServerMessage::AuthSuccess(_) => "auth_success".into(),
        ServerMessage::AuthError { code, .. } => format!("auth_error {}", code.as_str()),
        ServerMessage::HeartbeatAck { .. } => "heartbeat_ack".into(),
        ServerMessage::AckOk { ids, unknown } => format!("ack_ok {} not {}", joined(ids), joined(unknown)),
        ServerMessage::Error { code, field: Some(field), .. } => format!("error {} {field}", code.as_str()),
        ServerMessage::Error { code, field: None, .. } => format!("error {}", code.as_str()),
        ServerMessage::RateLimit { action, retry_after, .. } => {
            format!("rate_limit {action} {}", retry_after.as_secs())
        }
        ServerMessage::Reconnect { delay, .. } => format!("reconnect {}", delay.as_millis()),
        ServerMessage::Pong => "pong".into(),
    }
}

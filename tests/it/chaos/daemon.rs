//! A daemon: connects to any hub, comes back when it is cut off, and mostly does its work.

use std::{collections::BTreeMap, time::Duration};

use chrono::DateTime;
use futures_util::{SinkExt as _, StreamExt as _};
use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{
    Stage,
    history::{At, What},
};
use crate::support::socket::PATH;

/// How long connecting and authenticating may take before the daemon tries elsewhere.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether everything is over.
const GLANCE: Duration = Duration::from_millis(250);

/// Lives until the stage is over.
pub(super) async fn live(stage: &Stage, daemon: usize) {
    let mut chance = stage.plan.chance(u64::try_from(daemon).unwrap());
    while !stage.is_over() {
        if let Ok(Some(mut connection)) =
            timeout(PATIENCE, Connection::open(stage, daemon, &mut chance)).await
        {
            connection.work(&mut chance).await;
            stage.history.record(What::Disconnected(connection.at));
        }
        sleep(Duration::from_millis(chance.random_range(50..400))).await;
    }
}

/// What a daemon has decided to do with an event.
#[derive(Clone, Copy)]
enum Deed {
    Acknowledge,
    Refuse { terminal: bool },
}

struct Connection<'a> {
    stage: &'a Stage,
    socket: WebSocketStream<TcpStream>,
    at: At,
    /// Whether it speaks protocol 1.1.
    extended: bool,
    /// What it will do, and when.
    due: BTreeMap<(Instant, usize), (usize, Deed)>,
    deeds: usize,
}

impl<'a> Connection<'a> {
    /// A connection to some hub, authenticated and subscribed.
    async fn open(stage: &'a Stage, daemon: usize, chance: &mut StdRng) -> Option<Self> {
        let hub = chance.random_range(0..stage.ports.len());
        let (port, identity) = (stage.ports[hub], &stage.identities[daemon]);
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (socket, _) = client_async(format!("ws://127.0.0.1:{port}{PATH}"), stream).await.ok()?;
        // The client in the field knows nothing of protocol 1.1.
        let extended = daemon % 4 != 3;
        let at = At { daemon, connection: stage.next_connection() };
        let mut this = Self { stage, socket, at, extended, due: BTreeMap::new(), deeds: 0 };
        let mut auth = json!({
            "accessToken": identity.token, "daemonId": identity.daemon,
            "orchestratorId": identity.orchestrator,
        });
        if extended {
            auth["protocol"] = "1.1".into();
            auth["capabilities"] = json!(["batch", "nack", "progress", "confirm"]);
            auth["maxInFlight"] = chance.random_range(1..100).into();
        }
        this.say("auth", &auth).await?;
        let frame = this.hear().await?;
        if frame["type"] != "auth_success" {
            return None;
        }
        stage.history.record(What::Connected(at, hub));
        if this.say("subscribe", &json!({ "eventTypes": ["message.received"] })).await.is_none() {
            stage.history.record(What::Disconnected(at));
            return None;
        }
        Some(this)
    }

    /// Takes events until the connection breaks, the daemon has had enough, or everything is over.
    async fn work(&mut self, chance: &mut StdRng) {
        while !self.stage.is_over() {
            let next = self.due.first_key_value().map(|((at, _), _)| *at);
            let until = next.unwrap_or_else(|| Instant::now() + GLANCE).min(Instant::now() + GLANCE);
            let on = match timeout_at(until, self.hear()).await {
                Ok(Some(frame)) => self.handle(&frame, chance),
                Ok(None) => false,
                Err(_) => true,
            };
            if !on || self.do_what_is_due().await.is_none() {
                return;
            }
        }
    }

    /// Whether to go on.
    fn handle(&mut self, frame: &Value, chance: &mut StdRng) -> bool {
        let (history, at, payload) = (&self.stage.history, self.at, &frame["payload"]);
        let written = || {
            let time = frame["timestamp"].as_str().unwrap_or_default();
            DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis()
        };
        match frame["type"].as_str() {
            Some("event") => self.take(payload, written(), chance),
            Some("batch") => {
                let events = payload["events"].as_array().unwrap();
                events.iter().all(|event| self.take(event, written(), chance))
            }
            Some("ack_ok") => {
                let ids = payload["ids"].as_array().unwrap().iter().filter_map(Value::as_str);
                for event in ids.filter_map(|id| history.event(id)) {
                    history.record(What::Confirmed { event, at, written: written() });
                }
                true
            }
            _ => true,
        }
    }

    /// Decides what to do with an event, and whether to go on.
    fn take(&mut self, event: &Value, written: i64, chance: &mut StdRng) -> bool {
        let history = &self.stage.history;
        let id = event["eventId"].as_str().unwrap();
        // The hub's own events are no subjects.
        let Some(number) = history.event(id) else { return true };
        let attempt = event["attempt"].as_u64().unwrap();
        history.record(What::Received { event: number, at: self.at, attempt, written });
        if self.stage.is_calm() {
            self.plan(number, Deed::Acknowledge, 0);
            return true;
        }
        match chance.random_range(0..1000) {
            0..4 => return false,
            4..25 => {}
            25..28 if self.extended => self.plan(number, Deed::Refuse { terminal: true }, 0),
            28..70 if self.extended => self.plan(number, Deed::Refuse { terminal: false }, 0),
            70..120 => {
                self.plan(number, Deed::Acknowledge, 0);
                self.plan(number, Deed::Acknowledge, chance.random_range(0..500));
            }
            120..220 => self.plan(number, Deed::Acknowledge, chance.random_range(20..2500)),
            _ => self.plan(number, Deed::Acknowledge, 0),
        }
        true
    }

    fn plan(&mut self, event: usize, deed: Deed, after: u64) {
        self.deeds += 1;
        self.due.insert((Instant::now() + Duration::from_millis(after), self.deeds), (event, deed));
    }

    /// `None` when the connection is broken.
    async fn do_what_is_due(&mut self) -> Option<()> {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= Instant::now()
        {
            let (event, deed) = entry.remove();
            let (history, at) = (&self.stage.history, self.at);
            let ids = [history.id(event)];
            match deed {
                Deed::Acknowledge => {
                    history.record(What::Acknowledged(event, at));
                    let mut ack = json!({ "eventIds": ids });
                    if self.extended {
                        ack["confirm"] = true.into();
                    }
                    self.say("ack", &ack).await?;
                }
                Deed::Refuse { terminal } => {
                    history.record(What::Refused { event, at, terminal });
                    let nack =
                        json!({ "eventIds": ids, "delayMs": 300, "terminal": terminal, "reason": "chaos" });
                    self.say("nack", &nack).await?;
                }
            }
        }
        Some(())
    }

    async fn say(&mut self, kind: &str, payload: &Value) -> Option<()> {
        let frame = json!({ "type": kind, "payload": payload });
        self.socket.send(Message::text(frame.to_string())).await.ok()
    }

    /// The next frame; `None` when the connection is over.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}

//! What clients say: text to typed frames, with errors that name the field (contract 9.2, 9.3).

mod about_events;
mod introduction;

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use thiserror::Error;

pub use about_events::{MAX_ACK_IDS, MAX_POSTPONEMENT};

use crate::domain::{
    ids::{ChannelId, DaemonId, EventId, IdError, OrchestratorId},
    subscription::{MAX_CHANNELS, MAX_SUBSCRIPTIONS, TypePattern},
};

/// The longest request id that is accepted and echoed, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;
/// How many members a `metrics` object may have (contract C21).
const MAX_METRICS: usize = 64;
/// How large a `metrics` object may be, in bytes of its JSON (contract C21).
const MAX_METRICS_BYTES: usize = 4096;

/// Why text is not a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not JSON at all. Three in a row close the connection.
    #[error("the frame is not JSON: {0}")]
    Undecodable(String),
    /// JSON, but no frame of the protocol.
    #[error("{field}: {problem}")]
    Invalid {
        /// The request's id, where one could be read.
        request_id: Option<String>,
        /// The field that is wrong.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A frame with the id that replies refer to.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// The client's id for the frame, when it gave one.
    pub id: Option<String>,
    /// What it says.
    pub message: ClientMessage,
}

/// Everything a client can say.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Who it is; a second one renews the token.
    Auth(Auth),
    /// It is alive, and how it is.
    Heartbeat(Heartbeat),
    /// It wants events.
    Subscribe {
        /// Which event types.
        patterns: Vec<TypePattern>,
        /// Limited to these channels; empty means every channel.
        channels: Vec<ChannelId>,
    },
    /// It wants them no more.
    Unsubscribe {
        /// Which event types.
        patterns: Vec<TypePattern>,
    },
    /// It has taken these events.
    Ack {
        /// Which.
        event_ids: Vec<EventId>,
        /// Whether it wants to hear when that is durable.
        confirm: bool,
    },
    /// It does not take these events, now or ever (protocol 1.1).
    Nack {
        /// Which.
        event_ids: Vec<EventId>,
        /// For how long they are not sent again; the hub chooses, when the client does not.
        delay: Option<Duration>,
        /// Why, in words.
        reason: Option<Box<str>>,
        /// Whether they are not to be tried again at all.
        terminal: bool,
    },
    /// It still works on these events (protocol 1.1).
    Progress {
        /// Which.
        event_ids: Vec<EventId>,
        /// How much longer it wants, from now.
        extend: Duration,
    },
    /// It wants so many events at once (protocol 1.1).
    Flow {
        /// How many; none pauses.
        max_in_flight: usize,
    },
    /// The courtesy that browser hooks expect (contract C52).
    Ping,
}

/// The payload of `auth`.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The access token. Never printed.
    pub access_token: String,
    /// The daemon instance; the short form `{type, token}` names none.
    pub daemon_id: Option<DaemonId>,
    /// The orchestrator that the client believes to be; must equal the token's.
    pub orchestrator_id: Option<OrchestratorId>,
    /// What the client understands beyond the documents.
    pub wishes: Wishes,
}

/// What a client asks of the connection (protocol 1.1, additive). A legacy client asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// Whether it speaks protocol 1.1: `nack`, `progress` and `flow` are frames then.
    pub extended: bool,
    /// Whether several events may come in one `batch` frame.
    pub batch: bool,
    /// Whether acknowledgements may be confirmed with `ack_ok`.
    pub confirm: bool,
    /// How many events it wants in flight at most.
    pub max_in_flight: Option<usize>,
    /// Whether it wants back what the same daemon was subscribed to.
    pub resume: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { extended: false, batch: false, confirm: false, max_in_flight: None, resume: true }
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("daemon_id", &self.daemon_id)
            .field("orchestrator_id", &self.orchestrator_id)
            .finish_non_exhaustive()
    }
}

impl Wishes {
    /// The capabilities that the connection has, as words.
    #[must_use]
    pub fn granted(self) -> Vec<&'static str> {
        let all = [
            ("batch", self.batch),
            ("nack", self.extended),
            ("progress", self.extended),
            ("confirm", self.confirm),
        ];
        all.into_iter().filter_map(|(word, granted)| granted.then_some(word)).collect()
    }
}

/// The payload of `heartbeat`.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// What the daemon is doing.
    pub status: ActivityStatus,
    /// Numbers and strings as the daemon reports them.
    pub metrics: Option<Map<String, Value>>,
}

/// What a daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum ActivityStatus {
    /// At work or ready for it.
    #[default]
    Active,
    /// Nothing to do.
    Idle,
    /// At its limit.
    Busy,
}

impl TryFrom<String> for ActivityStatus {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let known = [Self::Active, Self::Idle, Self::Busy].into_iter().find(|status| status.as_str() == word);
        known.ok_or("must be active, idle or busy")
    }
}

impl ActivityStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeartbeatPayload {
    #[serde(default)]
    status: ActivityStatus,
    metrics: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscribePayload {
    event_types: Vec<String>,
    channel_ids: Option<Vec<String>>,
}

/// A problem whose request id is not known yet.
struct Problem {
    field: String,
    problem: String,
}

fn problem(field: impl Into<String>, problem: impl Into<String>) -> Problem {
    Problem { field: field.into(), problem: problem.into() }
}

/// Reads one text frame.
///
/// # Errors
/// [`DecodeError::Undecodable`] for what is no JSON, else the field that is wrong.
pub fn decode(text: &str) -> Result<ClientFrame, DecodeError> {
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        // Reading a structure takes arrays too, member by member.
        Ok(_) if !text.trim_start().starts_with('{') => {
            return Err(DecodeError::Invalid {
                request_id: None,
                field: "frame".to_owned(),
                problem: "must be a JSON object".to_owned(),
            });
        }
        Ok(envelope) => envelope,
        Err(error) => return Err(explain_envelope(text, &error)),
    };
    let (id, id_problem) = match request_id(envelope.id) {
        Ok(id) => (id, None),
        Err(problem) => (None, Some(problem)),
    };
    let decoded = id_problem.map_or_else(|| message(&envelope), Err);
    match decoded {
        Ok(message) => Ok(ClientFrame { id, message }),
        Err(Problem { field, problem }) => Err(DecodeError::Invalid { request_id: id, field, problem }),
    }
}

fn explain_envelope(text: &str, error: &serde_json::Error) -> DecodeError {
    let invalid = |field: &str, problem: &str| DecodeError::Invalid {
        request_id: None,
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    match serde_json::from_str::<Value>(text) {
        Err(_) => DecodeError::Undecodable(error.to_string()),
        Ok(Value::Object(object)) => match object.get("type") {
            Some(Value::String(_)) | None => invalid("frame", "must not repeat a field"),
            Some(_) => invalid("type", "must be a string"),
        },
        Ok(_) => invalid("frame", "must be a JSON object"),
    }
}

fn request_id(raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    match serde_json::from_str::<String>(raw.get()) {
        Ok(id) if !id.is_empty() && id.len() <= MAX_REQUEST_ID_BYTES => Ok(Some(id)),
        _ => Err(problem("id", format!("must be a string of 1 to {MAX_REQUEST_ID_BYTES} characters"))),
    }
}

fn message(envelope: &Envelope<'_>) -> Result<ClientMessage, Problem> {
    let Some(kind) = envelope.kind.as_deref() else {
        return Err(problem("type", "is required"));
    };
    let payload = match envelope.payload.map(RawValue::get) {
        None => None,
        Some(object) if object.starts_with('{') => Some(object),
        Some(_) => return Err(problem("payload", "must be an object")),
    };
    match kind {
        "ack" => about_events::ack(payload),
        "heartbeat" => heartbeat(payload.unwrap_or("{}")),
        "subscribe" => subscribe(payload),
        "unsubscribe" => unsubscribe(payload),
        "auth" => introduction::auth(payload, envelope.token),
        "nack" => about_events::nack(payload),
        "progress" => about_events::progress(payload),
        "flow" => about_events::flow(payload),
        "ping" => Ok(ClientMessage::Ping),
        other => {
            let shown: String = other.chars().take(64).collect();
            Err(problem("type", format!("{shown:?} is not a frame type of this protocol")))
        }
    }
}

fn required(payload: Option<&str>) -> Result<&str, Problem> {
    payload.ok_or_else(|| problem("payload", "is required"))
}

/// Reads a payload; the error path finds out which field was wrong.
fn typed<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_str(payload);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let text = error.inner().to_string();
        let cause = text.split(" at line ").next().unwrap_or_default();
        let missing = cause.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        match missing {
            Some(field) => problem(field, "is required"),
            None => problem(if path == "." { "payload" } else { &path }, cause),
        }
    })
}

fn owned<T: DeserializeOwned>(payload: Option<&str>) -> Result<T, Problem> {
    typed(required(payload)?)
}

fn ids<T>(
    field: &str,
    texts: &[impl AsRef<str>],
    parse: fn(&str) -> Result<T, IdError>,
) -> Result<Vec<T>, Problem> {
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        parse(text.as_ref()).map_err(|error| problem(format!("{field}[{index}]"), error.to_string()))
    });
    parsed.collect()
}

fn heartbeat(payload: &str) -> Result<ClientMessage, Problem> {
    let HeartbeatPayload { status, metrics } = typed(payload)?;
    if let Some(metrics) = &metrics {
        let size = serde_json::to_string(metrics).map_or(usize::MAX, |json| json.len());
        if metrics.len() > MAX_METRICS || size > MAX_METRICS_BYTES {
            return Err(problem(
                "metrics",
                format!("must have at most {MAX_METRICS} members and {MAX_METRICS_BYTES} bytes"),
            ));
        }
        if let Some((name, _)) = metrics.iter().find(|(_, value)| value.is_object() || value.is_array()) {
            return Err(problem(format!("metrics.{name}"), "must be a number, a string, a boolean or null"));
        }
    }
    Ok(ClientMessage::Heartbeat(Heartbeat { status, metrics }))
}

fn patterns(names: &[String]) -> Result<Vec<TypePattern>, Problem> {
    if names.is_empty() {
        return Err(problem("eventTypes", "must name at least one event type"));
    }
    if names.len() > MAX_SUBSCRIPTIONS {
        return Err(problem("eventTypes", format!("must name at most {MAX_SUBSCRIPTIONS} event types")));
    }
    let parsed = names.iter().enumerate().map(|(index, name)| {
        TypePattern::parse(name).map_err(|error| problem(format!("eventTypes[{index}]"), error.to_string()))
    });
    parsed.collect()
}

fn subscribe(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let payload: SubscribePayload = owned(payload)?;
    let channels = payload.channel_ids.unwrap_or_default();
    if channels.len() > MAX_CHANNELS {
        return Err(problem("channelIds", format!("must name at most {MAX_CHANNELS} channels")));
    }
    Ok(ClientMessage::Subscribe {
        patterns: patterns(&payload.event_types)?,
        channels: ids("channelIds", &channels, ChannelId::parse)?,
    })
}

fn unsubscribe(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let payload: SubscribePayload = owned(payload)?;
    Ok(ClientMessage::Unsubscribe { patterns: patterns(&payload.event_types)? })
}

#[cfg(test)]
mod tests;

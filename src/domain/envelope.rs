//! From published JSON to a normalised [`Event`] (contract 9.9.1, C1, C3, C17, C47).
//!
//! Publishers of three generations write to the hub; their spellings meet here and nowhere else.
//! Only the envelope is parsed: the payload stays the bytes it came as.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{
    clock::Timestamp,
    event::{Audience, Event, EventType, MAX_EVENT_BYTES},
    ids::{ChannelId, DaemonId, EventId, IdError, OrchestratorId, OrganizationId},
};

/// The last millisecond of the year 9999, beyond which no reader can write a time.
const LAST_MILLIS: f64 = 253_402_300_799_999.0;
/// The longest `traceparent` that is handed on, in bytes; version 00 has 55.
const MAX_TRACEPARENT_BYTES: usize = 128;

/// Why published JSON is not an event. [`EnvelopeError::kind`] is a metric label.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// Not a JSON object of the expected shape.
    #[error("not an event: {0}")]
    Json(String),
    /// Larger than [`MAX_EVENT_BYTES`].
    #[error("the event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    /// A field that every event has is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds what it cannot hold.
    #[error("{field} {problem}")]
    Invalid {
        /// The field, by its documented name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Two spellings of the same field that say different things (contract C1).
    #[error("{0} and {1} contradict each other")]
    Contradiction(&'static str, &'static str),
}

impl EnvelopeError {
    /// A word for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::TooLarge => "too_large",
            Self::Missing(_) => "missing_field",
            Self::Invalid { .. } => "invalid_field",
            Self::Contradiction(..) => "contradiction",
        }
    }
}

/// What the place where an event was found says about it.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The owner of the list or channel it came from, for events that name nobody.
    pub orchestrator: Option<OrchestratorId>,
    /// The daemon whose list or channel it came from.
    pub daemon: Option<DaemonId>,
    /// The organization whose channel it came from.
    pub organization: Option<OrganizationId>,
}

/// An event whose target may still be in another id space (contract C2).
#[derive(Debug, Clone)]
pub struct Published {
    /// The event; its `orchestrator` is the published id, not yet resolved.
    pub event: Event,
    /// Whether the published orchestrator id is absent, or only repeats the channel, as the
    /// original router writes by mistake: then the owner of `daemon` is meant.
    pub names_only_daemon: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    orchestrator_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    vp_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    daemon_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    organization_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    channel_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    workspace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<Time<'a>>,
    #[serde(borrow)]
    created_at: Option<Time<'a>>,
    requires_ack: Option<bool>,
    priority: Option<serde_json::Number>,
    #[serde(borrow)]
    delivery: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expires_at: Option<Time<'a>>,
    ttl_ms: Option<f64>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'a> {
    Millis(f64),
    #[serde(borrow)]
    Iso(Cow<'a, str>),
}

/// The channel inside a payload, for events that name none outside it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayloadChannel<'a> {
    #[serde(borrow, default)]
    channel_id: Option<Cow<'a, str>>,
}

/// One event as the hub keeps and forwards it: every field resolved, one spelling each.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Canonical<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    orchestrator_id: &'a str,
    daemon_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    payload: &'a RawValue,
    timestamp: Timestamp,
    requires_ack: bool,
    priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

type Text<'a> = Option<Cow<'a, str>>;

/// The value of a field with two spellings; empty strings count as absent.
fn either<'a>(
    (first_name, first): (&'static str, Text<'a>),
    (second_name, second): (&'static str, Text<'a>),
) -> Result<Text<'a>, EnvelopeError> {
    let present = |text: &Cow<'_, str>| !text.is_empty();
    match (first.filter(present), second.filter(present)) {
        (Some(a), Some(b)) if a != b => Err(EnvelopeError::Contradiction(first_name, second_name)),
        (a, b) => Ok(a.or(b)),
    }
}

fn id<T>(
    field: &'static str,
    text: Option<&str>,
    parse: fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, EnvelopeError> {
    let text = text.filter(|text| !text.is_empty());
    text.map(parse)
        .transpose()
        .map_err(|problem| EnvelopeError::Invalid { field, problem: problem.to_string() })
}

fn time(field: &'static str, wire: Time<'_>) -> Result<Timestamp, EnvelopeError> {
    let bad = |problem: &str| EnvelopeError::Invalid { field, problem: problem.to_owned() };
    match wire {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be a small whole number of milliseconds"
        )]
        Time::Millis(millis) if (0.0..=LAST_MILLIS).contains(&millis) => Ok(Timestamp(millis as i64)),
        Time::Millis(_) => Err(bad("must be milliseconds since 1970")),
        Time::Iso(text) => Timestamp::parse_iso(&text).ok_or_else(|| bad("must be an ISO-8601 date-time")),
    }
}

/// When the event ends, if its publisher says so: at a time, or so long after `now`.
fn expiry(
    at: Option<Time<'_>>,
    ttl_ms: Option<f64>,
    now: Timestamp,
) -> Result<Option<Timestamp>, EnvelopeError> {
    match (at, ttl_ms) {
        (Some(_), Some(_)) => Err(EnvelopeError::Contradiction("expiresAt", "ttlMs")),
        (Some(at), None) => time("expiresAt", at).map(Some),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a whole number of milliseconds that fits"
        )]
        (None, Some(ttl)) if (0.0..=LAST_MILLIS).contains(&ttl) => {
            Ok(Some(now.plus(Duration::from_millis(ttl as u64))))
        }
        (None, Some(_)) => Err(EnvelopeError::Invalid {
            field: "ttlMs",
            problem: "must be a positive number of milliseconds".to_owned(),
        }),
        (None, None) => Ok(None),
    }
}

fn audience(word: Option<&str>) -> Result<Audience, EnvelopeError> {
    match word {
        None | Some("" | "all") => Ok(Audience::All),
        Some("any") => Ok(Audience::Any),
        Some(_) => {
            Err(EnvelopeError::Invalid { field: "delivery", problem: "must be all or any".to_owned() })
        }
    }
}

/// A trace that is none is left out: it is no reason to refuse an event.
fn traceparent(text: Option<Cow<'_, str>>) -> Option<Box<str>> {
    let plain = |text: &Cow<'_, str>| {
        (1..=MAX_TRACEPARENT_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.filter(plain).map(|text| text.into())
}

fn priority(number: Option<serde_json::Number>) -> i32 {
    let Some(number) = number else { return 0 };
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
    number.as_f64().map_or(0, |value| value as i32)
}

impl Published {
    /// Reads one published event. `now` stands in for a missing timestamp.
    ///
    /// # Errors
    /// What makes it no event, naming the field.
    pub fn parse(json: &Bytes, context: &Context, now: Timestamp) -> Result<Self, EnvelopeError> {
        if json.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge);
        }
        let wire: Wire<'_> =
            serde_json::from_slice(json).map_err(|error| EnvelopeError::Json(error.to_string()))?;
        // Reading a structure takes arrays too, member by member.
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(EnvelopeError::Json("it is no object".to_owned()));
        }
        let payload = payload_of(&wire, json)?;

        let event_id = either(("id", wire.id), ("eventId", wire.event_id))?;
        let event_id = id("id", event_id.as_deref(), EventId::parse)?.ok_or(EnvelopeError::Missing("id"))?;
        let kind = either(("type", wire.kind), ("eventType", wire.event_type))?
            .ok_or(EnvelopeError::Missing("type"))?;
        let kind = EventType::parse(&kind).ok_or_else(|| EnvelopeError::Invalid {
            field: "type",
            problem: "must be 1 to 64 letters, digits, dots, dashes or underscores".to_owned(),
        })?;
        let daemon =
            id("daemonId", wire.daemon_id.as_deref(), DaemonId::parse)?.or_else(|| context.daemon.clone());
        let organization = match id("organizationId", wire.organization_id.as_deref(), OrganizationId::parse)?
        {
            Some(named) if context.organization.as_ref().is_some_and(|channel| *channel != named) => {
                return Err(EnvelopeError::Contradiction("organizationId", "the channel's organization"));
            }
            named => named.or_else(|| context.organization.clone()),
        };
        let channel = id("channelId", wire.channel_id.as_deref(), ChannelId::parse)?;
        let workspace = wire.workspace_id.filter(|workspace| {
            !workspace.is_empty() && channel.as_ref().is_none_or(|channel| channel.as_str() != workspace)
        });

        let named = either(("orchestratorId", wire.orchestrator_id), ("vpId", wire.vp_id))?;
        let repeats_channel = named.as_deref().is_some_and(|named| {
            channel.as_ref().is_some_and(|channel| channel.as_str() == named)
                || serde_json::from_slice::<PayloadChannel<'_>>(&payload)
                    .is_ok_and(|inner| inner.channel_id.as_deref() == Some(named))
        });
        let orchestrator = id("orchestratorId", named.as_deref(), OrchestratorId::parse)?
            .or_else(|| context.orchestrator.clone());
        let names_only_daemon = orchestrator.is_none() || (repeats_channel && daemon.is_some());
        // A placeholder that is never used: without a daemon to resolve by, the event is refused.
        let orchestrator = match (orchestrator, &daemon) {
            (Some(orchestrator), _) => orchestrator,
            (None, Some(_)) => unresolved()?,
            (None, None) => return Err(EnvelopeError::Missing("orchestratorId")),
        };

        let published_at = wire.timestamp.or(wire.created_at);
        // A time that depends on now is written down, or the event would have another one whenever it is
        // read.
        let timeless = published_at.is_none() || wire.ttl_ms.is_some();
        let mut event = Event {
            id: event_id,
            kind,
            orchestrator,
            daemon,
            organization,
            channel,
            workspace: workspace.map(|workspace| workspace.into()),
            timestamp: published_at.map_or(Ok(now), |at| time("timestamp", at))?,
            requires_ack: wire.requires_ack.unwrap_or(false),
            priority: priority(wire.priority),
            audience: audience(wire.delivery.as_deref())?,
            expires_at: expiry(wire.expires_at, wire.ttl_ms, now)?,
            traceparent: traceparent(wire.traceparent),
            payload,
            body: json.clone(),
        };
        let inherited =
            context.organization.is_some() || context.daemon.is_some() || context.orchestrator.is_some();
        if timeless || (inherited && !names_only_daemon) {
            event.rewrite()?;
        }
        Ok(Self { event, names_only_daemon })
    }
}

fn unresolved() -> Result<OrchestratorId, EnvelopeError> {
    OrchestratorId::parse("unresolved").map_err(|_| EnvelopeError::Missing("orchestratorId"))
}

fn payload_of(wire: &Wire<'_>, json: &Bytes) -> Result<Bytes, EnvelopeError> {
    let not_an_object =
        || EnvelopeError::Invalid { field: "payload", problem: "must be an object".to_owned() };
    match wire.payload.or(wire.data).map(RawValue::get) {
        None | Some("null") => Ok(Bytes::from_static(b"{}")),
        Some(text) if text.starts_with('{') => Ok(json.slice_ref(text.as_bytes())),
        Some(_) => Err(not_an_object()),
    }
}

impl Event {
    /// Sends the event to `orchestrator`, the owner that its published ids stand for.
    ///
    /// # Errors
    /// Never for an event that was parsed; the payload is valid JSON by then.
    pub fn readdress(&mut self, orchestrator: OrchestratorId) -> Result<(), EnvelopeError> {
        if self.orchestrator == orchestrator {
            return Ok(());
        }
        self.orchestrator = orchestrator;
        self.rewrite()
    }

    /// Replaces the payload, unless the event would then be too large or the payload is no JSON.
    pub(super) fn replace_payload(&mut self, payload: Bytes) {
        if self.body.len().saturating_sub(self.payload.len()).saturating_add(payload.len()) > MAX_EVENT_BYTES
        {
            return;
        }
        let before = std::mem::replace(&mut self.payload, payload);
        if self.rewrite().is_err() {
            self.payload = before;
        }
    }

    /// Writes `body` anew from the fields, so that the kept JSON says what the hub understood.
    fn rewrite(&mut self) -> Result<(), EnvelopeError> {
        let json = |error: serde_json::Error| EnvelopeError::Json(error.to_string());
        let payload: &RawValue = serde_json::from_slice(&self.payload).map_err(json)?;
        let canonical = Canonical {
            id: self.id.as_str(),
            kind: self.kind.as_str(),
            orchestrator_id: self.orchestrator.as_str(),
            daemon_id: self.daemon.as_ref().map_or("", DaemonId::as_str),
            organization_id: self.organization.as_ref().map(OrganizationId::as_str),
            channel_id: self.channel.as_ref().map(ChannelId::as_str),
            workspace_id: self.workspace.as_deref(),
            payload,
            timestamp: self.timestamp,
            requires_ack: self.requires_ack,
            priority: self.priority,
            delivery: (self.audience == Audience::Any).then_some("any"),
            expires_at: self.expires_at,
            traceparent: self.traceparent.as_deref(),
        };
        self.body = Bytes::from(serde_json::to_vec(&canonical).map_err(json)?);
        Ok(())
    }

    /// Reads an event back from the queue's JSON.
    ///
    /// # Errors
    /// When somebody else wrote what is there.
    pub fn from_body(
        body: &Bytes,
        orchestrator: &OrchestratorId,
        now: Timestamp,
    ) -> Result<Self, EnvelopeError> {
        let mut event = Published::parse(body, &Context::default(), now)?.event;
        event.orchestrator = orchestrator.clone();
        Ok(event)
    }
}

#[cfg(test)]
mod tests;

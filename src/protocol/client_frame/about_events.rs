//! What clients say about events that they were sent: `ack`, `nack`, `progress`, `flow`.

use std::{borrow::Cow, time::Duration};

use serde::Deserialize;

use super::{ClientMessage, Problem, ids, owned, problem, required, typed};
use crate::domain::{attempt::MAX_REASON_CHARS, ids::EventId};

/// How many ids one `ack` may carry.
pub const MAX_ACK_IDS: usize = 1000;
/// For how long a daemon may put off an event, or say that it still works on it (delivery rule 5).
pub const MAX_POSTPONEMENT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AckPayload<'a> {
    #[serde(borrow)]
    event_ids: Vec<Cow<'a, str>>,
    confirm: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NackPayload {
    event_ids: Vec<String>,
    delay_ms: Option<u64>,
    reason: Option<String>,
    terminal: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressPayload {
    event_ids: Vec<String>,
    extend_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlowPayload {
    max_in_flight: u32,
}

pub(super) fn ack(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let required = required(payload)?;
    let payload: AckPayload<'_> = match serde_json::from_str(required) {
        Ok(payload) => payload,
        Err(_) => typed(required)?,
    };
    let event_ids = event_ids(&payload.event_ids)?;
    Ok(ClientMessage::Ack { event_ids, confirm: payload.confirm.unwrap_or(false) })
}

fn event_ids(texts: &[impl AsRef<str>]) -> Result<Vec<EventId>, Problem> {
    match texts.len() {
        0 => Err(problem("eventIds", "must name at least one event")),
        1..=MAX_ACK_IDS => ids("eventIds", texts, EventId::parse),
        _ => Err(problem("eventIds", format!("must name at most {MAX_ACK_IDS} events"))),
    }
}

fn postponement(field: &str, millis: u64) -> Result<Duration, Problem> {
    let span = Duration::from_millis(millis);
    if span > MAX_POSTPONEMENT {
        return Err(problem(field, format!("must be at most {}", MAX_POSTPONEMENT.as_millis())));
    }
    Ok(span)
}

pub(super) fn nack(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let payload: NackPayload = owned(payload)?;
    let reason = payload.reason.filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
        return Err(problem("reason", format!("must have at most {MAX_REASON_CHARS} characters")));
    }
    Ok(ClientMessage::Nack {
        event_ids: event_ids(&payload.event_ids)?,
        delay: payload.delay_ms.map(|millis| postponement("delayMs", millis)).transpose()?,
        reason: reason.map(String::into_boxed_str),
        terminal: payload.terminal.unwrap_or(false),
    })
}

pub(super) fn progress(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let payload: ProgressPayload = owned(payload)?;
    let extend = postponement("extendMs", payload.extend_ms)?;
    Ok(ClientMessage::Progress { event_ids: event_ids(&payload.event_ids)?, extend })
}

pub(super) fn flow(payload: Option<&str>) -> Result<ClientMessage, Problem> {
    let payload: FlowPayload = owned(payload)?;
    Ok(ClientMessage::Flow { max_in_flight: usize::try_from(payload.max_in_flight).unwrap_or(usize::MAX) })
}

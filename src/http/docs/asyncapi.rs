//! The description of everything that is no request and answer, AsyncAPI 3.0: the WebSocket, and the
//! Redis channels of publishers. What is written by hand is how it hangs together; frames, events and
//! close codes come from the code itself.

use serde_json::{Map, Value, json};

use crate::protocol::{codes::CloseReason, schemas::Schemas};

const FRAME: &str = include_str!("asyncapi.json");
/// What the description says before the close codes.
const INTRODUCTION: &str = "Brings events to fleets of agent daemons. A daemon opens a WebSocket, \
    authenticates with an `auth` frame, subscribes to event types, and is sent events, which it \
    acknowledges. Publishers write events to Redis channels, or send them to `POST /api/events`.\n\n\
    Every connection ends with one of these close codes:\n\n| Code | Text | Reconnect? |\n|---|---|---|\n";

/// Whether a message of a name is meant.
type Means = fn(&str) -> bool;

/// The channels, and which messages are on them.
const CHANNELS: [(&str, Means); 5] = [
    ("daemonSocket", is_frame),
    ("daemonSocketUnderApi", is_frame),
    ("events", |name| name == "event"),
    ("organizationEvents", |name| name == "event"),
    // The channel says whom its events are for.
    ("daemonEvents", |name| name == "event.envelope"),
];
/// The operations of a channel as a whole, and which messages they are about.
const OPERATIONS: [(&str, &str); 2] = [("listenUnderApi", "client."), ("speakUnderApi", "server.")];

fn is_frame(name: &str) -> bool {
    !name.starts_with("event")
}

/// Whether a client whose connection was closed so should open another one.
pub(super) fn advice(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Normal => "it was your own word",
        CloseReason::GoingAway => "yes, now",
        CloseReason::ProtocolError | CloseReason::UnsupportedData | CloseReason::TooBig => {
            "after mending the client"
        }
        CloseReason::Abnormal | CloseReason::Internal => "yes, with back-off",
        CloseReason::AuthFailed | CloseReason::InsufficientScope => "with another token",
        CloseReason::AuthTimeout => "yes; send `auth` first thing",
        CloseReason::TokenExpired => "with a new token",
        CloseReason::RateLimited => "slower",
        CloseReason::MaxConnections => "when another daemon has left",
        CloseReason::SessionTerminated => {
            "no: another process runs under this `daemonId`, or the session ended"
        }
        CloseReason::SlowConsumer | CloseReason::HeartbeatTimeout => "yes",
    }
}

/// The document as JSON.
///
/// # Errors
/// When its parts do not fit together: a mistake in the program.
pub(super) fn document(schemas: &Schemas) -> Result<Value, String> {
    let mut document: Value = serde_json::from_str(FRAME).map_err(|error| format!("asyncapi: {error}"))?;
    let mut put = |parent: &str, name: &str, value: Value| {
        let parent = document.pointer_mut(parent).and_then(Value::as_object_mut);
        let parent = parent.ok_or_else(|| format!("asyncapi: {name} has no place"))?;
        parent.insert(name.to_owned(), value);
        Ok::<_, String>(())
    };
    put("/info", "version", json!(env!("CARGO_PKG_VERSION")))?;
    put("/info", "description", json!(description()))?;
    put("/components", "schemas", Value::Object(schemas.components()))?;
    let messages =
        schemas.names().filter_map(|name| Some((name.to_owned(), message(name, schemas.get(name)?))));
    put("/components", "messages", Value::Object(messages.collect()))?;
    for (channel, carries) in CHANNELS {
        let carried = schemas.names().filter(|name| carries(name));
        let messages = carried.map(|name| (name.to_owned(), reference("components", name)));
        put(&format!("/channels/{channel}"), "messages", Value::Object(messages.collect()))?;
    }
    for (operation, side) in OPERATIONS {
        let about = schemas.names().filter(|name| name.starts_with(side));
        let about = about.map(|name| reference("channels/daemonSocketUnderApi", name));
        put(&format!("/operations/{operation}"), "messages", Value::Array(about.collect()))?;
    }
    Ok(document)
}

fn reference(place: &str, message: &str) -> Value {
    json!({ "$ref": format!("#/{place}/messages/{message}") })
}

fn description() -> String {
    CloseReason::ALL.into_iter().fold(INTRODUCTION.to_owned(), |text, reason| {
        text + &format!("| {} | {} | {} |\n", reason.code(), reason.text(), advice(reason))
    })
}

fn message(name: &str, schema: &Value) -> Value {
    let mut message = Map::new();
    message.insert("name".to_owned(), json!(name));
    for member in ["title", "description"] {
        message.insert(member.to_owned(), schema.get(member).cloned().unwrap_or_default());
    }
    message.insert("contentType".to_owned(), json!("application/json"));
    message.insert("payload".to_owned(), json!({ "$ref": format!("#/components/schemas/{name}") }));
    let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
    let examples = examples.map(|example| json!({ "payload": example }));
    message.insert("examples".to_owned(), examples.collect());
    Value::Object(message)
}

//! `publish`: one event, the way the platform publishes: through Redis where it is configured, over
//! HTTP elsewhere.

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{CliError, address, output};
use crate::{
    backplane::redis::publish::publish_once,
    config::{Backplane, Config, Secret, redact_url},
    domain::{
        clock,
        event::EventType,
        ids::{ChannelId, DaemonId, EventId, OrchestratorId},
    },
};

/// The channel that every hub listens on.
const CHANNEL: &str = "daemon:events";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whom the event is for
    #[arg(long, value_name = "ID", value_parser = OrchestratorId::parse)]
    orchestrator: OrchestratorId,
    /// What kind of event it is
    #[arg(long = "type", value_name = "TYPE", default_value = "message.received", value_parser = event_type)]
    kind: String,
    /// The payload, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = object)]
    data: Map<String, Value>,
    /// Only for this daemon instance
    #[arg(long, value_name = "ID", value_parser = DaemonId::parse)]
    daemon: Option<DaemonId>,
    /// The channel it happened in
    #[arg(long, value_name = "ID", value_parser = ChannelId::parse)]
    channel: Option<ChannelId>,
    /// The event's id; the same id again is not delivered again
    #[arg(long, value_name = "ID", value_parser = EventId::parse)]
    id: Option<EventId>,
    /// Higher is sent first among what waits
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Ask for no acknowledgement: once written to a daemon, the hub forgets the event
    #[arg(long)]
    no_ack: bool,
    /// Publish over HTTP to the hub at this URL, whatever is configured
    #[arg(long, value_name = "http://…")]
    url: Option<String>,
}

fn event_type(text: &str) -> Result<String, String> {
    let parsed = EventType::parse(text).map(|kind| kind.as_str().to_owned());
    parsed.ok_or_else(|| "use at most 64 letters, digits, dots, dashes or underscores".to_owned())
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("must be a JSON object such as '{{\"content\":\"hello\"}}': {error}"))
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), CliError> {
    let event = event(arguments);
    match &config.backplane {
        Backplane::Redis { url } if arguments.url.is_none() => through_redis(url, &event),
        _ => over_http(config, arguments, &event),
    }
}

fn event(arguments: &Arguments) -> Value {
    let id = match &arguments.id {
        Some(id) => id.to_string(),
        None => Uuid::new_v4().to_string(),
    };
    let mut event = json!({
        "id": id,
        "type": arguments.kind,
        "orchestratorId": arguments.orchestrator,
        "daemonId": arguments.daemon.as_ref().map_or("", DaemonId::as_str),
        "payload": arguments.data,
        "timestamp": clock::now().wall,
        "requiresAck": !arguments.no_ack,
        "priority": arguments.priority,
    });
    if let (Some(channel), Some(fields)) = (&arguments.channel, event.as_object_mut()) {
        fields.insert("channelId".to_owned(), json!(channel));
    }
    event
}

fn through_redis(url: &Secret, event: &Value) -> Result<(), CliError> {
    let count = publish_once(url.expose(), CHANNEL, &event.to_string()).map_err(|error| {
        let shown = redact_url(url.expose());
        CliError::failed(format!("cannot publish through {shown}: {error}; check REDIS_URL"))
    })?;
    output::line(&json!({ "id": event["id"], "channel": CHANNEL, "subscribers": count }).to_string())?;
    match count {
        0 => Err(CliError::failed(format!(
            "nobody listens on {CHANNEL}, so the event is lost: start a hub on this Redis first"
        ))),
        _ => Ok(()),
    }
}

fn over_http(config: &Config, arguments: &Arguments, event: &Value) -> Result<(), CliError> {
    let key = config.auth.admin_api_key.as_ref().ok_or_else(|| {
        CliError::failed("publishing over HTTP needs the hub's key: set ADMIN_API_KEY to the hub's one")
    })?;
    let url = format!("{}/api/events", address::http_base(arguments.url.as_deref(), &config.server.bind));
    let unreachable = |error: ureq::Error| {
        CliError::failed(format!("cannot reach the hub at {url}: {error}; start it, or name it with --url"))
    };
    let request = address::agent().post(&url).header("X-API-Key", key.expose());
    let request = request.header("Content-Type", "application/json");
    let mut response = request.send(event.to_string()).map_err(unreachable)?;
    let body = response.body_mut().read_to_string().map_err(unreachable)?;
    output::line(&body)?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status if status.as_u16() == 401 => Err(CliError::failed(
            "the hub does not accept this key: use the --data-dir or the ADMIN_API_KEY that it was started with",
        )),
        status => Err(CliError::failed(format!("the hub at {url} answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clap::Parser;

    use super::*;
    use crate::domain::{
        clock::Timestamp,
        envelope::{Context, Published},
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn published(line: &[&str]) -> crate::domain::event::Event {
        let words = ["publish", "--orchestrator", "vp_1"].iter().chain(line);
        let json = event(&Line::try_parse_from(words).expect("arguments").arguments).to_string();
        let parsed = Published::parse(&Bytes::from(json), &Context::default(), Timestamp(0));
        parsed.expect("an event of the platform").event
    }

    #[test]
    fn what_is_published_is_an_event_of_the_platform() {
        let event = published(&[]);
        assert_eq!((event.kind.as_str(), event.orchestrator.as_str()), ("message.received", "vp_1"));
        assert_eq!((event.daemon, event.channel, event.requires_ack), (None, None, true));
        assert!(event.timestamp > Timestamp(0), "it carries its time");
        assert_ne!(published(&[]).id, published(&[]).id, "an id of its own, unless one is given");
    }

    #[test]
    fn every_option_reaches_the_event() {
        let line = ["--type", "a.b", "--data", r#"{"n":1}"#, "--daemon", "d1", "--channel", "c1"];
        let more = ["--id", "e1", "--priority", "-2", "--no-ack"];
        let event = published(&[line.as_slice(), more.as_slice()].concat());
        assert_eq!((event.id.as_str(), event.kind.as_str(), event.priority), ("e1", "a.b", -2));
        assert_eq!(event.payload, r#"{"n":1}"#);
        assert_eq!(event.daemon.as_ref().map(DaemonId::as_str), Some("d1"));
        assert_eq!(event.channel.as_ref().map(ChannelId::as_str), Some("c1"));
        assert!(!event.requires_ack);
    }
}

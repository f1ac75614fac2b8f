//! The platform: publishes on every way, and insists where an answer is promised.

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, Utc};
use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Value, json};
use ureq::Agent;

use super::{
    Stage,
    history::{Subject, Way, What},
};
use crate::support::hub::ADMIN_KEY;

/// How long a publisher insists once the faults are over.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a publisher waits before it asks again.
const RETRY: Duration = Duration::from_millis(100);
/// How long it asks with a key.
const KEYED: Duration = Duration::from_secs(4);
/// How long one answer may take before the publisher asks again.
const ANSWER: Duration = Duration::from_secs(6);

/// Draws the next event.
fn draw(stage: &Stage, way: Way, chance: &mut StdRng) -> usize {
    let plan = &stage.plan;
    let daemon = chance.random_range(0..plan.daemons);
    let (named, any, ttl) = match chance.random_range(0..100) {
        0..10 => (Some(daemon), false, None),
        10..35 => (None, true, None),
        35..38 => (None, false, Some(chance.random_range(500..3000))),
        _ => (None, false, None),
    };
    let orchestrator = plan.orchestrator_of(daemon);
    stage.history.publish(Subject { orchestrator, daemon: named, any, ttl, way })
}

fn json_of(stage: &Stage, event: usize) -> Value {
    let subject = stage.history.account().subjects[event];
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut json = json!({
        "id": stage.history.id(event), "type": "message.received",
        "orchestratorId": stage.orchestrator(subject.orchestrator),
        "daemonId": subject.daemon.map_or("", |daemon| &stage.identities[daemon].daemon),
        "payload": { "number": event }, "timestamp": now, "requiresAck": true,
        "priority": event % 3, "delivery": if subject.any { "any" } else { "all" },
    });
    if let Some(ttl) = subject.ttl {
        json["ttlMs"] = ttl.into();
    }
    json
}

/// Whether to ask once more: until some time after the last fault.
struct Insistence<'a> {
    stage: &'a Stage,
    since_calm: Option<Instant>,
}

impl Insistence<'_> {
    fn goes_on(&mut self) -> bool {
        thread::sleep(RETRY);
        if self.stage.is_calm() {
            return self.since_calm.get_or_insert_with(Instant::now).elapsed() < PATIENCE;
        }
        true
    }
}

/// Publishes batches over HTTP until the stage is calm; each with a key, asked again at any hub until it
/// is answered. The key of a request whose hub was killed stays in use for a minute: after a while the
/// publisher goes without, as it may, because ids tell duplicates too.
pub(super) fn over_http(stage: &Stage, number: u64) {
    let mut chance = stage.plan.chance(1000 + number);
    let agent: Agent =
        Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER)).build().into();
    for batch in 0_u64.. {
        if stage.is_calm() {
            return;
        }
        let events: Vec<_> =
            (0..chance.random_range(1..15)).map(|_| draw(stage, Way::Http, &mut chance)).collect();
        let body = Value::from_iter(events.iter().map(|event| json_of(stage, *event))).to_string();
        let key = format!("chaos-{:x}-{number}-{batch}", stage.plan.seed);
        let mut insistence = Insistence { stage, since_calm: None };
        let asked = Instant::now();
        let statuses = loop {
            let key = (asked.elapsed() < KEYED).then_some(key.as_str());
            if let Some(statuses) = ask(stage, &agent, key, &body, &mut chance) {
                break statuses;
            }
            assert!(insistence.goes_on(), "publishing over HTTP had no answer long after the last fault");
        };
        assert_eq!(statuses.len(), events.len(), "one verdict per event");
        for (event, status) in events.into_iter().zip(&statuses) {
            let refused = status == "rejected";
            stage.history.record(if refused { What::Rejected(event) } else { What::Accepted(event) });
        }
        thread::sleep(Duration::from_millis(chance.random_range(50..250)));
    }
}

/// One attempt; the verdicts, if there was an answer that says them.
fn ask(
    stage: &Stage,
    agent: &Agent,
    key: Option<&str>,
    body: &str,
    chance: &mut StdRng,
) -> Option<Vec<String>> {
    let port = stage.ports[chance.random_range(0..stage.ports.len())];
    let request = agent
        .post(format!("http://127.0.0.1:{port}/api/events"))
        .header("content-type", "application/json")
        .header("X-API-Key", ADMIN_KEY);
    let request = key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key));
    let mut answer = request.send(body).ok()?;
    match answer.status().as_u16() {
        200 => {
            let text = answer.body_mut().read_to_string().ok()?;
            let answer: Value = serde_json::from_str(&text).unwrap();
            let verdicts = answer["results"].as_array().unwrap().iter();
            Some(verdicts.map(|verdict| verdict["status"].as_str().unwrap().to_owned()).collect())
        }
        // The first attempt is still under way, or the hub cannot do it right now.
        409 | 503 => None,
        status => panic!("publishing was answered with {status}"),
    }
}

/// Runs a command on a connection that is made anew when it breaks; its answer, if there was one.
fn command(url: &str, connection: &mut Option<redis::Connection>, words: &[&str]) -> Option<redis::Value> {
    if connection.is_none() {
        let fresh = redis::Client::open(url).unwrap().get_connection_with_timeout(ANSWER).ok()?;
        fresh.set_read_timeout(Some(ANSWER)).unwrap();
        *connection = Some(fresh);
    }
    let answer = redis::cmd(words[0]).arg(&words[1..]).query(connection.as_mut()?).ok();
    if answer.is_none() {
        *connection = None;
    }
    answer
}

/// Appends events to the stream until the stage is calm, each again until Redis has answered; a few twice.
pub(super) fn over_stream(stage: &Stage, redis: &str) {
    let (mut chance, mut connection) = (stage.plan.chance(2000), None);
    while !stage.is_calm() {
        let event = draw(stage, Way::Stream, &mut chance);
        let json = json_of(stage, event).to_string();
        let words = ["XADD", "hub:ingress", "*", "event", &json];
        let mut insistence = Insistence { stage, since_calm: None };
        while command(redis, &mut connection, &words).is_none() {
            assert!(insistence.goes_on(), "appending to the stream had no answer long after the last fault");
        }
        stage.history.record(What::Accepted(event));
        if chance.random_bool(0.03) {
            command(redis, &mut connection, &words);
        }
        thread::sleep(Duration::from_millis(chance.random_range(5..35)));
    }
}

/// Publishes on the channel until the stage is calm, each event once, heard or not.
pub(super) fn over_channel(stage: &Stage, redis: &str) {
    let (mut chance, mut connection) = (stage.plan.chance(3000), None);
    while !stage.is_calm() {
        let event = draw(stage, Way::Channel, &mut chance);
        let json = json_of(stage, event).to_string();
        let heard = command(redis, &mut connection, &["PUBLISH", "daemon:events", &json]);
        if heard.is_some_and(|hubs| hubs != redis::Value::Int(0)) {
            stage.history.record(What::Accepted(event));
        }
        thread::sleep(Duration::from_millis(chance.random_range(20..80)));
    }
}

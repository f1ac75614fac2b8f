//! What a publisher is told over HTTP.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{
    event::Event,
    hub::Hub,
    identity::Identity,
    in_both_modes,
    publisher::{post_json, statuses},
    world::Mode,
};

in_both_modes! {
    a_verdict_names_the_orchestrator,
    who_waits_is_told_until_when,
    an_event_that_ends_by_itself_says_so,
}

fn verdict(hub: &Hub, event: &Event) -> Value {
    hub.call("POST", "/api/events").operator().json(event.json()).expect(200)["results"][0].clone()
}

fn a_verdict_names_the_orchestrator(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let verdict = verdict(&world.hub, &Event::to(&identity));
    assert_eq!(verdict["status"], "delivered");
    assert_eq!(verdict["orchestratorId"], identity.orchestrator.as_str());
    assert_eq!(verdict["sessions"], json!([daemon.session()["sessionId"]]));
    assert!(verdict.get("expiresAt").is_none() && verdict.get("position").is_none(), "{verdict}");
    daemon.take_event();
}

fn who_waits_is_told_until_when(mode: Mode) {
    let world = mode.start();
    let verdict = verdict(&world.hub, &Event::to(&Identity::new()));
    assert_eq!(verdict["status"], "queued");
    let left = time(&verdict["expiresAt"]) - Utc::now();
    assert!(left > TimeDelta::days(6) && left <= TimeDelta::days(7), "{verdict}");
}

fn an_event_that_ends_by_itself_says_so(mode: Mode) {
    let world = mode.start();
    let verdict = verdict(&world.hub, &Event::to(&Identity::new()).set("ttlMs", 60_000));
    let left = time(&verdict["expiresAt"]) - Utc::now();
    assert!(left > TimeDelta::zero() && left <= TimeDelta::minutes(1), "{verdict}");
    let twice = Event::to(&Identity::new());
    let body = json!([twice.json(), twice.json()]);
    assert_eq!(statuses(&post_json(&world.hub, &body)), ["queued", "duplicate"]);
}

fn time(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

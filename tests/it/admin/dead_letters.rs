//! Events that were given up: looked at, deleted, put back.

use neolith_hub::{domain::clock::now, store::accounts::dead_letter_changes::NewDeadLetter};
use serde_json::{Value, json};

use super::{id, tenant, walk};
use crate::support::{
    event::Event,
    eventually::{eventually, eventually_some},
    identity::{Identity, unique},
    metrics::total,
    platform::{Platform, Stand, on_both_stands},
    publisher, settings,
    socket::Daemon,
};

on_both_stands! {
    letters_are_looked_at_and_deleted,
    what_may_not_be_delivered_again_is_not_put_back,
    an_event_that_died_is_filed_and_told_about,
    a_letter_waits_for_a_database_that_cannot_take_it,
    what_a_daemon_refused_for_good_tells_why,
    what_was_put_back_is_delivered_as_if_it_were_new,
    many_are_put_back_at_once,
    what_waits_is_found_by_whose_it_is,
}

/// A dead letter that the database holds; the event is `body`.
pub(super) fn file(platform: &Platform, identity: &Identity, event: &str, body: &Value) -> String {
    let letter = NewDeadLetter {
        key: unique("key"),
        orchestrator_id: identity.orchestrator.clone(),
        organization_id: None,
        event_id: event.to_owned(),
        event_type: Some("message.received".to_owned()),
        reason: "max_attempts".to_owned(),
        attempts: 10,
        daemon_id: Some("d1".to_owned()),
        history: Vec::new(),
        body: body.as_str().map_or_else(|| body.to_string(), str::to_owned).into_bytes(),
        died_at: now().wall,
    };
    platform.database.file_dead_letters(&[letter]).unwrap();
    let path = format!("/api/admin/dead-letters?eventId={event}");
    id(&platform.hub.call("GET", &path).operator().expect(200)["items"][0])
}

fn letters_are_looked_at_and_deleted(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let identity = Identity::new().claiming(orchestrator.id.clone());
    let stranger = Identity::new();
    let letters = ["a", "b", "c"].map(|name| {
        let event = Event::to(&identity).set("id", name);
        file(&platform, &identity, name, event.json())
    });
    file(&platform, &stranger, "d", &json!("no event"));
    let newest_first: Vec<String> = letters.iter().rev().cloned().collect();
    let of = format!("/api/admin/dead-letters?orchestratorId={}", orchestrator.id);
    assert_eq!(walk(&platform.hub, &of, 2), newest_first);
    assert_eq!(walk(&platform.hub, "/api/admin/dead-letters?reason=rejected", 2), Vec::<String>::new());
    let own = platform.hub.call("GET", "/api/admin/dead-letters").bearer(&tenant(&home.id)).expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 3, "{own}");

    let one = format!("/api/admin/dead-letters/{}", letters[0]);
    let shown = platform.hub.call("GET", &one).bearer(&tenant(&home.id)).expect(200);
    assert_eq!((&shown["eventId"], &shown["event"]["id"]), (&json!("a"), &json!("a")), "{shown}");
    assert_eq!((&shown["reason"], &shown["attempts"]), (&json!("max_attempts"), &json!(10)));
    assert_eq!(shown["organizationId"], home.id.as_str(), "that of its account");
    platform.hub.call("DELETE", &one).bearer(&tenant(&home.id)).expect(200);
    platform.hub.call("GET", &one).operator().refused(404, "NOT_FOUND");
    assert_eq!(walk(&platform.hub, &of, 9), newest_first[..2]);
    let audit = platform.hub.call("GET", "/api/admin/audit?action=dead_letter.delete").operator().expect(200);
    assert_eq!(audit["items"][0]["metadata"]["eventId"], "a", "{audit}");
}

fn what_may_not_be_delivered_again_is_not_put_back(stand: Stand) {
    let platform = stand.start();
    let identity = Identity::new();
    let redrive = |letter: &str| {
        platform.hub.call("POST", &format!("/api/admin/dead-letters/{letter}/redrive")).operator()
    };
    let unreadable = file(&platform, &identity, "x", &json!("no event"));
    let shown = platform.hub.call("GET", &format!("/api/admin/dead-letters/{unreadable}")).operator();
    assert_eq!(shown.expect(200)["event"], Value::Null);
    assert_eq!(redrive(&unreadable).refused(409, "CONFLICT")["details"]["field"], "event");
    let late = Event::to(&identity).set("id", "late").set("expiresAt", "2020-01-01T00:00:00.000Z");
    let late = file(&platform, &identity, "late", late.json());
    assert_eq!(redrive(&late).refused(409, "CONFLICT")["details"]["field"], "expiresAt");
    redrive("none").refused(404, "NOT_FOUND");

    let all = json!({ "orchestratorId": identity.orchestrator });
    let answer = platform.hub.call("POST", "/api/admin/dead-letters/redrive").operator().json(&all);
    let expected = json!({ "success": true, "redriven": 0, "skipped": 2, "remaining": 0 });
    assert_eq!(answer.expect(200), expected);
}

const SOON: (&str, &str) = (settings::REDELIVERY_SCHEDULE_MS, "100");
const TWICE: (&str, &str) = (settings::MAX_ATTEMPTS, "2");

/// An event that a daemon is sent twice and never acknowledges.
#[track_caller]
fn ignore(platform: &Platform, daemon: &mut Daemon, event: &Event) {
    publisher::post(&platform.hub, [event]);
    for attempt in 1..=2 {
        let arrived = daemon.next_event();
        assert_eq!((&arrived["eventId"], &arrived["attempt"]), (&json!(event.id()), &json!(attempt)));
    }
}

/// The same, and its dead letter.
#[track_caller]
fn die(platform: &Platform, daemon: &mut Daemon, event: &Event) -> Value {
    ignore(platform, daemon, event);
    let path = format!("/api/admin/dead-letters?eventId={}", event.id());
    let filed = || {
        let list = platform.hub.call("GET", &path).operator().expect(200);
        list["items"].as_array().unwrap().first().cloned()
    };
    eventually_some(filed, "the dead letter is in the database")
}

fn an_event_that_died_is_filed_and_told_about(stand: Stand) {
    let platform = stand.start_with(&[SOON, TWICE]);
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["*"]);
    let event = Event::to(daemon.identity());
    let way = |path: &str| platform.hub.call("GET", path).bearer(&tenant(&home.id));
    let path = format!("/api/admin/events/{}", event.id());
    way(&path).refused(404, "NOT_FOUND");
    let letter = die(&platform, &mut daemon, &event);
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("max_attempts"), &json!(2)), "{letter}");
    assert_eq!(letter["organizationId"], home.id.as_str());
    let told = way(&path).expect(200);
    let target = &told["targets"][0];
    assert_eq!((&target["orchestratorId"], &target["status"]), (&json!(orchestrator.id), &json!("dead")));
    let dead = target["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!((&dead["what"], &dead["deadLetterId"]), (&json!("dead"), &letter["id"]), "{told}");
    let stranger = platform.organization();
    platform.hub.call("GET", &path).bearer(&tenant(&stranger.id)).refused(404, "NOT_FOUND");
    let other = format!("{path}?orchestratorId={}", unique("vp"));
    way(&other).refused(404, "NOT_FOUND");
}

fn a_letter_waits_for_a_database_that_cannot_take_it(stand: Stand) {
    let platform = stand.start_with(&[SOON, TWICE]);
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&platform.hub, &identity);
    daemon.subscribe(&["*"]);
    platform.sql("ALTER TABLE dead_letters RENAME TO hidden");
    let event = Event::to(&identity);
    ignore(&platform, &mut daemon, &event);
    let unfiled = || total(&platform.hub, "hub_dead_letters_unfiled", &[]) == 1.0;
    eventually(unfiled, "it is known to wait");
    platform.sql("ALTER TABLE hidden RENAME TO dead_letters");
    let filed = || walk(&platform.hub, "/api/admin/dead-letters", 9).len() == 1;
    eventually(filed, "it is in the database");
    let none = || total(&platform.hub, "hub_dead_letters_unfiled", &[]) == 0.0;
    eventually(none, "nothing waits");
    assert_eq!(walk(&platform.hub, "/api/admin/dead-letters", 9).len(), 1, "it is there once");
}

fn what_a_daemon_refused_for_good_tells_why(stand: Stand) {
    let platform = stand.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect_extended(&platform.hub, &identity, &json!({}));
    daemon.subscribe(&["*"]);
    let event = Event::to(&identity);
    publisher::post(&platform.hub, [&event]);
    assert_eq!(daemon.next_event()["eventId"], event.id());
    daemon.send("nack", json!({ "eventIds": [event.id()], "reason": "no such tool", "terminal": true }));
    let filed = || walk(&platform.hub, "/api/admin/dead-letters?reason=rejected", 9).pop();
    let letter = eventually_some(filed, "the refusal is filed");
    let letter = platform.hub.call("GET", &format!("/api/admin/dead-letters/{letter}")).operator();
    let letter = letter.expect(200);
    assert_eq!(letter["event"]["id"], event.id(), "{letter}");
    let [tried] = &letter["history"].as_array().unwrap()[..] else { panic!("one delivery: {letter}") };
    assert_eq!((&tried["attempt"], &tried["outcome"]), (&json!(1), &json!("refused")), "{letter}");
    assert_eq!((&tried["reason"], &tried["daemonId"]), (&json!("no such tool"), &json!(identity.daemon)));

    let told = platform.hub.call("GET", &format!("/api/admin/events/{}", event.id())).operator().expect(200);
    let target = &told["targets"][0];
    assert_eq!(target["status"], "dead", "{told}");
    let steps: Vec<(&Value, &Value)> =
        target["timeline"].as_array().unwrap().iter().map(|step| (&step["what"], &step["reason"])).collect();
    let (sent, dead) = (json!("sent"), json!("dead"));
    assert_eq!(steps, [(&sent, &json!("no such tool")), (&dead, &json!("rejected"))], "each is told once");
}

fn what_was_put_back_is_delivered_as_if_it_were_new(stand: Stand) {
    let platform = stand.start_with(&[SOON, TWICE]);
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&platform.hub, &identity);
    daemon.subscribe(&["*"]);
    let event = Event::to(&identity);
    let letter = die(&platform, &mut daemon, &event);
    let one = format!("/api/admin/dead-letters/{}", id(&letter));
    let redrive = || platform.hub.call("POST", &format!("{one}/redrive")).operator();
    assert!(redrive().expect(200)["redrivenAt"].is_string());
    let back = daemon.next_event();
    assert_eq!((&back["eventId"], &back["attempt"]), (&json!(event.id()), &json!(1)), "{back}");
    daemon.ack(&[event.id()]);
    assert_eq!(redrive().refused(409, "CONFLICT")["details"]["field"], "redrivenAt");

    let path = format!("/api/admin/events/{}", event.id());
    let acknowledged = || {
        let told = platform.hub.call("GET", &path).operator().expect(200);
        (told["targets"][0]["status"] == "acknowledged").then_some(told)
    };
    let told = eventually_some(acknowledged, "the acknowledgement is on the timeline");
    let steps: Vec<&str> = told["targets"][0]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["what"].as_str().unwrap())
        .filter(|what| *what != "sent")
        .collect();
    assert_eq!(steps, ["dead", "redriven", "acknowledged"], "{told}");
    let books = format!("/api/admin/orchestrators/{}/queue/ledger", identity.orchestrator);
    let books = platform.hub.call("GET", &books).operator().expect(200);
    assert_eq!(
        (&books["accepted"], &books["acknowledged"], &books["dead"]),
        (&json!(1), &json!(1), &json!(0))
    );
}

fn many_are_put_back_at_once(stand: Stand) {
    let platform = stand.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 40);
    for event in &events {
        file(&platform, &identity, event.id(), event.json());
    }
    let redrive = |body: Value| {
        platform.hub.call("POST", "/api/admin/dead-letters/redrive").operator().json(&body).expect(200)
    };
    let body = json!({ "orchestratorId": identity.orchestrator, "reason": "rejected" });
    assert_eq!(redrive(body)["redriven"], 0);
    let body = json!({ "orchestratorId": identity.orchestrator, "limit": 35 });
    let expected = json!({ "success": true, "redriven": 35, "skipped": 0, "remaining": 5 });
    assert_eq!(redrive(body), expected);
    let queue = format!("/api/admin/orchestrators/{}/queue", identity.orchestrator);
    let ids: Vec<String> = events.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(walk(&platform.hub, &queue, 50), ids[..35], "oldest first");
    let body = json!({ "orchestratorId": identity.orchestrator });
    assert_eq!(redrive(body)["redriven"], 5);
    assert_eq!(walk(&platform.hub, "/api/admin/dead-letters?redriven=false", 50), Vec::<String>::new());
}

fn what_waits_is_found_by_whose_it_is(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let identity = Identity::new().claiming(orchestrator.id.clone());
    let (first, event) = (Event::to(&identity), Event::to(&identity));
    publisher::post(&platform.hub, [&first, &event]);
    let way = || platform.hub.call("GET", &format!("/api/admin/events/{}", event.id()));
    for told in [way().operator().expect(200), way().bearer(&tenant(&home.id)).expect(200)] {
        let [target] = &told["targets"].as_array().unwrap()[..] else { panic!("one target: {told}") };
        assert_eq!((&target["status"], &target["position"]), (&json!("queued"), &json!(2)), "{told}");
        assert_eq!(target["organizationId"], home.id.as_str());
        assert_eq!(target["timeline"][0]["what"], "accepted");
    }
    way().bearer(&tenant(&platform.organization().id)).refused(404, "NOT_FOUND");
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["*"]);
    daemon.take_ids(2);
    let acknowledged = || {
        let told = way().operator().expect(200);
        let target = told["targets"].as_array().unwrap().first().cloned()?;
        (target["status"] == "acknowledged").then_some(target)
    };
    let target = eventually_some(acknowledged, "its receipt is there");
    assert!(target.get("position").is_none(), "it waits no more: {target}");
}

//! Nobody gets round signatures by writing where only hubs write.

use serde_json::json;

use crate::support::{
    event::Event,
    eventually::{eventually, eventually_some},
    hub::Hub,
    identity::Identity,
    metrics,
    platform::{Platform, Stand},
    publisher::post,
    redis::RedisServer,
    signing::{Key, assert_nothing_but, faults, set_policy, shout},
    socket::Daemon,
};

/// A hub that has found the rules when it started, as all of them are after a while.
fn settled_hub(platform: &Platform) -> Hub {
    let hub = platform.another_hub();
    eventually(|| metrics::total(&hub, "hub_ingress_rules_known", &[]) == 1.0, "it has read the rules");
    hub
}

fn listen(hub: &Hub, identity: &Identity) -> Daemon {
    let mut daemon = Daemon::connect(hub, identity);
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    daemon
}

/// Writes an event into a queue as if a hub had done it.
fn smuggle(redis: &RedisServer, event: &Event, orchestrator: &str) {
    let queue = format!("daemon:events:{orchestrator}");
    redis.run::<usize>(&["HSET", &format!("{queue}:data"), event.id(), &event.json().to_string()]);
    redis.run::<usize>(&["ZADD", &queue, "1", event.id()]);
}

fn kept(redis: &RedisServer, event: &Event, orchestrator: &str) -> Option<String> {
    redis.run(&["HGET", &format!("daemon:events:{orchestrator}:data"), event.id()])
}

fn unsealed(hub: &Hub) -> f64 {
    metrics::total(hub, "hub_malformed_events_total", &["kind=\"unsealed\""])
}

#[test]
fn what_pretends_to_come_from_another_hub_is_refused() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    let mut daemon = listen(&hub, &identity);
    let between = json!({ "origin": "a_hub", "event": Event::to(&identity).json() }).to_string();
    assert!(redis.run::<usize>(&["PUBLISH", "hub:events", &between]) > 0);
    eventually(|| faults(&hub, "unsealed") == 1.0, "a hub that is none is refused");
    assert_nothing_but(&hub, &mut daemon, &identity);
}

#[test]
fn what_is_smuggled_into_a_queue_goes_to_the_dead_letters() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    let forged = Event::to(&identity);
    smuggle(redis, &forged, &orchestrator.id);

    let mut daemon = listen(&hub, &identity);
    eventually(|| unsealed(&hub) == 1.0, "it is given up");
    assert_nothing_but(&hub, &mut daemon, &identity);

    // Whoever puts it back answers for it.
    let path = format!("/api/admin/dead-letters?eventId={}", forged.id());
    let list = || platform.hub.call("GET", &path).operator().expect(200)["items"][0].clone();
    let letter = eventually_some(|| Some(list()).filter(|letter| letter.is_object()), "it is filed");
    assert_eq!(letter["reason"], "unsealed");
    let redrive = format!("/api/admin/dead-letters/{}/redrive", letter["id"].as_str().unwrap());
    platform.hub.call("POST", &redrive).operator().expect(200);
    assert_eq!(daemon.take_event()["eventId"], forged.id());
}

#[test]
fn a_forged_dead_letter_is_told_from_others_and_not_put_back_with_them() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    // Either hub files it; one of them has just learned of the rule, and does not ask for seals yet.
    eventually(
        || {
            let forged = Event::to(&identity);
            let (id, body) = (forged.id().to_owned(), forged.json().to_string());
            let letter = [
                "XADD",
                "hub:unfiled",
                "*",
                "orchestrator",
                &orchestrator.id,
                "organization",
                &home.id,
                "event",
                &id,
                "reason",
                "max_attempts",
                "attempts",
                "10",
                "daemon",
                "",
                "history",
                "[]",
                "at",
                "1700000000000",
                "body",
                &body,
            ];
            redis.run::<String>(&letter);
            let path = format!("/api/admin/dead-letters?eventId={id}");
            let list = || platform.hub.call("GET", &path).operator().expect(200)["items"][0].clone();
            let letter = eventually_some(|| Some(list()).filter(|letter| letter.is_object()), "it is filed");
            letter["reason"] == "unsealed"
        },
        "it is seen that no hub has taken it in",
    );
    let mut daemon = listen(&hub, &identity);
    let redrive =
        |asked| hub.call("POST", "/api/admin/dead-letters/redrive").operator().json(&asked).expect(200);
    redrive(json!({ "orchestratorId": orchestrator.id }));
    assert_nothing_but(&hub, &mut daemon, &identity);
    let answer = redrive(json!({ "orchestratorId": orchestrator.id, "reason": "unsealed" }));
    assert!(answer["redriven"].as_u64() >= Some(1), "{answer}");
    daemon.take_event();
}

#[test]
fn what_any_hub_has_taken_in_is_trusted_by_all() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let key = Key::of(&platform, &home.id);
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    let mut daemon = listen(&hub, &identity);
    daemon.roundtrip();

    // At once, from hub to hub.
    let nodes = |hub: &Hub| metrics::total(hub, "hub_nodes", &[]);
    eventually(|| nodes(&platform.hub) == 2.0 && nodes(&hub) == 2.0, "the hubs know of each other");
    let event = Event::to(&identity);
    post(&platform.hub, [&event]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
    daemon.ack(&[event.id()]);
    daemon.roundtrip();

    // From the queue, whoever has taken it in, and however.
    daemon.leave();
    let (posted, signed) = (Event::to(&identity), Event::to(&identity));
    post(&platform.hub, [&posted]);
    shout(redis, &key.wrap(&signed.json().to_string()));
    eventually(|| kept(redis, &signed, &orchestrator.id).is_some(), "it is queued");
    let mut daemon = listen(&hub, &identity);
    let mut arrived = [daemon.take_event(), daemon.take_event()].map(|event| event["eventId"].clone());
    let mut expected = [json!(posted.id()), json!(signed.id())];
    arrived.sort_by_key(ToString::to_string);
    expected.sort_by_key(ToString::to_string);
    assert_eq!((arrived, unsealed(&hub)), (expected, 0.0));
}

#[test]
fn what_was_taken_in_while_nobody_knew_whose_it_was_is_not_trusted_later() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let key = Key::of(&platform, &home.id);
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    // No directory knows it, and it is not connected.
    let identity = Identity::new().with_claim("organizationId", home.id.as_str());
    let (open, signed) = (Event::to(&identity), Event::to(&identity));
    shout(redis, &open.json().to_string());
    shout(redis, &key.wrap(&signed.json().to_string()));
    eventually(|| kept(redis, &signed, &identity.orchestrator).is_some(), "both are queued");

    let mut daemon = listen(&hub, &identity);
    assert_eq!(daemon.take_event()["eventId"], signed.id());
    eventually(|| unsealed(&hub) == 1.0, "the other one is given up");
}

#[test]
fn who_has_no_rule_is_not_concerned() {
    let platform = Stand::Servers.start();
    let (home, abroad) = (platform.organization(), platform.organization());
    let orchestrator = abroad.orchestrator();
    set_policy(&platform, &home.id, "require");
    let hub = settled_hub(&platform);
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::holding(&orchestrator.id, orchestrator.token());
    let (smuggled, posted, open) = (Event::to(&identity), Event::to(&identity), Event::to(&identity));
    smuggle(redis, &smuggled, &orchestrator.id);
    post(&hub, [&posted]);
    shout(redis, &open.json().to_string());
    eventually(|| kept(redis, &open, &orchestrator.id).is_some(), "it is queued");
    let sealed = kept(redis, &posted, &orchestrator.id).unwrap().contains("seal");
    assert!(!sealed, "nothing is spent on it");

    let mut daemon = listen(&hub, &identity);
    let arrived = [daemon.take_event(), daemon.take_event(), daemon.take_event()];
    assert!(arrived.iter().any(|event| event["eventId"] == smuggled.id()));
    assert_eq!(metrics::total(&hub, "hub_ingress_signature_faults_total", &[]), 0.0);
}

//! Whoever reaches Redis cannot command a fleet whose organization wants signed events.

use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{
    event::Event,
    eventually::{eventually, eventually_some},
    hub::Hub,
    identity::{Identity, unique},
    metrics,
    platform::{Platform, Stand},
    publisher::post,
    redis::RedisServer,
    socket::Daemon,
    stream::{append_text, replies, wait_until_confirmed},
};

/// A key as the hub gave it away.
struct Key {
    kid: String,
    secret: String,
}

impl Key {
    fn of(platform: &Platform, organization: &str) -> Self {
        let path = format!("/api/admin/organizations/{organization}/ingress-keys");
        let made = platform.hub.call("POST", &path).operator().expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { kid: text("kid"), secret: text("secret") }
    }

    fn sign_at(&self, event: &str, millis: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("neolith-hub-ingress-v1\n{millis}\n{event}").as_bytes());
        format!("t={millis},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    fn sign(&self, event: &str) -> String {
        self.sign_at(event, Utc::now().timestamp_millis())
    }

    /// A signed event for where there is no other place for a signature.
    fn wrap(&self, event: &str) -> String {
        format!(r#"{{"kid":"{}","sig":"{}","event":{event}}}"#, self.kid, self.sign(event))
    }
}

fn set_policy(platform: &Platform, organization: &str, policy: &str) {
    let path = format!("/api/admin/organizations/{organization}");
    let body = json!({ "ingressPolicy": policy });
    platform.hub.call("PATCH", &path).operator().json(&body).expect(200);
}

fn text(event: &Event) -> String {
    event.json().to_string()
}

fn publish(redis: &RedisServer, message: &str) {
    assert!(redis.run::<usize>(&["PUBLISH", "daemon:events", message]) > 0);
}

fn faults(hub: &Hub, reason: &str) -> f64 {
    metrics::total(hub, "hub_ingress_signature_faults_total", &[&format!("reason=\"{reason}\"")])
}

/// Asserts that `event`, which the operator publishes, is the next thing that arrives.
#[track_caller]
fn assert_nothing_but(platform: &Platform, daemon: &mut Daemon, identity: &Identity) {
    let marker = Event::to(identity);
    post(&platform.hub, [&marker]);
    assert_eq!(daemon.take_event()["eventId"], marker.id());
}

#[test]
fn what_is_not_signed_is_refused_by_whatever_way_it_comes() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let key = Key::of(&platform, &home.id);
    set_policy(&platform, &home.id, "require");
    let redis = platform.redis.as_ref().unwrap();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["message.received"]);
    let identity = daemon.identity().clone();

    // A channel.
    publish(redis, &text(&Event::to(&identity)));
    eventually(|| faults(&platform.hub, "unsigned") == 1.0, "it is counted");
    // The stream, with its verdict.
    let stream = format!("hub:verdicts:{}", unique("publisher"));
    append_text(redis, &text(&Event::to(&identity)), &[("reply", &stream)]);
    wait_until_confirmed(redis);
    let verdict = &replies(redis, &stream)[0];
    assert_eq!((verdict["status"].as_str(), verdict["reason"].as_str()), ("rejected", "unsigned"));
    // Another name for the tenant gets nobody round it.
    publish(redis, &text(&Event::to(&identity).set("organizationId", "org_of_the_thief")));
    eventually(|| faults(&platform.hub, "unsigned") == 3.0, "the target's organization counts");
    // Lists of original publishers, and queued messages.
    let list = format!("daemon:events:{}", identity.daemon);
    redis.run::<usize>(&["LPUSH", &list, &text(&Event::to(&identity))]);
    redis.run::<usize>(&["PUBLISH", &format!("daemon:{}:events", identity.daemon), "look"]);
    eventually(|| faults(&platform.hub, "unsigned") == 4.0, "the list is looked at");
    let message = json!({ "messageId": "m1", "channelId": "c", "content": "evil", "createdAt": 1 });
    let queue = format!("routing:queue:{}", identity.orchestrator);
    redis.run::<usize>(&["RPUSH", &queue, &message.to_string()]);
    daemon.heartbeat();
    assert_eq!(daemon.next_frame()["type"], "heartbeat_ack");
    eventually(|| faults(&platform.hub, "unsigned") == 5.0, "and the messages are");
    assert_nothing_but(&platform, &mut daemon, &identity);

    // What is signed passes by each of them.
    let events: Vec<Event> = (0..3).map(|_| Event::to(&identity)).collect();
    publish(redis, &key.wrap(&text(&events[0])));
    assert_eq!(daemon.take_event()["eventId"], events[0].id());
    let body = text(&events[1]);
    append_text(redis, &body, &[("kid", &key.kid), ("sig", &key.sign(&body))]);
    assert_eq!(daemon.take_event()["eventId"], events[1].id());
    redis.run::<usize>(&["LPUSH", &list, &key.wrap(&text(&events[2]))]);
    redis.run::<usize>(&["PUBLISH", &format!("daemon:{}:events", identity.daemon), "look"]);
    assert_eq!(daemon.take_event()["eventId"], events[2].id());
}

#[test]
fn a_signature_must_be_right_in_every_way() {
    let platform = Stand::Servers.start();
    let (home, abroad) = (platform.organization(), platform.organization());
    let orchestrator = home.orchestrator();
    let (key, foreign) = (Key::of(&platform, &home.id), Key::of(&platform, &abroad.id));
    set_policy(&platform, &home.id, "require");
    let redis = platform.redis.as_ref().unwrap();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["message.received"]);
    let identity = daemon.identity().clone();
    let body = text(&Event::to(&identity));
    let old = Utc::now().timestamp_millis() - 301_000;
    let cases = [
        (key.kid.as_str(), key.sign("{}"), "bad_signature"),
        (&key.kid, "t=1,v1=zz".to_owned(), "bad_signature"),
        (&key.kid, key.sign_at(&body, old), "expired_signature"),
        ("ik_nobodys", key.sign(&body), "unknown_key"),
        (&foreign.kid, foreign.sign(&body), "wrong_organization"),
    ];
    for (kid, signature, reason) in cases {
        let stream = format!("hub:verdicts:{}", unique("publisher"));
        append_text(redis, &body, &[("kid", kid), ("sig", &signature), ("reply", &stream)]);
        let verdict = eventually_some(|| replies(redis, &stream).pop(), "a verdict");
        assert_eq!(verdict["reason"], reason);
    }
    assert_nothing_but(&platform, &mut daemon, &identity);

    let path = format!("/api/admin/organizations/{}/ingress-keys/{}", home.id, key.kid);
    platform.hub.call("DELETE", &path).operator().expect(200);
    publish(redis, &key.wrap(&text(&Event::to(&identity))));
    eventually(|| faults(&platform.hub, "unknown_key") == 2.0, "a retired key is nobody's");
    assert_nothing_but(&platform, &mut daemon, &identity);
}

#[test]
fn who_only_observes_gets_everything_and_counts() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "observe");
    let redis = platform.redis.as_ref().unwrap();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["message.received"]);
    let identity = daemon.identity().clone();
    let event = Event::to(&identity);
    publish(redis, &text(&event));
    assert_eq!(daemon.take_event()["eventId"], event.id());
    assert_eq!(faults(&platform.hub, "unsigned"), 1.0);
}

#[test]
fn nobody_gets_round_it_through_the_queue_or_between_hubs() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "require");
    let other = platform.another_hub();
    let redis = platform.redis.as_ref().unwrap();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["message.received"]);
    let identity = daemon.identity().clone();
    let id = identity.orchestrator.clone();

    // Into the channel between hubs.
    let between = json!({ "origin": "a_hub", "event": Event::to(&identity).json() }).to_string();
    assert!(redis.run::<usize>(&["PUBLISH", "hub:events", &between]) > 0);
    eventually(|| faults(&platform.hub, "unsigned") == 1.0, "a hub that is none is refused");

    // Into the queue itself.
    let forged = Event::to(&identity);
    redis.run::<usize>(&["HSET", &format!("daemon:events:{id}:data"), forged.id(), &text(&forged)]);
    redis.run::<usize>(&["ZADD", &format!("daemon:events:{id}"), "1", forged.id()]);
    daemon.leave();
    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["message.received"]);
    let unsealed = || metrics::total(&platform.hub, "hub_malformed_events_total", &["unsealed"]) >= 1.0;
    eventually(unsealed, "it goes to the dead letters");
    assert_nothing_but(&platform, &mut daemon, &identity);

    // What another hub has taken in arrives, at once and from the queue.
    let event = Event::to(&identity);
    eventually(|| metrics::total(&other, "hub_nodes", &[]) == 2.0, "the hubs know of each other");
    post(&other, [&event]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
    daemon.roundtrip();
    daemon.leave();
    let waiting = Event::to(&identity);
    post(&other, [&waiting]);
    let mut daemon = orchestrator.connect();
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    assert_eq!(daemon.take_event()["eventId"], waiting.id());
}

#[test]
fn a_message_that_the_hub_queued_itself_needs_no_signature() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    set_policy(&platform, &home.id, "require");
    let message = json!({ "id": unique("message"), "channelId": "c", "authorId": "u", "content": "hi" });
    let path = format!("/api/orchestrators/{}/messages", orchestrator.id);
    let answer = platform.hub.call("POST", &path).operator().json(&message).expect(200);
    assert_eq!(answer["status"], "offline", "{answer}");
    let mut daemon = orchestrator.connect();
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    let event: Value = daemon.take_event();
    assert_eq!(event["data"]["messageId"], message["id"]);
}

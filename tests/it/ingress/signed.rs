//! Whoever reaches Redis cannot command a fleet whose organization wants signed events.

use chrono::Utc;
use serde_json::{Value, json};

use crate::support::{
    event::Event,
    eventually::{eventually, eventually_some},
    identity::{Identity, unique},
    metrics,
    platform::{Platform, Stand},
    postgres::PostgresServer,
    signing::{Key, assert_nothing_but, faults, set_policy, shout},
    socket::{Daemon, PATH},
    stream::{append_text, replies, wait_until_confirmed},
};

fn text(event: &Event) -> String {
    event.json().to_string()
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
    shout(redis, &text(&Event::to(&identity)));
    eventually(|| faults(&platform.hub, "unsigned") == 1.0, "it is counted");
    // The stream, with its verdict.
    let stream = format!("hub:verdicts:{}", unique("publisher"));
    append_text(redis, &text(&Event::to(&identity)), &[("reply", &stream)]);
    wait_until_confirmed(redis);
    let verdict = &replies(redis, &stream)[0];
    assert_eq!((verdict["status"].as_str(), verdict["reason"].as_str()), ("rejected", "unsigned"));
    // Another name for the tenant gets nobody round it.
    shout(redis, &text(&Event::to(&identity).set("organizationId", "org_of_the_thief")));
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
    assert_nothing_but(&platform.hub, &mut daemon, &identity);

    // What is signed passes by each of them.
    let events: Vec<Event> = (0..3).map(|_| Event::to(&identity)).collect();
    shout(redis, &key.wrap(&text(&events[0])));
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
    assert_nothing_but(&platform.hub, &mut daemon, &identity);

    let path = format!("/api/admin/organizations/{}/ingress-keys/{}", home.id, key.kid);
    platform.hub.call("DELETE", &path).operator().expect(200);
    shout(redis, &key.wrap(&text(&Event::to(&identity))));
    eventually(|| faults(&platform.hub, "unknown_key") == 2.0, "a retired key is nobody's");
    assert_nothing_but(&platform.hub, &mut daemon, &identity);
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
    shout(redis, &text(&event));
    assert_eq!(daemon.take_event()["eventId"], event.id());
    assert_eq!(faults(&platform.hub, "unsigned"), 1.0);
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

#[test]
fn what_one_hub_is_told_the_others_know_soon() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let other = platform.another_hub();
    eventually(|| metrics::total(&other, "hub_ingress_rules_known", &[]) == 1.0, "it has read them");
    set_policy(&platform, &home.id, "require");
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::new().claiming(orchestrator.id.clone());
    eventually(
        || {
            shout(redis, &text(&Event::to(&identity)));
            faults(&other, "unsigned") > 0.0
        },
        "the other one refuses too",
    );
}

#[test]
fn the_last_rules_stay_while_the_database_is_away_and_over_a_restart() {
    let mut postgres = PostgresServer::start();
    let mut platform = Platform::on_own(&postgres);
    let (org, identity, key) = {
        let home = platform.organization();
        let orchestrator = home.orchestrator();
        let key = Key::of(&platform, &home.id);
        set_policy(&platform, &home.id, "require");
        let identity = Identity::holding(&orchestrator.id, orchestrator.token());
        (home.id.clone(), identity, key)
    };
    platform.hub.terminate();
    postgres.stop();
    platform.hub.restart_unready();
    let redis = platform.redis.as_ref().unwrap();
    let mut daemon = eventually_some(|| Daemon::open_at(&platform.hub, PATH).ok(), "the backplane answers");
    daemon.authenticate(&identity);
    daemon.subscribe(&["message.received"]);

    shout(redis, &text(&Event::to(&identity)));
    eventually(|| faults(&platform.hub, "unsigned") == 1.0, "what is not signed is refused");
    let event = Event::to(&identity).set("organizationId", org);
    shout(redis, &key.wrap(&text(&event)));
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn an_orchestrator_that_no_directory_knows_belongs_where_its_token_says() {
    let platform = Stand::Servers.start();
    let home = platform.organization();
    let key = Key::of(&platform, &home.id);
    set_policy(&platform, &home.id, "require");
    let redis = platform.redis.as_ref().unwrap();
    let identity = Identity::new().with_claim("organizationId", home.id.as_str());
    let mut daemon = Daemon::connect(&platform.hub, &identity);
    daemon.subscribe(&["message.received"]);
    shout(redis, &text(&Event::to(&identity)));
    eventually(|| faults(&platform.hub, "unsigned") == 1.0, "the token's organization counts");
    let event = Event::to(&identity);
    shout(redis, &key.wrap(&text(&event)));
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn the_hubs_own_canary_needs_no_signature() {
    let platform = Stand::Servers.start_with(&[("HUB_CANARY_INTERVAL_MS", "100")]);
    let home = platform.organization();
    set_policy(&platform, &home.id, "require");
    let returned = || metrics::total(&platform.hub, "hub_canary_round_trip_seconds_count", &[]);
    let before = returned();
    eventually(|| returned() >= before + 3.0, "canaries come back");
    assert_eq!(metrics::total(&platform.hub, "hub_ingress_signature_faults_total", &[]), 0.0);
}

#[test]
fn the_secret_of_a_key_is_in_no_log() {
    let mut platform = Stand::Servers.start_with(&[("RUST_LOG", "debug")]);
    let key = {
        let home = platform.organization();
        let orchestrator = home.orchestrator();
        let key = Key::of(&platform, &home.id);
        set_policy(&platform, &home.id, "require");
        let identity = Identity::new().claiming(orchestrator.id.clone());
        shout(platform.redis.as_ref().unwrap(), &key.wrap(&text(&Event::to(&identity))));
        shout(platform.redis.as_ref().unwrap(), &text(&Event::to(&identity)));
        eventually(|| faults(&platform.hub, "unsigned") == 1.0, "both were looked at");
        key
    };
    assert_eq!(platform.hub.terminate(), Some(0));
    let log = platform.hub.log();
    assert!(log.contains("an event is not rightly signed"), "{log}");
    assert!(!log.contains(&key.secret));
}

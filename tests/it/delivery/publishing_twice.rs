//! Redis has many doors; an event that comes in by several of them is one event.

use serde_json::json;

use crate::support::{
    event::Event,
    identity::{Identity, unique},
    publisher::{self, publish_on},
    world::Mode,
};

#[test]
fn an_event_is_delivered_once_however_many_doors_it_came_in_by() {
    let world = Mode::Redis.start();
    let organization = unique("org");
    let identity = Identity::new().with_claim("organizationId", organization.as_str());
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    let once = [&event];
    let redis = world.redis();
    publisher::lpush(redis, &format!("daemon:events:{}", identity.daemon), once);
    publish_on(redis, "daemon:events", once);
    publish_on(redis, "daemon:events", once);
    publish_on(redis, &format!("daemon:events:{organization}"), once);
    publish_on(redis, &format!("daemon:{}:events", identity.daemon), once);
    publisher::post(&world.hub, once);

    assert_eq!(daemon.next_event()["eventId"], event.id());
    assert!(world.further_events(&mut daemon).is_empty());
}

#[test]
fn an_event_on_the_channel_of_its_organization_arrives() {
    let world = Mode::Redis.start();
    let organization = unique("org");
    let identity = Identity::new().with_claim("organizationId", organization.as_str());
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    publish_on(world.redis(), &format!("daemon:events:{organization}"), [&event]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

#[test]
fn an_event_on_the_channel_of_another_organization_does_not_arrive() {
    let world = Mode::Redis.start();
    let identity = Identity::new().with_claim("organizationId", unique("org"));
    let mut daemon = world.subscriber(&identity);
    let elsewhere = format!("daemon:events:{}", unique("org"));
    publish_on(world.redis(), &elsewhere, &[Event::to(&identity)]);
    assert!(world.further_events(&mut daemon).is_empty());
}

#[test]
fn an_event_on_the_channel_of_a_daemon_arrives_there_even_if_its_owner_is_misspelt() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let (mut meant, mut sibling) = (world.subscriber(&identity), world.subscriber(&identity.sibling()));
    // The original router writes the channel where the orchestrator belongs.
    let event = Event::to(&identity)
        .in_channel("channel_1")
        .set("orchestratorId", "channel_1")
        .set("daemonId", identity.daemon.as_str());
    publish_on(world.redis(), &format!("daemon:{}:events", identity.daemon), [&event]);
    assert_eq!(meant.take_event()["eventId"], event.id());
    assert!(world.further_events(&mut sibling).is_empty());
}

#[test]
fn the_spellings_of_older_publishers_are_understood() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let modern = Event::to(&identity);
    let old = modern
        .clone()
        .set("id", json!(null))
        .set("eventId", modern.id())
        .set("type", json!(null))
        .set("eventType", "message.received")
        .set("orchestratorId", json!(null))
        .set("vpId", identity.orchestrator.as_str())
        .set("payload", json!(null))
        .set("data", json!({ "content": "old" }))
        .set("timestamp", json!(null))
        .set("createdAt", 1_700_000_000_000_i64);
    publish_on(world.redis(), "daemon:events", &[old]);
    let arrived = daemon.take_event();
    assert_eq!(arrived["eventId"], modern.id());
    assert_eq!(arrived["data"]["content"], "old");
    assert_eq!(arrived["timestamp"], "2023-11-14T22:13:20.000Z");
}

#[test]
fn what_is_no_event_disturbs_nobody() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    // On its own channel this would be the daemon's; here it names nobody.
    let for_nobody = r#"{"id":"e","type":"message.received"}"#;
    world.redis().run::<usize>(&["PUBLISH", "daemon:events", for_nobody]);
    for garbage in ["", "{", "[]", "{}", r#"{"id":7}"#] {
        world.redis().run::<usize>(&["PUBLISH", "daemon:events", garbage]);
        world.redis().run::<usize>(&["PUBLISH", &format!("daemon:{}:events", identity.daemon), garbage]);
    }
    assert!(world.further_events(&mut daemon).is_empty());
}

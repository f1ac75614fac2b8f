//! The Redis lists that the original publishers write to.

use serde_json::json;

use crate::support::{
    event::{self, Event},
    eventually::eventually,
    identity::{Identity, unique},
    publisher::{lpush, publish_on},
    world::{Mode, World},
};

#[test]
fn a_list_under_the_orchestrator_is_taken_over_when_its_daemon_connects() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 30);
    lpush(world.redis(), &format!("daemon:events:{}", identity.orchestrator), &events);
    assert_arrive_in_order(&world, &identity, &events);
}

#[test]
fn a_list_under_the_daemon_is_taken_over_when_it_connects() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 30);
    lpush(world.redis(), &format!("daemon:events:{}", identity.daemon), &events);
    assert_arrive_in_order(&world, &identity, &events);
}

fn assert_arrive_in_order(world: &World, identity: &Identity, events: &[Event]) {
    let mut daemon = world.come_online(identity);
    assert_eq!(daemon.take_ids(events.len()), event::ids(events), "oldest first");
    let list = format!("daemon:events:{}", identity.daemon);
    assert_eq!(world.redis().command::<usize>(&format!("EXISTS {list}")), 0, "the list is gone");
}

#[test]
fn what_is_added_to_the_list_later_is_found_when_the_daemon_is_called() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let (listed, published) = (Event::to(&identity), Event::to(&identity));
    lpush(world.redis(), &format!("daemon:events:{}", identity.daemon), [&listed]);
    publish_on(world.redis(), &format!("daemon:{}:events", identity.daemon), [&published]);
    let mut arrived = daemon.take_ids(2);
    arrived.sort();
    let mut expected = [listed.id(), published.id()];
    expected.sort_unstable();
    assert_eq!(arrived, expected);
}

#[test]
fn one_bad_entry_does_not_spoil_the_list() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let list = format!("daemon:events:{}", identity.orchestrator);
    let (first, last) = (Event::to(&identity), Event::to(&identity));
    lpush(world.redis(), &list, [&first]);
    world.redis().run::<usize>(&["LPUSH", &list, "not json"]);
    lpush(world.redis(), &list, [&last]);
    let mut daemon = world.come_online(&identity);
    assert_eq!(daemon.take_ids(2), [first.id(), last.id()]);
}

#[test]
fn messages_that_the_original_router_queued_arrive_as_events() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let queue = format!("routing:queue:{}", identity.orchestrator);
    let messages: Vec<_> = (0..3).map(|_| unique("message")).collect();
    for message in &messages {
        let entry = json!({
            "messageId": message, "channelId": "channel_1", "authorId": "user_1",
            "content": format!("the content of {message}"),
            "createdAt": "2025-01-01T00:00:00.000Z", "queuedAt": "2025-01-01T00:00:01.000Z",
        });
        world.redis().run::<usize>(&["RPUSH", &queue, &entry.to_string()]);
    }
    let mut daemon = world.come_online(&identity);
    for message in &messages {
        let event = daemon.take_event();
        assert_eq!(event["eventType"], "message.received");
        assert_eq!(event["data"]["messageId"], message.as_str(), "oldest first");
        assert_eq!(event["data"]["channelId"], "channel_1");
        assert_eq!(event["data"]["authorId"], "user_1");
        assert_eq!(event["data"]["content"], format!("the content of {message}"));
    }
    let empty = || world.redis().command::<usize>(&format!("EXISTS {queue}")) == 0;
    eventually(empty, "the queue is taken over");
}

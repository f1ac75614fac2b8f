//! What a daemon gets to see of an event, and which events it gets.

use serde_json::json;

use crate::support::{
    event::{Event, MESSAGE},
    identity::{Identity, unique},
    in_both_modes,
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    an_event_of_the_integration_example_arrives_in_the_documented_shape,
    an_event_that_nobody_subscribed_to_waits_for_the_subscription,
    a_pattern_and_the_star_subscribe_to_what_they_say,
    unsubscribing_takes_effect_at_once,
    a_channel_filter_lets_its_channels_pass_and_events_without_a_channel,
    an_event_of_another_organization_is_never_delivered,
    an_event_of_the_same_organization_is_delivered,
}

fn an_event_of_the_integration_example_arrives_in_the_documented_shape(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let published = Event::to(&identity).in_channel("channel_1");
    world.publish(&published);

    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "event", "{frame}");
    assert!(frame["id"].is_string() && frame["timestamp"].is_string(), "{frame}");
    let payload = &frame["payload"];
    assert_eq!(payload["eventId"], published.id());
    assert_eq!(payload["eventType"], MESSAGE);
    assert_eq!(payload["requiresAck"], true);
    let data = published.field("payload").as_object().unwrap();
    for (name, value) in data {
        assert_eq!(&payload["data"][name], value, "data.{name}");
    }
    assert_eq!(payload["timestamp"], *published.field("timestamp"));
    assert_eq!(payload["channelId"], "channel_1");
    assert!(payload["workspaceId"].is_null(), "the example repeats the channel there: {payload}");
    assert_eq!(payload["priority"], 1);
    assert_eq!(payload["attempt"], 1);
    assert_eq!(payload["redelivered"], false);
}

fn an_event_that_nobody_subscribed_to_waits_for_the_subscription(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.subscribe(&["vp.mentioned"]);
    let (message, mention) = (Event::to(&identity), Event::to(&identity).set("type", "vp.mentioned"));
    world.publish_all([&message, &mention]);
    assert_eq!(daemon.take_event()["eventId"], mention.id());

    daemon.send("subscribe", json!({ "eventTypes": [MESSAGE] }));
    assert_eq!(daemon.take_event()["eventId"], message.id());
}

fn a_pattern_and_the_star_subscribe_to_what_they_say(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    // The first to come: it is not told that the orchestrator is online.
    let mut everything = Daemon::connect(&world.hub, &identity.sibling());
    everything.subscribe(&["*"]);
    let mut messages = Daemon::connect(&world.hub, &identity);
    messages.subscribe(&["message.*"]);
    let deleted = Event::to(&identity).set("type", "message.deleted").without_ack();
    let custom = Event::to(&identity).set("type", "custom.thing").without_ack();
    world.publish_all([&custom, &deleted]);

    assert_eq!(messages.next_event()["eventId"], deleted.id());
    assert_eq!(everything.next_event()["eventId"], custom.id());
    assert_eq!(everything.next_event()["eventId"], deleted.id());
}

fn unsubscribing_takes_effect_at_once(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.subscribe(&[MESSAGE, "vp.mentioned"]);
    daemon.send("unsubscribe", json!({ "eventTypes": ["vp.mentioned"] }));
    daemon.roundtrip();
    world.publish(&Event::to(&identity).set("type", "vp.mentioned"));
    assert!(world.further_events(&mut daemon).is_empty());
}

fn a_channel_filter_lets_its_channels_pass_and_events_without_a_channel(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.send("subscribe", json!({ "eventTypes": [MESSAGE], "channelIds": ["channel_1"] }));
    daemon.roundtrip();
    let wanted = Event::to(&identity).in_channel("channel_1");
    let channelless = Event::to(&identity);
    world.publish_all(&[Event::to(&identity).in_channel("channel_2"), wanted.clone(), channelless.clone()]);
    assert_eq!(daemon.take_ids(2), [wanted.id(), channelless.id()]);
    assert!(world.further_events(&mut daemon).is_empty());
}

fn an_event_of_another_organization_is_never_delivered(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new().with_claim("organizationId", unique("org"));
    let mut daemon = world.subscriber(&identity);
    world.publish(&Event::to(&identity).set("organizationId", unique("org")));
    assert!(world.further_events(&mut daemon).is_empty(), "live");

    let mut daemon = world.subscriber(&identity);
    assert!(world.further_events(&mut daemon).is_empty(), "from the queue");
}

fn an_event_of_the_same_organization_is_delivered(mode: Mode) {
    let world = mode.start();
    let organization = unique("org");
    let identity = Identity::new().with_claim("organizationId", organization.as_str());
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity).set("organizationId", organization);
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

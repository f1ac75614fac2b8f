//! An acknowledgement is a fact: what was acknowledged never comes again.

use serde_json::json;

use crate::support::{
    event::{self, Event},
    identity::Identity,
    in_both_modes,
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    an_acknowledged_event_does_not_come_again_on_the_next_connection,
    an_acknowledged_event_that_is_published_again_does_not_come_again,
    an_acknowledgement_survives_the_death_of_the_hub,
    a_batch_of_acknowledgements_counts_for_each_event_in_it,
    an_acknowledgement_from_a_later_connection_counts,
    acknowledging_what_nobody_knows_does_no_harm,
}

fn an_acknowledged_event_does_not_come_again_on_the_next_connection(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    world.publish(&Event::to(&identity));
    daemon.take_event();
    world.wait_until_stored(&mut daemon);
    daemon.leave();
    let mut back = Daemon::connect(&world.hub, &identity);
    assert!(world.further_events(&mut back).is_empty());
}

fn an_acknowledged_event_that_is_published_again_does_not_come_again(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    world.publish(&event);
    daemon.take_event();
    world.wait_until_stored(&mut daemon);

    let later = (chrono::Utc::now() + chrono::TimeDelta::seconds(1)).to_rfc3339();
    let again = event.set("timestamp", later);
    world.publish(&again);
    assert!(world.further_events(&mut daemon).is_empty(), "to the one that acknowledged it");
    let mut sibling = world.subscriber(&identity.sibling());
    world.publish(&again);
    assert!(world.further_events(&mut sibling).is_empty(), "to another one");
}

fn an_acknowledgement_survives_the_death_of_the_hub(mode: Mode) {
    let mut world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    world.publish(&event);
    daemon.take_event();
    world.wait_until_stored(&mut daemon);
    world.hub.kill();
    world.hub.restart();

    let mut back = world.subscriber(&identity);
    assert!(world.further_events(&mut back).is_empty(), "from the queue");
    world.publish(&event);
    assert!(world.further_events(&mut back).is_empty(), "published again");
}

fn a_batch_of_acknowledgements_counts_for_each_event_in_it(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let events = Event::burst(&identity, 50);
    world.publish_all(&events);
    for event in &events {
        assert_eq!(daemon.next_event()["eventId"], event.id());
    }
    daemon.send("ack", json!({ "eventIds": event::ids(&events) }));
    world.wait_until_stored(&mut daemon);
    daemon.leave();
    let mut back = Daemon::connect(&world.hub, &identity);
    assert!(world.further_events(&mut back).is_empty());
}

fn an_acknowledgement_from_a_later_connection_counts(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    world.publish(&event);
    daemon.next_event();
    let mut sibling = Daemon::connect(&world.hub, &identity.sibling());
    sibling.ack(&[event.id()]);
    world.wait_until_stored(&mut sibling);
    daemon.leave();
    let mut back = Daemon::connect(&world.hub, &identity);
    assert!(world.further_events(&mut back).is_empty(), "an acknowledgement counts wherever it comes from");
}

fn acknowledging_what_nobody_knows_does_no_harm(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    daemon.ack(&["no_such_event", "nor_this_one"]);
    assert!(daemon.roundtrip().is_empty(), "no reply is defined");
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

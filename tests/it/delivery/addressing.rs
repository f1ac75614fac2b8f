//! Whom an event is for when its publisher writes another id than the orchestrator's.

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use serde_json::Value;

use crate::support::{
    event::{Event, MESSAGE},
    identity::{Identity, unique},
    in_both_modes,
    socket::Daemon,
    world::{Mode, World},
};

in_both_modes! {
    the_id_of_an_orchestrators_user_stands_for_the_orchestrator,
    an_event_that_names_only_a_daemon_goes_to_its_owner,
    an_event_that_repeats_its_channel_as_orchestrator_goes_to_the_daemons_owner,
}

/// Registers an orchestrator with a user in the hub's accounts; returns the user's id.
fn register(world: &World, identity: &Identity) -> String {
    let user = unique("user");
    let path = world.hub.data_dir().join("hub.db");
    let mut accounts = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let (vp, now) = (&identity.orchestrator, "2025-01-01 00:00:00");
    accounts
        .batch_execute(&format!(
            "INSERT INTO organizations (id, name, slug, created_at, updated_at)
                 VALUES ('org_{vp}', 'An organization', 'org_{vp}', '{now}', '{now}');
             INSERT INTO users (id, created_at, updated_at) VALUES ('{user}', '{now}', '{now}');
             INSERT INTO orchestrators (id, user_id, organization_id, created_at, updated_at)
                 VALUES ('{vp}', '{user}', 'org_{vp}', '{now}', '{now}');"
        ))
        .unwrap();
    user
}

fn the_id_of_an_orchestrators_user_stands_for_the_orchestrator(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let user = register(&world, &identity);
    let mut daemon = world.subscriber(&identity);
    // As the integration example publishes: the orchestrator id is the channel member's user id.
    let event = Event::to(&identity).set("orchestratorId", user);
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

fn an_event_that_names_only_a_daemon_goes_to_its_owner(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let session = daemon.session()["sessionId"].as_str().unwrap().to_owned();
    for named in [&identity.daemon, &session] {
        let event = Event::to(&identity).set("orchestratorId", Value::Null).for_daemon(named);
        world.publish(&event);
        assert_eq!(daemon.take_event()["eventId"], event.id(), "{named}");
    }
}

fn an_event_that_repeats_its_channel_as_orchestrator_goes_to_the_daemons_owner(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity).in_channel("channel_9").set("orchestratorId", "channel_9");
    let event = event.for_daemon(&identity.daemon);
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

/// Over HTTP the publisher would be told; on a channel nobody waits for an answer.
#[test]
fn an_event_for_nobody_is_refused_and_harms_nobody() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.subscribe(&[MESSAGE]);
    let lost = Event::to(&identity).set("orchestratorId", Value::Null).for_daemon("nobodys-daemon");
    let found = Event::to(&identity);
    world.publish_all([&lost, &found]);
    assert_eq!(daemon.take_event()["eventId"], found.id());
}

//! The database goes away.

use crate::support::{
    event::Event, hub::Hub, identity::Identity, postgres::PostgresServer, publisher::publish,
    redis::RedisServer, socket::Daemon,
};

#[test]
fn sockets_and_routing_go_on_without_postgres() {
    let redis = RedisServer::start();
    let mut postgres = PostgresServer::start();
    let hub = Hub::setup().redis(&redis).env("DATABASE_URL", &postgres.url()).start();
    let identity = Identity::new();
    let mut daemon = Daemon::connect(&hub, &identity);
    daemon.subscribe(&["message.received"]);
    let with = Event::to(&identity);
    publish(&redis, [&with]);
    assert_eq!(daemon.take_event()["eventId"], with.id());

    postgres.stop();
    let without = Event::to(&identity);
    publish(&redis, [&without]);
    assert_eq!(daemon.take_event()["eventId"], without.id());
    daemon.roundtrip();
    assert_eq!(hub.get("/health").status, 200);
}

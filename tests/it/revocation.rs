//! What lives on a revoked token ends, on whichever hub it is.

use std::time::Duration;

use neolith_hub::{
    backplane::{
        bus::{EventBus, NodeCommand},
        redis::RedisBackplane,
        revocations::{Revocation, Revocations},
        sessions::{SessionEnd, Sessions},
    },
    domain::{
        clock,
        ids::{OrchestratorId, SessionId},
    },
};
use serde_json::Value;

use crate::support::{
    eventually::eventually, hub::Hub, identity::Identity, redis::RedisServer, socket::Daemon,
    token::seconds_from_now,
};

/// Two hubs, and a third that only speaks through Redis: this test.
struct Fleet {
    first: Hub,
    second: Hub,
    redis: RedisServer,
}

impl Fleet {
    fn start() -> Self {
        let redis = RedisServer::start();
        let hub = || Hub::setup().redis(&redis).start();
        Self { first: hub(), second: hub(), redis }
    }

    /// Does what a hub does when somebody revokes something there.
    fn act<T>(&self, action: impl AsyncFnOnce(&RedisBackplane) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let backplane = RedisBackplane::connect(&self.redis.url()).unwrap();
            action(&backplane).await
        })
    }
}

fn session_of(daemon: &Daemon) -> SessionId {
    SessionId::parse(daemon.session()["sessionId"].as_str().unwrap()).unwrap()
}

fn later() -> clock::Timestamp {
    clock::now().wall.plus(Duration::from_secs(3600))
}

#[track_caller]
fn assert_lives(daemon: &mut Daemon) {
    assert_eq!(daemon.roundtrip(), Vec::<Value>::new());
}

#[test]
fn an_ended_session_closes_its_sockets_on_every_hub() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut here = Daemon::connect(&fleet.first, &identity);
    let mut there = Daemon::connect(&fleet.second, &identity.clone().named("another_instance"));
    let mut bystander = Daemon::connect(&fleet.second, &identity.sibling());
    let session = session_of(&here);
    let end = fleet.act(async |backplane| {
        let end = backplane.end_session(&session, None, clock::now().wall).await.unwrap();
        let command = NodeCommand::EndSession { session: session.clone() };
        backplane.command_all(&command).await.unwrap();
        end
    });
    assert_eq!(end, SessionEnd::Ended);
    assert_eq!(here.expect_close().code, 4006);
    assert_eq!(there.expect_close().code, 4006);
    assert_lives(&mut bystander);

    let mut again = Daemon::open(&fleet.first);
    again.auth(&identity);
    again.expect_refusal("AUTH_FAILED", 4001);
}

#[test]
fn a_moment_ends_the_older_tokens_of_an_orchestrator() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let mut here = Daemon::connect(&fleet.first, &identity);
    let mut there = Daemon::connect(&fleet.second, &identity.sibling());
    let mut bystander = Daemon::connect(&fleet.second, &Identity::new());
    let orchestrator = OrchestratorId::parse(&identity.orchestrator).unwrap();
    fleet.act(async |backplane| {
        let at = clock::now().wall;
        let orchestrator = orchestrator.clone();
        let command =
            NodeCommand::EndOrchestrator { orchestrator: orchestrator.clone(), issued_before_ms: at.0 };
        backplane.revoke(&Revocation::IssuedBefore { orchestrator, at, until: later() }).await.unwrap();
        backplane.command_all(&command).await.unwrap();
    });
    assert_eq!(here.expect_close().code, 4006);
    assert_eq!(there.expect_close().code, 4006);
    assert_lives(&mut bystander);
    let mut again = Daemon::open(&fleet.second);
    again.auth(&identity);
    again.expect_refusal("AUTH_FAILED", 4001);
    assert_lives(&mut Daemon::connect(&fleet.first, &identity.with_claim("iat", seconds_from_now(5))));
}

#[test]
fn a_renewed_connection_no_longer_depends_on_its_first_token() {
    let fleet = Fleet::start();
    let identity = Identity::new();
    let (first, second) = (identity.clone().with_claim("jti", "first"), identity.with_claim("jti", "second"));
    let mut daemon = Daemon::connect(&fleet.first, &first);
    daemon.authenticate(&second);
    let revoke = |jti: &str| {
        fleet.act(async |backplane| {
            let jti = jti.to_owned();
            let revocation = Revocation::Token { jti: jti.clone(), until: later() };
            backplane.revoke(&revocation).await.unwrap();
            backplane.command_all(&NodeCommand::EndToken { jti }).await.unwrap();
        });
    };
    revoke("first");
    let mut probe = Daemon::open(&fleet.first);
    probe.auth(&first);
    probe.expect_refusal("AUTH_FAILED", 4001);
    assert_lives(&mut daemon);
    revoke("second");
    assert_eq!(daemon.expect_close().code, 4006);
}

#[test]
fn what_was_revoked_while_a_hub_heard_nothing_is_closed_when_it_hears_again() {
    let fleet = Fleet::start();
    let identity = Identity::new().with_claim("jti", "lost");
    let mut daemon = Daemon::connect(&fleet.first, &identity);
    let mut bystander = Daemon::connect(&fleet.first, &identity.sibling());
    // The hub that revokes dies before it can tell the others, or they do not hear it.
    fleet.act(async |backplane| {
        let revocation = Revocation::Token { jti: "lost".to_owned(), until: later() };
        backplane.revoke(&revocation).await.unwrap();
    });
    assert_lives(&mut daemon);
    let cut: usize = fleet.redis.command("CLIENT KILL TYPE pubsub");
    assert!(cut >= 2, "{cut}");
    assert_eq!(daemon.expect_close().code, 4006);
    assert_lives(&mut bystander);
}

#[test]
fn the_list_of_all_connections_follows_them() {
    let fleet = Fleet::start();
    let daemons = [&fleet.first, &fleet.second].map(|hub| Daemon::connect(hub, &Identity::new()));
    let listed = || fleet.redis.command::<usize>("ZCARD hub:connections");
    assert_eq!(listed(), 2);
    daemons.into_iter().for_each(Daemon::leave);
    eventually(|| listed() == 0, "those that left are listed no more");
}

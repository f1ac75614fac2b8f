use crate::{
    actors::{
        connections::{ConnectionHandle, Credential},
        revocation,
    },
    backplane::{
        revocations::{Revocation, Revocations as _},
        sessions::{SessionEnd, Sessions as _},
    },
    config::{Overrides, Secrets},
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId, SessionId},
    },
    protocol::codes::CloseReason,
    session::effect::Identity,
};

use super::*;

/// The actors of an embedded hub.
async fn hub(directory: &tempfile::TempDir) -> Arc<Services> {
    let environment = [
        ("HUB_DATA_DIR", directory.path().to_str().expect("text")),
        ("DAEMON_JWT_SECRET", "jwt-secret-of-the-tests-0123456789abcdef"),
        ("ADMIN_API_KEY", "admin-key-of-the-tests-0123456789abcdef"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_sources(&Overrides::default(), environment, Secrets::Inspect);
    let config = config.expect("a configuration");
    let services = start_actors(&config, open_database(&config).expect("opened")).expect("started");
    until(|| services.shared.state.is_backplane_up(), "the hub is ready").await;
    services
}

async fn until(condition: impl Fn() -> bool, what: &str) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain until {what}");
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).expect("an id")
}

/// A connection of `vp_1` on the token `jti` of a session.
fn connection(services: &Services, jti: &str, of: &str, issued_at: i64) -> Arc<ConnectionHandle> {
    let handle = Arc::new(ConnectionHandle::new(None));
    let identity = Identity {
        connection: handle.id,
        orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
        daemon: DaemonId::parse(jti).expect("an id"),
        session: session(of),
        organization: None,
        connected_at: now().wall,
    };
    handle.set_credential(Credential {
        jti: Some(jti.into()),
        session: Some(session(of)),
        issued_at: Some(Timestamp(issued_at)),
    });
    services.shared.connections.open(&handle);
    assert!(services.shared.connections.identify(&handle, &Arc::new(identity)));
    handle
}

async fn assert_closed(handle: &ConnectionHandle) {
    until(|| handle.evicted() == Some(CloseReason::SessionTerminated), "the connection is closed").await;
}

#[actix::test]
async fn a_revocation_closes_what_lives_on_it_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let services = hub(&directory).await;
    let later = now().wall.plus(Duration::from_secs(3600));
    let by_token = connection(&services, "t1", "s1", 5000);
    let by_session = connection(&services, "t2", "s2", 5000);
    let renewed = connection(&services, "t3", "s2", 5000);
    let by_time = connection(&services, "t4", "s4", 1000);
    let bystander = connection(&services, "t5", "s5", 5000);
    renewed.set_credential(Credential {
        jti: Some("t6".into()),
        session: None,
        issued_at: Some(Timestamp(5000)),
    });

    let revocation = Revocation::Token { jti: "t1".to_owned(), until: later };
    revocation::revoke(&services.shared, &revocation).await.expect("revoked");
    assert_closed(&by_token).await;
    assert_eq!(by_session.evicted(), None);

    let revocation = Revocation::Session { id: session("s2"), until: later };
    revocation::revoke(&services.shared, &revocation).await.expect("revoked");
    assert_closed(&by_session).await;
    assert_closed(&renewed).await;

    let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
    let revocation = Revocation::IssuedBefore { orchestrator, at: Timestamp(5000), until: later };
    revocation::revoke(&services.shared, &revocation).await.expect("revoked");
    assert_closed(&by_time).await;
    assert_eq!(bystander.evicted(), None, "its token is from that very moment");

    revocation::disconnect(&services.shared, bystander.id, "as a test").await.expect("told");
    assert_closed(&bystander).await;
}

#[actix::test]
async fn a_session_that_ends_takes_its_connections_along() {
    let directory = tempfile::tempdir().expect("a directory");
    let services = hub(&directory).await;
    let handle = connection(&services, "t1", "s1", 5000);
    let owner = handle.identity().expect("known").orchestrator.clone();
    let end = revocation::end_session(&services.shared, &session("s1"), Some(&owner), now().wall).await;
    assert_eq!(end, Ok(SessionEnd::NotFound));
    assert_eq!(handle.evicted(), None);

    let attach = crate::backplane::registry::Attach {
        connection: handle.id,
        node: services.shared.node.clone(),
        orchestrator: owner.clone(),
        daemon: DaemonId::parse("d1").expect("an id"),
        session: session("s1"),
        organization: None,
        jti: None,
        issued_at: None,
        scopes: crate::domain::scope::ScopeSet::standard(),
        limit: 5,
        now: now().wall,
    };
    services.shared.backplane.attach(&attach).await.expect("attached");
    assert!(services.shared.backplane.session(&session("s1")).await.expect("readable").is_some());
    let end = revocation::end_session(&services.shared, &session("s1"), Some(&owner), now().wall).await;
    assert_eq!(end, Ok(SessionEnd::Ended));
    assert_closed(&handle).await;
}

#[actix::test]
async fn what_was_revoked_while_nobody_told_this_hub_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let services = hub(&directory).await;
    let (revoked, good) = (connection(&services, "t1", "s1", 5000), connection(&services, "t2", "s2", 5000));
    let revocation =
        Revocation::Token { jti: "t1".to_owned(), until: now().wall.plus(Duration::from_secs(3600)) };
    services.shared.backplane.revoke(&revocation).await.expect("revoked");
    services.manager.do_send(crate::actors::messages::CheckRevocations);
    assert_closed(&revoked).await;
    assert_eq!(good.evicted(), None);
}

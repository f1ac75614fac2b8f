//! The suite against the embedded backplane, and what it alone promises: to survive its process.

use neolith_hub::{
    backplane::{
        embedded::EmbeddedBackplane,
        inspection::Inspection,
        queue::EventQueue,
        records::Records,
        registrations::Registrations,
        registry::{AttachOutcome, ConnectionRegistry},
        revocations::{Revocation, Revocations, TokenIdentity},
        sessions::Sessions,
    },
    domain::{
        clock::Timestamp,
        subscription::{Subscriptions, TypePattern},
    },
};
use std::time::Duration;
use tempfile::TempDir;

use super::{Harness, contract_tests, fixtures::*};

/// A backplane in a directory of its own. The backplane goes first, so that its file is closed when
/// the directory is removed.
struct Embedded {
    backplane: EmbeddedBackplane,
    directory: TempDir,
}

impl Embedded {
    fn open(directory: TempDir) -> Self {
        let backplane = EmbeddedBackplane::open(&directory.path().join("queue.db")).expect("opened");
        Self { backplane, directory }
    }

    /// Ends the backplane and starts another one on the same file.
    fn restart(self) -> Self {
        drop(self.backplane);
        Self::open(self.directory)
    }

    /// Starts another one on what a process that is killed this moment leaves behind.
    fn kill(self) -> Self {
        let left_behind = tempfile::tempdir().expect("a directory");
        for name in ["queue.db", "queue.db-wal"] {
            std::fs::copy(self.directory.path().join(name), left_behind.path().join(name)).expect("copied");
        }
        Self::open(left_behind)
    }
}

impl Harness for Embedded {
    type Backplane = EmbeddedBackplane;

    async fn start() -> Self {
        Self::open(tempfile::tempdir().expect("a directory"))
    }

    fn backplane(&self) -> &EmbeddedBackplane {
        &self.backplane
    }

    async fn revoke(&self, jti: &str, until: Timestamp) {
        let revocation = Revocation::Token { jti: jti.to_owned(), until };
        self.backplane.revoke(&revocation).await.expect("revoked");
    }
}

contract_tests!(Embedded);

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    what_was_committed_survives(Embedded::restart).await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_kill() {
    what_was_committed_survives(Embedded::kill).await;
}

async fn what_was_committed_survives(end: fn(Embedded) -> Embedded) {
    let hub = Embedded::start().await;
    let at = now();
    let latest = sent("first", "d1", 3);
    commit(&hub.backplane, |group| {
        group.completed.push(ack("completed"));
        group.stores.extend(["taken", "poison", "first", "second"].map(|name| event(name, at)));
        group.acks.push(ack("taken"));
        group.dead.push(dead("poison"));
        group.sent.push(latest.clone());
    })
    .await;
    let before = hub.backplane.ledger(&orchestrator("vp_1")).await.expect("readable");

    let hub = end(hub);
    assert_eq!(waiting(&hub.backplane, "vp_1").await, ["first", "second"]);
    assert_eq!(hub.backplane.ledger(&orchestrator("vp_1")).await, Ok(before));
    let recent = ["completed", "taken", "poison"].map(|name| (orchestrator("vp_1"), id(name)));
    assert_eq!(hub.backplane.recently_acknowledged().await, Ok(recent.to_vec()));
    let loaded = hub.backplane.load(&orchestrator("vp_1"), &daemon("d1"), &[id("first")]).await;
    assert_eq!(loaded, Ok(vec![super::fixtures::loaded("first", Some(&latest))]));
    let known = ["completed", "taken", "poison"].map(|name| event(name, at));
    commit(&hub.backplane, |group| group.stores.extend(known)).await;
    commit(&hub.backplane, |group| group.stores.push(event("third", at))).await;
    assert_eq!(waiting(&hub.backplane, "vp_1").await, ["first", "second", "third"], "in order of arrival");
}

#[tokio::test]
async fn subscriptions_and_revocations_outlive_the_process_and_connections_do_not() {
    let hub = Embedded::start().await;
    attached(&hub.backplane, &attach("d1")).await;
    let mut wanted = Subscriptions::default();
    wanted.subscribe(&[TypePattern::All], &[]).expect("room");
    let remembered = remembered("vp_1", "d1", &wanted);
    hub.backplane.save_subscriptions(&[remembered]).await.expect("saved");
    hub.revoke("token_of_d2", now().plus(Duration::from_secs(3600))).await;

    let hub = hub.restart();
    let again = attached(&hub.backplane, &attach("d1")).await;
    assert_eq!((again.replaced, again.subscriptions), (None, Some(wanted)));
    assert_eq!(hub.backplane.attach(&attach("d2")).await, Ok(AttachOutcome::Revoked));
}

#[tokio::test]
async fn a_revoked_session_does_not_attach_with_any_token() {
    let hub = Embedded::start().await;
    hub.revoke("session_of_d1", now().plus(Duration::from_secs(3600))).await;
    assert_eq!(hub.backplane.attach(&attach("d1")).await, Ok(AttachOutcome::Revoked));
}

#[tokio::test]
async fn a_heartbeat_says_something_for_ninety_seconds() {
    let hub = Embedded::start().await;
    let stale = heartbeat("stale", now().minus(Duration::from_secs(90)));
    hub.backplane.heartbeats(&[heartbeat("fresh", now()), stale]).await.expect("taken");
    let asked = [orchestrator("fresh"), orchestrator("stale")];
    let views = hub.backplane.heartbeats_of(&asked).await.expect("readable");
    assert!(matches!(views.as_slice(), [Some(_), None]), "{views:?}");
}

#[tokio::test]
async fn sessions_registrations_and_revocations_outlive_a_kill() {
    let hub = Embedded::start().await;
    let until = now().plus(Duration::from_secs(3600));
    let revocation = Revocation::IssuedBefore { orchestrator: orchestrator("vp_1"), at: now(), until };
    let (kept, registered) = (super::sessions::record("s1", "vp_1"), super::registrations::of("d1"));
    hub.backplane.create_session(&kept).await.expect("created");
    hub.backplane.create_session(&super::sessions::record("s2", "vp_1")).await.expect("created");
    hub.backplane.end_session(&session("s2"), None, now()).await.expect("ended");
    hub.backplane.register(&registered, now()).await.expect("registered");
    hub.backplane.revoke(&revocation).await.expect("revoked");

    let hub = hub.kill();
    assert_eq!(hub.backplane.session(&session("s1")).await, Ok(Some(kept)));
    assert_eq!(hub.backplane.registrations(&[orchestrator("vp_1")]).await, Ok(vec![Some(registered)]));
    let token = |name: &str, of| TokenIdentity {
        jti: None,
        session: Some(session(name)),
        orchestrator: orchestrator(of),
        issued_at: Some(Timestamp(0)),
    };
    let tokens = [token("s2", "vp_2"), token("s1", "vp_1"), token("s1", "vp_2")];
    assert_eq!(hub.backplane.are_revoked(&tokens).await, Ok(vec![true, true, false]));
}

#[tokio::test]
async fn a_retired_hub_holds_no_connections() {
    let hub = Embedded::start().await;
    attached(&hub.backplane, &attach("d1")).await;
    hub.backplane.retire(&node("node_1")).await.expect("retired");
    assert_eq!(attached(&hub.backplane, &attach("d1")).await.replaced, None);
}

//! Who is connected.

use std::time::Duration;

use neolith_hub::{
    backplane::registry::{Attach, AttachOutcome, ConnectionRegistry, Replaced},
    domain::{
        ids::ConnectionId,
        subscription::{Subscriptions, TypePattern},
    },
};

use super::{Harness, fixtures::*};

pub(crate) async fn the_quota_holds_and_a_detach_makes_room<H: Harness>(_: &H, backplane: &H::Backplane) {
    let two = |instance| Attach { limit: 2, ..attach(instance) };
    let (first, second, third) = (two("d1"), two("d2"), two("d3"));
    attached(backplane, &first).await;
    attached(backplane, &second).await;
    assert_eq!(backplane.attach(&third).await, Ok(AttachOutcome::QuotaExceeded));
    let elsewhere = Attach { orchestrator: orchestrator("vp_2"), ..two("d4") };
    attached(backplane, &elsewhere).await;
    backplane.detach(&[end_of(&first)]).await.expect("detached");
    attached(backplane, &third).await;
}

pub(crate) async fn a_second_connection_of_an_instance_takes_over<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let one = |node_name| Attach { limit: 1, node: node(node_name), ..attach("d1") };
    let (older, newer) = (one("node_1"), one("node_2"));
    assert_eq!(attached(backplane, &older).await.replaced, None);
    let replaced = Replaced { connection: older.connection, node: node("node_1") };
    assert_eq!(attached(backplane, &newer).await.replaced, Some(replaced), "although the quota is used up");
    let stranger = Attach { limit: 1, ..attach("d2") };
    assert_eq!(backplane.attach(&stranger).await, Ok(AttachOutcome::QuotaExceeded));
}

pub(crate) async fn a_connection_that_asks_again_does_not_replace_itself<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let request = Attach { limit: 1, ..attach("d1") };
    attached(backplane, &request).await;
    assert_eq!(attached(backplane, &request).await.replaced, None);
}

pub(crate) async fn a_late_detach_does_not_hit_the_successor<H: Harness>(_: &H, backplane: &H::Backplane) {
    let one = |instance| Attach { limit: 1, ..attach(instance) };
    let (older, newer) = (one("d1"), one("d1"));
    attached(backplane, &older).await;
    attached(backplane, &newer).await;
    backplane.detach(&[end_of(&older)]).await.expect("detached");
    assert_eq!(backplane.attach(&one("d2")).await, Ok(AttachOutcome::QuotaExceeded), "the newer one counts");
    backplane.detach(&[end_of(&newer)]).await.expect("detached");
    attached(backplane, &one("d2")).await;
}

pub(crate) async fn detaching_the_unknown_is_ignored<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (known, unknown) = (attach("d1"), attach("d1"));
    attached(backplane, &known).await;
    assert_eq!(backplane.detach(&[end_of(&unknown), end_of(&attach("d9"))]).await, Ok(()));
    let replaced = attached(backplane, &attach("d1")).await.replaced;
    assert_eq!(replaced.map(|older| older.connection), Some(known.connection), "it still counted");
    assert_eq!(backplane.touch(&[ConnectionId::random()]).await, Ok(()));
}

pub(crate) async fn subscriptions_come_back_to_the_same_instance<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let first = attach("d1");
    assert_eq!(attached(backplane, &first).await.subscriptions, None);
    let mut wanted = Subscriptions::default();
    wanted.subscribe(&[TypePattern::parse("message.*").expect("a pattern")], &[]).expect("room");
    let remembered = remembered("vp_1", "d1", &wanted);
    backplane.save_subscriptions(&[remembered]).await.expect("saved");
    backplane.detach(&[end_of(&first)]).await.expect("detached");
    assert_eq!(attached(backplane, &attach("d1")).await.subscriptions, Some(wanted));
    assert_eq!(attached(backplane, &attach("d2")).await.subscriptions, None);
    let namesake = Attach { orchestrator: orchestrator("vp_2"), ..attach("d1") };
    assert_eq!(attached(backplane, &namesake).await.subscriptions, None, "of another orchestrator");
}

pub(crate) async fn an_attach_says_how_much_waits<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit(backplane, |group| group.stores.extend([event("a", now()), event("b", now())])).await;
    assert_eq!(attached(backplane, &attach("d1")).await.depth, 2);
}

pub(crate) async fn a_revoked_token_does_not_attach<H: Harness>(harness: &H, backplane: &H::Backplane) {
    harness.revoke("token_of_d1", now().plus(Duration::from_secs(3600))).await;
    assert_eq!(backplane.attach(&attach("d1")).await, Ok(AttachOutcome::Revoked));
    let another_token = Attach { limit: 1, ..attach("d2") };
    assert_eq!(attached(backplane, &another_token).await.replaced, None, "the refused one does not count");
}

pub(crate) async fn an_instance_and_its_session_lead_to_their_owner<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let request = attach("d1");
    attached(backplane, &request).await;
    let owner = Ok(Some(orchestrator("vp_1")));
    assert_eq!(backplane.owner_of(&daemon("d1")).await, owner);
    assert_eq!(backplane.owner_of(&daemon("session_of_d1")).await, owner);
    assert_eq!(backplane.owner_of(&daemon("nobody")).await, Ok(None));
    backplane.detach(&[end_of(&request)]).await.expect("detached");
    assert_eq!(backplane.owner_of(&daemon("d1")).await, owner, "events wait for it while it is away");
}

pub(crate) async fn an_instance_that_two_claim_has_no_owner<H: Harness>(_: &H, backplane: &H::Backplane) {
    attached(backplane, &attach("d1")).await;
    let session = session("another_session");
    attached(backplane, &Attach { orchestrator: orchestrator("vp_2"), session, ..attach("d1") }).await;
    assert_eq!(backplane.owner_of(&daemon("d1")).await, Ok(None));
    assert_eq!(backplane.owner_of(&daemon("another_session")).await, Ok(Some(orchestrator("vp_2"))));
}

pub(crate) async fn a_hub_that_announces_itself_is_counted<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.announce(&node("node_1"), now()).await, Ok(1));
    assert_eq!(backplane.announce(&node("node_1"), now()).await, Ok(1), "once");
    assert_eq!(backplane.retire(&node("node_1")).await, Ok(()));
}

//! Tokens that are worth nothing.

use std::time::Duration;

use neolith_hub::{
    backplane::{
        registry::{Attach, AttachOutcome, ConnectionRegistry},
        revocations::{Revocation, Revocations, TokenIdentity},
    },
    domain::clock::Timestamp,
};

use super::{Harness, fixtures::*};

fn token(jti: &str, of_session: &str, issued_at: Option<Timestamp>) -> TokenIdentity {
    let (jti, session) = (Some(jti.to_owned()), Some(session(of_session)));
    TokenIdentity { jti, session, orchestrator: orchestrator("vp_1"), issued_at }
}

fn later() -> Timestamp {
    now().plus(Duration::from_secs(3600))
}

fn before(at: Timestamp, until: Timestamp) -> Revocation {
    Revocation::IssuedBefore { orchestrator: orchestrator("vp_1"), at, until }
}

pub(crate) async fn a_token_is_revoked_by_its_id<H: Harness>(_: &H, backplane: &H::Backplane) {
    let over = Revocation::Token { jti: "t1".to_owned(), until: now().minus(Duration::from_secs(1)) };
    backplane.revoke(&over).await.expect("revoked");
    assert_eq!(backplane.is_revoked(&token("t1", "s1", None)).await, Ok(false), "its time was over");
    let revocation = Revocation::Token { jti: "t1".to_owned(), until: later() };
    backplane.revoke(&revocation).await.expect("revoked");
    assert_eq!(backplane.is_revoked(&token("t1", "s1", None)).await, Ok(true));
    assert_eq!(backplane.is_revoked(&token("t2", "s1", None)).await, Ok(false));
    let anonymous = TokenIdentity { jti: None, session: None, ..token("t1", "s1", None) };
    assert_eq!(backplane.is_revoked(&anonymous).await, Ok(false));
}

pub(crate) async fn a_session_is_revoked_with_all_its_tokens<H: Harness>(_: &H, backplane: &H::Backplane) {
    backplane.revoke(&Revocation::Session { id: session("s1"), until: later() }).await.expect("revoked");
    assert_eq!(backplane.is_revoked(&token("t1", "s1", None)).await, Ok(true));
    assert_eq!(backplane.is_revoked(&token("t1", "s2", None)).await, Ok(false));
}

pub(crate) async fn tokens_from_before_a_moment_are_revoked<H: Harness>(_: &H, backplane: &H::Backplane) {
    let moment = now();
    backplane.revoke(&before(moment, later())).await.expect("revoked");
    let issued = |at| token("t1", "s1", at);
    let earlier = moment.minus(Duration::from_millis(1));
    assert_eq!(backplane.is_revoked(&issued(Some(earlier))).await, Ok(true));
    assert_eq!(backplane.is_revoked(&issued(Some(moment))).await, Ok(false));
    assert_eq!(backplane.is_revoked(&issued(None)).await, Ok(true), "it may be old");
    let foreign = TokenIdentity { orchestrator: orchestrator("vp_2"), ..issued(None) };
    assert_eq!(backplane.is_revoked(&foreign).await, Ok(false));
}

pub(crate) async fn a_revocation_is_never_weakened<H: Harness>(_: &H, backplane: &H::Backplane) {
    let moment = now();
    let soon = now().plus(Duration::from_millis(300));
    let short = |until| Revocation::Token { jti: "t1".to_owned(), until };
    for revocation in [before(moment, later()), short(later())] {
        backplane.revoke(&revocation).await.expect("revoked");
    }
    for revocation in [before(moment.minus(Duration::from_secs(60)), soon), short(soon)] {
        backplane.revoke(&revocation).await.expect("revoked");
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let earlier = Some(moment.minus(Duration::from_millis(1)));
    assert_eq!(backplane.is_revoked(&token("t2", "s1", earlier)).await, Ok(true));
    assert_eq!(backplane.is_revoked(&token("t1", "s1", Some(moment))).await, Ok(true));
}

pub(crate) async fn an_attach_heeds_every_kind_of_revocation<H: Harness>(_: &H, backplane: &H::Backplane) {
    let revoke_session = Revocation::Session { id: session("session_of_d1"), until: later() };
    backplane.revoke(&revoke_session).await.expect("revoked");
    assert_eq!(backplane.attach(&attach("d1")).await, Ok(AttachOutcome::Revoked));
    let moment = now();
    backplane.revoke(&before(moment, later())).await.expect("revoked");
    let issued = |issued_at| Attach { issued_at, ..attach("d2") };
    let earlier = moment.minus(Duration::from_millis(1));
    assert_eq!(backplane.attach(&issued(Some(earlier))).await, Ok(AttachOutcome::Revoked));
    assert_eq!(backplane.attach(&issued(None)).await, Ok(AttachOutcome::Revoked));
    attached(backplane, &issued(Some(moment))).await;
}

pub(crate) async fn many_tokens_are_judged_in_turn<H: Harness>(_: &H, backplane: &H::Backplane) {
    backplane.revoke(&Revocation::Session { id: session("s1"), until: later() }).await.expect("revoked");
    backplane.revoke(&Revocation::Token { jti: "t3".to_owned(), until: later() }).await.expect("revoked");
    let tokens = [token("t1", "s1", None), token("t2", "s2", None), token("t3", "s3", None)];
    assert_eq!(backplane.are_revoked(&tokens).await, Ok(vec![true, false, true]));
    assert_eq!(backplane.are_revoked(&[]).await, Ok(Vec::new()));
}

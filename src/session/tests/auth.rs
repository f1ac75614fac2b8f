//! From the open socket to the greeting, and the renewal of tokens.

use super::fixtures::*;
use crate::{
    domain::clock::Monotonic,
    protocol::codes::CloseReason,
    session::{
        Session,
        effect::{Admission, Refusal},
    },
};

const AUTH: &str =
    r#"{"type":"auth","id":"a","payload":{"accessToken":"t","daemonId":"d","orchestratorId":"vp_1"}}"#;

fn refused(refusal: Refusal) -> Vec<String> {
    let mut rig = Rig::opened(limits());
    rig.run(|session, now, out| session.on_admitted(Err(refusal), Some("a".into()), now, out))
}

#[test]
fn every_frame_before_auth_is_refused_and_the_connection_stays() {
    let mut rig = Rig::opened(limits());
    for _ in 0..3 {
        assert_eq!(rig.heartbeat(), ["error NOT_AUTHENTICATED to r"]);
        assert_eq!(rig.subscribe(&["*"]), ["error NOT_AUTHENTICATED to r"]);
        assert_eq!(rig.ack(&["e1"]), ["error NOT_AUTHENTICATED to r"]);
    }
    assert_eq!(rig.text(AUTH), [r#"authenticate Some("a")"#]);
    assert_eq!(rig.admit(admission()), ["auth_success to a", "caught up"]);
}

#[test]
fn a_ping_is_answered_before_and_after_auth() {
    let mut rig = Rig::opened(limits());
    assert_eq!(rig.text(r#"{"type":"ping","id":"p"}"#), ["pong to p"]);
    assert_eq!(rig.text(r#"{"type":"ping"}"#), ["pong"]);
    rig.admit(admission());
    assert_eq!(rig.text(r#"{"type":"ping","id":"p"}"#), ["pong to p"]);
}

#[test]
fn the_time_for_auth_ends_at_its_deadline_whatever_is_said_meanwhile() {
    let mut rig = Rig::opened(limits());
    assert_eq!(rig.session.next_deadline(), START.mono.plus(secs(10)));
    rig.wait(millis(9_999));
    rig.heartbeat();
    assert!(rig.run(Session::on_tick).is_empty());
    rig.wait(millis(1));
    assert_eq!(rig.run(Session::on_tick), ["close 4002"]);
    assert_eq!(rig.session.next_deadline(), Monotonic::NEVER);
}

#[test]
fn every_refusal_has_its_code_and_its_close_code() {
    assert_eq!(refused(Refusal::Failed("no")), ["auth_error AUTH_FAILED to a", "close 4001"]);
    assert_eq!(refused(Refusal::Expired), ["auth_error TOKEN_EXPIRED to a", "close 4003"]);
    assert_eq!(refused(Refusal::NoScope), ["auth_error INSUFFICIENT_SCOPE to a", "close 4005"]);
    assert_eq!(refused(Refusal::TooMany), ["auth_error MAX_CONNECTIONS to a", "close 4004"]);
    assert_eq!(refused(Refusal::Unavailable), ["error INTERNAL_ERROR to a", "close 1011"]);
}

#[test]
fn an_admitted_connection_knows_who_it_is() {
    let mut rig = Rig::opened(limits());
    assert!(rig.session.identity().is_none());
    let admission = admission();
    let identity = admission.identity.clone();
    rig.admit(admission);
    assert_eq!(rig.session.identity(), Some(&identity));
}

#[test]
fn a_token_that_expires_is_announced_before_the_close() {
    let mut rig = Rig::opened(patient());
    rig.admit(Admission { expires_at: START.wall.plus(secs(60)), ..admission() });
    assert!(rig.after(millis(59_999)).is_empty());
    assert_eq!(rig.after(millis(1)), ["auth_error TOKEN_EXPIRED", "close 4003"]);
}

#[test]
fn a_token_that_has_expired_meanwhile_closes_at_once() {
    let mut rig = Rig::opened(patient());
    rig.wait(secs(2));
    rig.admit(Admission { expires_at: START.wall.plus(secs(1)), ..admission() });
    assert_eq!(rig.after(millis(0)), ["auth_error TOKEN_EXPIRED", "close 4003"]);
}

#[test]
fn a_renewed_token_moves_the_deadline_and_changes_nothing_else() {
    let mut rig = Rig::live(patient());
    rig.admit(Admission { expires_at: START.wall.plus(secs(60)), ..admission() });
    rig.wait(secs(50));
    assert_eq!(rig.text(AUTH), [r#"authenticate Some("a")"#]);
    let renewed = Admission { expires_at: START.wall.plus(secs(3600)), ..admission() };
    assert_eq!(rig.admit(renewed), ["auth_success to a"]);
    assert!(rig.after(secs(3549)).is_empty());
    assert_eq!(rig.push(&event("e1")), ["event e1 #1"]);
    assert_eq!(rig.after(secs(1)), ["auth_error TOKEN_EXPIRED", "close 4003"]);
}

#[test]
fn a_token_of_another_orchestrator_ends_the_connection() {
    let mut rig = Rig::live(limits());
    assert_eq!(rig.admit(admission_of("vp_2")), ["auth_error AUTH_FAILED to a", "close 4001"]);
    assert!(rig.session.identity().is_none());
}

#[test]
fn a_renewal_that_is_refused_ends_the_connection() {
    let mut rig = Rig::live(limits());
    let answer = rig.run(|session, now, out| session.on_admitted(Err(Refusal::Expired), None, now, out));
    assert_eq!(answer, ["auth_error TOKEN_EXPIRED", "close 4003"]);
}

#[test]
fn after_the_close_nothing_comes_out() {
    let mut rig = Rig::live(limits());
    rig.push(&event("e1"));
    assert_eq!(rig.run(|session, now, out| session.close(CloseReason::TooBig, now, out)), ["close 1009"]);
    assert!(rig.run(|session, now, out| session.close(CloseReason::Normal, now, out)).is_empty());
    assert!(rig.heartbeat().is_empty());
    assert!(rig.text("no frame").is_empty());
    assert!(rig.ack(&["e1"]).is_empty());
    assert!(rig.push(&event("e2")).is_empty());
    assert!(rig.hint().is_empty());
    assert!(rig.page(page(&["e2"], true)).is_empty());
    assert!(rig.reloaded(&["e1"], &["e1"]).is_empty());
    assert!(rig.drained().is_empty());
    assert!(rig.admit(admission()).is_empty());
    assert!(rig.drain().is_empty());
    rig.wait(HOUR);
    assert!(rig.run(Session::on_tick).is_empty());
    assert_eq!(rig.session.next_deadline(), Monotonic::NEVER);
}

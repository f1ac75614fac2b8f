//! What is counted about frames: undecodable ones, and too many.

use super::fixtures::*;
use crate::{protocol::codes::CloseReason, session::effect::Limits};

const PING: &str = r#"{"type":"ping"}"#;

#[test]
fn three_undecodable_frames_in_a_row_close() {
    let mut rig = Rig::live(limits());
    assert_eq!(rig.text("{"), ["error INVALID_MESSAGE frame"]);
    assert_eq!(rig.text("nonsense"), ["error INVALID_MESSAGE frame"]);
    assert_eq!(rig.text(""), ["error INVALID_MESSAGE frame", "close 1002"]);
}

#[test]
fn a_frame_in_between_starts_the_count_anew() {
    for between in [PING, r#"{"type":"no such type"}"#] {
        let mut rig = Rig::opened(limits());
        for _ in 0..5 {
            assert_eq!(rig.text("{"), ["error INVALID_MESSAGE frame"]);
            assert_eq!(rig.text("{"), ["error INVALID_MESSAGE frame"]);
            assert_eq!(rig.text(between).len(), 1);
        }
    }
}

#[test]
fn frames_that_are_no_text_count_as_undecodable() {
    let mut rig = Rig::live(limits());
    rig.text("{");
    rig.text("{");
    let out = rig.run(|session, now, out| session.on_undecodable("is not UTF-8", now, out));
    assert_eq!(out, ["error INVALID_MESSAGE frame", "close 1002"]);
}

#[test]
fn an_invalid_frame_is_answered_with_its_field_and_its_id() {
    let mut rig = Rig::live(limits());
    assert_eq!(rig.frame("ack", r#"{"eventIds":[]}"#), ["error INVALID_MESSAGE eventIds to r"]);
    assert_eq!(rig.frame("shout", "{}"), ["error INVALID_MESSAGE type to r"]);
    assert_eq!(rig.text("[]"), ["error INVALID_MESSAGE frame"]);
}

#[test]
fn the_hundred_and_first_frame_of_a_minute_is_dropped_with_a_warning() {
    let mut rig = Rig::live(limits());
    for _ in 0..50 {
        assert_eq!(rig.text(PING), ["pong"]);
        assert_eq!(rig.text(r#"{"type":7}"#), ["error INVALID_MESSAGE type"], "invalid frames count too");
    }
    assert_eq!(rig.text(PING), ["rate_limit message.send 60"]);
    assert_eq!(rig.subscribe(&["a.b"]), ["rate_limit message.send 60"]);
    rig.wait(secs(60));
    assert_eq!(rig.text(PING), ["pong"]);
}

#[test]
fn acknowledging_what_is_in_flight_is_free() {
    let mut rig = Rig::live(patient());
    for n in 0..300 {
        let name = format!("e{n}");
        assert_eq!(rig.push(&event(&name)), [format!("event {name} #1")]);
        assert_eq!(rig.ack(&[&name]), [format!("taken {name}")]);
    }
    assert_eq!(rig.text(PING), ["pong"]);
}

#[test]
fn acknowledging_what_is_unknown_is_a_fact_but_weighs() {
    let mut rig = Rig::live(limits());
    for _ in 0..100 {
        assert_eq!(rig.ack(&["e1"]), ["taken e1"]);
    }
    assert_eq!(rig.ack(&["e1"]), ["rate_limit message.send 60"], "and is dropped like any other frame");
    rig.push(&event("e2"));
    assert_eq!(
        rig.ack(&["e2", "e1"]),
        ["rate_limit message.send 60", "taken e2"],
        "what was sent is taken all the same"
    );
}

#[test]
fn the_third_violated_window_in_a_row_closes() {
    let mut rig = Rig::opened(Limits { auth_timeout: HOUR, ..limits() });
    for window in 1..=3 {
        for _ in 0..100 {
            assert_eq!(rig.text(PING), ["pong"]);
        }
        let expected = if window < 3 { "rate_limit message.send 60" } else { "close 4004" };
        assert_eq!(rig.text(PING), [expected]);
        rig.wait(secs(60));
    }
    assert!(rig.text(PING).is_empty());
}

#[test]
fn after_the_close_undecodable_frames_are_neither_counted_nor_answered() {
    let mut rig = Rig::live(limits());
    rig.run(|session, now, out| session.close(CloseReason::Normal, now, out));
    for _ in 0..300 {
        assert!(rig.run(|session, now, out| session.on_undecodable("is not UTF-8", now, out)).is_empty());
    }
}

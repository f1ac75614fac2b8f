//! Heartbeats and pings.

use super::fixtures::*;
use crate::session::effect::Limits;

#[test]
fn a_heartbeat_is_answered_with_its_id_and_handed_on() {
    let mut rig = Rig::live(limits());
    let out = rig.frame("heartbeat", r#"{"status":"busy"}"#);
    assert_eq!(out, ["heartbeat_ack to r", "heartbeat busy"]);
}

#[test]
fn heartbeats_less_than_ten_seconds_apart_are_refused() {
    let mut rig = Rig::live(limits());
    rig.heartbeat();
    rig.wait(millis(4_500));
    assert_eq!(rig.heartbeat(), ["rate_limit heartbeat 5 to r"]);
    rig.wait(millis(5_499));
    assert_eq!(rig.heartbeat(), ["rate_limit heartbeat 0 to r"]);
    rig.wait(millis(1));
    assert_eq!(rig.heartbeat(), ["heartbeat_ack to r", "heartbeat active"], "an early one moves nothing");
}

#[test]
fn a_short_interval_halves_the_spacing() {
    let short = |seconds| Limits { heartbeat_interval: secs(seconds), ..limits() };
    assert_eq!(short(20).heartbeat_spacing(), secs(10));
    assert_eq!(short(19).heartbeat_spacing(), millis(9_500));
    let mut rig = Rig::live(short(4));
    rig.heartbeat();
    rig.wait(millis(1_999));
    assert_eq!(rig.heartbeat(), ["rate_limit heartbeat 0 to r"]);
    rig.wait(millis(1));
    assert_eq!(rig.heartbeat(), ["heartbeat_ack to r", "heartbeat active"]);
}

#[test]
fn three_missed_heartbeats_close() {
    let mut rig = Rig::live(limits());
    assert_eq!(rig.after(secs(30)), ["ping"]);
    assert_eq!(rig.after(secs(30)), ["ping"]);
    assert!(rig.after(millis(29_999)).is_empty());
    assert_eq!(rig.after(millis(1)), ["close 4009"]);
}

#[test]
fn every_frame_is_a_sign_of_life_even_an_early_heartbeat() {
    let mut rig = Rig::live(limits());
    rig.heartbeat();
    rig.after(secs(5));
    assert_eq!(rig.heartbeat(), ["rate_limit heartbeat 5 to r"]);
    rig.after(secs(89));
    assert_eq!(rig.ack(&["e1"]), ["taken e1"], "90 s after the early heartbeat have not gone by");
    assert_eq!(rig.after(secs(89)), ["ping"]);
    assert_eq!(rig.after(secs(1)), ["close 4009"]);
}

#[test]
fn frames_over_the_rate_are_signs_of_life_too() {
    let mut rig = Rig::live(limits());
    rig.after(secs(61));
    (0..100).for_each(|_| drop(rig.ack(&["e1"])));
    rig.wait(secs(28));
    assert_eq!(rig.heartbeat(), ["rate_limit message.send 32"]);
    assert_eq!(rig.after(secs(89)), ["ping"]);
    assert_eq!(rig.after(secs(1)), ["close 4009"]);
}

#[test]
fn pings_go_out_at_their_interval_from_the_admission_on() {
    let mut rig = Rig::opened(Limits { ping_interval: secs(20), ..limits() });
    rig.wait(secs(3));
    rig.admit(admission());
    let mut pings = Vec::new();
    for second in 1..=60 {
        if rig.after(secs(1)) == ["ping"] {
            pings.push(second);
        }
    }
    assert_eq!(pings, [20, 40, 60]);
}

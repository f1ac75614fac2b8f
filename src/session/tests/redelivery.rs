//! Sending again what was not acknowledged.

use super::fixtures::*;
use crate::session::effect::{Fetched, Limits, Page};

#[test]
fn the_schedule_is_kept_and_its_last_step_repeats() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    for (attempt, delay) in [30, 60, 120, 300, 600, 600, 600, 600, 600].into_iter().enumerate() {
        assert!(rig.after(millis(delay * 1000 - 1)).is_empty(), "attempt {attempt}");
        assert_eq!(rig.after(millis(1)), ["reload e1"]);
        assert_eq!(rig.reloaded(&["e1"], &["e1"]), [format!("event e1 #{}", attempt + 2)]);
    }
    assert!(rig.after(millis(599_999)).is_empty());
    assert_eq!(rig.after(millis(1)), ["dead e1 #10 max_attempts"]);
    assert!(rig.after(HOUR).is_empty());
}

#[test]
fn nothing_is_asked_for_twice_while_it_is_read() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    assert_eq!(rig.after(secs(30)), ["reload e1"]);
    assert!(rig.after(secs(700)).is_empty());
    assert_eq!(rig.reloaded(&["e1"], &["e1"]), ["event e1 #2"]);
}

#[test]
fn a_reload_that_failed_is_repeated_after_a_second() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    rig.after(secs(30));
    assert!(rig.reload_failed(&["e1"]).is_empty());
    assert!(rig.after(millis(999)).is_empty());
    assert_eq!(rig.after(millis(1)), ["reload e1"]);
    assert_eq!(rig.reloaded(&["e1"], &["e1"]), ["event e1 #2"], "what was not sent is no attempt");
}

#[test]
fn an_event_that_is_gone_frees_the_window() {
    let mut rig = Rig::looking(patient());
    rig.page(page(&["e1", "e2", "e3"], false));
    assert_eq!(rig.after(secs(30)), ["reload e1,e2"]);
    assert_eq!(rig.reloaded(&["e1", "e2"], &["e2"]), ["event e2 #2", "fetch 65 beside [e2]"]);
    assert_eq!(rig.page(page(&["e3"], false)), ["event e3 #1", "caught up"]);
}

#[test]
fn an_acknowledgement_while_it_is_read_stops_the_redelivery() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    rig.after(secs(30));
    assert_eq!(rig.ack(&["e1"]), ["taken e1"]);
    assert!(rig.reloaded(&["e1"], &["e1"]).is_empty());
}

#[test]
fn attempts_of_earlier_connections_count() {
    let mut rig = Rig::looking(patient());
    let old = |name, attempts| Fetched { attempts, ..Fetched::fresh(event(name)) };
    let events = vec![old("e1", 3), old("e2", 9), old("e3", 10)];
    let out = rig.page(Some(Page { events, more: false, waiting: 9, ..Page::default() }));
    assert_eq!(out, ["event e1 #4", "event e2 #10"]);
    assert!(rig.after(secs(299)).is_empty(), "the fourth attempt waits 300 s");
    assert_eq!(rig.after(secs(1)), ["reload e1"]);
    assert_eq!(rig.reloaded(&["e1"], &["e1"]), ["event e1 #5"]);
    assert_eq!(rig.after(secs(300)), ["dead e2 #10 max_attempts", "fetch 65 beside [e1]"]);
    let out =
        rig.page(Some(Page { events: vec![old("e3", 10)], more: false, waiting: 1, ..Page::default() }));
    assert_eq!(out, ["dead e3 #10 max_attempts", "caught up"]);
}

#[test]
fn a_dead_letter_makes_room() {
    let mut rig = Rig::looking(Limits { max_attempts: 1, ..patient() });
    rig.page(page(&["e1", "e2", "e3"], false));
    let out = rig.after(secs(30));
    assert_eq!(out, ["dead e1 #1 max_attempts", "dead e2 #1 max_attempts", "fetch 66 beside []"]);
    assert_eq!(rig.page(page(&["e3"], false)), ["event e3 #1", "caught up"]);
}

#[test]
fn what_is_wanted_no_more_is_not_sent_again() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    rig.unsubscribe(&["*"]);
    rig.after(secs(30));
    assert!(rig.reloaded(&["e1"], &["e1"]).is_empty());
    assert!(rig.after(HOUR).is_empty());
}

#[test]
fn an_empty_schedule_means_half_a_minute() {
    let limits = Limits { redelivery_schedule: Vec::new(), ..limits() };
    assert_eq!(limits.redelivery_after(1), secs(30));
    assert_eq!(limits.redelivery_after(7), secs(30));
}

#[test]
fn what_was_let_go_unwanted_is_found_again_by_a_later_subscription() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    rig.unsubscribe(&["*"]);
    rig.after(secs(30));
    rig.reloaded(&["e1"], &["e1"]);
    assert_eq!(rig.subscribe(&["*"]), ["subscribed *", "behind", "fetch 66 beside []"]);
}

//! Live and behind: where events come from.

use super::fixtures::*;
use crate::session::effect::{Admission, Limits, Page};

fn names(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("e{n}")).collect()
}

fn page_of(names: &[String], more: bool) -> Option<Page> {
    page(&names.iter().map(String::as_str).collect::<Vec<_>>(), more)
}

#[test]
fn a_connection_that_has_caught_up_is_sent_pushes_directly() {
    let mut rig = Rig::live(limits());
    assert_eq!(rig.push(&event("e1")), ["event e1 #1"]);
    assert_eq!(rig.push(&event("e2")), ["event e2 #1"]);
}

#[test]
fn a_push_over_the_window_is_a_hint_and_is_found_in_the_queue() {
    let mut rig = Rig::live(limits());
    rig.push(&event("e1"));
    rig.push(&event("e2"));
    assert_eq!(rig.push(&event("e3")), ["behind"]);
    assert!(rig.push(&event("e4")).is_empty());
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "fetch 65 beside [e2]"]);
    assert_eq!(rig.page(page(&["e3", "e4"], false)), ["event e3 #1"]);
    assert_eq!(rig.ack(&["e2"]), ["taken e2", "event e4 #1", "caught up"]);
}

#[test]
fn while_behind_a_push_never_overtakes_what_waits() {
    let mut rig = Rig::looking(Limits { max_in_flight: 9, ..limits() });
    assert!(rig.push(&event("e3")).is_empty());
    let sent = rig.page(page(&["e1", "e2"], false));
    assert_eq!(sent, ["event e1 #1", "event e2 #1", "fetch 71 beside [e1,e2]"], "a look for the push");
    assert_eq!(rig.page(page(&["e3"], false)), ["event e3 #1", "caught up"]);
    assert_eq!(rig.push(&event("e4")), ["event e4 #1"]);
}

#[test]
fn an_event_that_a_page_brought_is_not_pushed_again() {
    let mut rig = Rig::looking(Limits { max_in_flight: 9, ..limits() });
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "caught up"]);
    assert!(rig.push(&event("e1")).is_empty());
}

#[test]
fn the_push_of_an_event_that_was_taken_meanwhile_comes_too_late() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "caught up"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1"]);
    assert!(rig.push(&event("e1")).is_empty(), "another hub had stored it first");
    assert_eq!(rig.ack(&["e2"]), ["taken e2"], "sent by an earlier connection");
    assert!(rig.push(&event("e2")).is_empty());
    rig.wait(secs(6));
    assert_eq!(rig.push(&event("e1")), ["event e1 #1"], "no push is under way for so long");
}

#[test]
fn no_more_than_a_few_hundred_late_pushes_are_remembered() {
    let mut rig = Rig::looking(Limits { message_limit: 1_000, ..limits() });
    rig.page(empty_queue());
    for name in names(0..257) {
        rig.ack(&[&name]);
    }
    assert_eq!(rig.push(&event("e0")), ["event e0 #1"], "the oldest is forgotten");
    assert!(rig.push(&event("e1")).is_empty());
}

#[test]
fn an_event_that_was_pushed_is_not_sent_again_from_a_page() {
    let mut rig = Rig::live(Limits { max_in_flight: 9, ..limits() });
    rig.push(&event("e1"));
    assert_eq!(rig.hint(), ["behind", "fetch 72 beside [e1]"]);
    assert_eq!(rig.page(page(&["e1", "e2"], false)), ["event e2 #1", "caught up"]);
}

#[test]
fn a_push_and_the_page_that_was_under_way_send_once() {
    let mut rig = Rig::looking(Limits { max_in_flight: 9, ..limits() });
    assert!(rig.push(&event("e1")).is_empty());
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "fetch 72 beside [e1]"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
}

#[test]
fn pages_keep_their_order_across_acknowledgements() {
    let mut rig = Rig::looking(limits());
    let names = names(0..40);
    let mut sent = rig.page(page_of(&names, false));
    for name in &names {
        sent.extend(rig.ack(&[name]).into_iter().filter(|line| line.starts_with("event")));
    }
    assert_eq!(sent, names.iter().map(|name| format!("event {name} #1")).collect::<Vec<_>>());
}

#[test]
fn a_page_with_more_behind_it_is_followed_by_the_next() {
    let mut rig = Rig::looking(Limits { max_in_flight: 9, ..limits() });
    assert_eq!(rig.page(page(&["e1"], true)), ["event e1 #1", "fetch 72 beside [e1]"]);
    assert_eq!(rig.page(page(&["e2"], true)), ["event e2 #1", "fetch 71 beside [e1,e2]"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
}

#[test]
fn a_full_window_reads_nothing() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.page(page(&["e1", "e2"], true)), ["event e1 #1", "event e2 #1"]);
    assert!(rig.hint().is_empty());
    assert_eq!(rig.ack(&["e2"]), ["taken e2", "fetch 65 beside [e1]"]);
}

#[test]
fn a_look_that_failed_is_repeated_after_a_second() {
    let mut rig = Rig::looking(patient());
    assert!(rig.page(None).is_empty());
    assert_eq!(rig.session.next_deadline(), rig.now.mono.plus(secs(1)));
    assert!(rig.hint().is_empty(), "hints do not hurry it");
    assert!(rig.after(millis(999)).is_empty());
    assert_eq!(rig.after(millis(1)), ["fetch 66 beside []"]);
    assert!(rig.page(None).is_empty());
    assert_eq!(rig.after(secs(1)), ["fetch 66 beside []"]);
    assert_eq!(rig.page(empty_queue()), ["caught up"]);
}

#[test]
fn a_hint_during_a_look_causes_another_one() {
    let mut rig = Rig::looking(limits());
    assert!(rig.hint().is_empty());
    assert!(rig.hint().is_empty());
    assert_eq!(rig.page(page(&[], false)), ["fetch 66 beside []"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
}

#[test]
fn an_acknowledged_event_is_dropped_from_what_was_read_ahead() {
    let mut rig = Rig::looking(limits());
    rig.page(page(&["e1", "e2", "e3", "e4"], false));
    assert_eq!(rig.ack(&["e3"]), ["taken e3"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "event e4 #1", "caught up"]);
}

#[test]
fn a_queue_that_waits_for_a_subscription_does_not_hold_up_live_events() {
    let mut rig = Rig::opened(limits());
    let out = rig.admit(Admission { backlog: true, ..admission() });
    assert_eq!(out, ["auth_success to a", "behind", "fetch 66 beside []"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
    let wanted = rig.subscribe(&["message.received"]);
    assert_eq!(wanted, ["subscribed message.received", "behind", "fetch 66 beside []"]);
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "caught up"]);
}

#[test]
fn a_late_acknowledgement_counts_against_the_page_that_was_under_way() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.ack(&["e1"]), ["taken e1"], "sent by an earlier connection");
    assert_eq!(rig.page(page(&["e1", "e2"], false)), ["event e2 #1", "caught up"]);
}

#[test]
fn the_look_after_an_acknowledgement_is_trusted_again() {
    let mut rig = Rig::looking(patient());
    rig.ack(&["e1"]);
    rig.page(None);
    rig.after(secs(1));
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "caught up"], "it never reached the queue");
}

#[test]
fn a_look_that_is_due_again_but_has_no_room_leaves_no_deadline_behind() {
    let mut rig = Rig::looking(patient());
    rig.page(page(&["e1"], true));
    rig.page(None);
    rig.page(None);
    assert_eq!(rig.drain(), ["reconnect 5000"]);
    assert!(rig.after(secs(1)).is_empty());
    assert!(rig.session.next_deadline() > rig.now.mono, "it would be reminded for ever");
}

#[test]
fn more_is_read_when_the_read_ahead_runs_low() {
    let mut rig = Rig::looking(limits());
    let names = names(0..20);
    rig.page(page_of(&names, true));
    assert_eq!(rig.ack(&["e0"]), ["taken e0", "event e2 #1"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "event e3 #1"]);
    let beside = names[3..].join(",");
    let out = rig.ack(&["e2"]);
    assert_eq!(out, ["taken e2".into(), "event e4 #1".into(), format!("fetch 64 beside [{beside}]")]);
    rig.page(page(&["e20"], false));
    let sent: Vec<_> = names[3..].iter().flat_map(|name| rig.ack(&[name])).collect();
    assert!(sent.contains(&"event e20 #1".into()) && sent.contains(&"caught up".into()));
}

#[test]
fn what_was_read_ahead_long_ago_is_looked_for_again() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.page(page(&["e1", "e2", "e3", "e4"], false)), ["event e1 #1", "event e2 #1"]);
    rig.wait(millis(1000));
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "event e3 #1"]);
    rig.wait(millis(1));
    assert_eq!(rig.ack(&["e2"]), ["taken e2", "fetch 65 beside [e3]"], "a sibling may have taken e4");
    assert_eq!(rig.page(page(&["e5"], false)), ["event e5 #1", "caught up"]);
}

#[test]
fn a_look_that_left_out_what_was_given_up_is_repeated() {
    let mut rig = Rig::looking(limits());
    let sent = rig.page(page(&["e1", "e2", "e3"], true));
    assert_eq!(sent, ["event e1 #1", "event e2 #1", "fetch 64 beside [e1,e2,e3]"]);
    rig.wait(millis(1001));
    assert_eq!(rig.ack(&["e1"]), ["taken e1"], "the look is under way, without e3");
    assert_eq!(rig.page(page(&["e4"], false)), ["fetch 65 beside [e2]"], "e4 does not go before it");
    assert_eq!(rig.page(page(&["e3", "e4"], false)), ["event e3 #1"]);
}

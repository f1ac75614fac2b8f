//! The end that the hub announces.

use super::fixtures::*;
use crate::{protocol::codes::CloseReason, session::effect::Admission};

#[test]
fn a_draining_connection_gets_no_new_events_and_its_acknowledgements_count() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    assert_eq!(rig.drain(), ["reconnect 5000"]);
    assert_eq!(rig.push(&event("e2")), ["behind"]);
    assert!(rig.hint().is_empty(), "nor is the queue read");
    assert_eq!(rig.ack(&["e1"]), ["taken e1"]);
    assert_eq!(rig.heartbeat(), ["heartbeat_ack to r", "heartbeat active"]);
    assert_eq!(rig.run(|session, now, out| session.close(CloseReason::GoingAway, now, out)), ["close 1001"]);
}

#[test]
fn a_page_that_was_under_way_is_not_sent() {
    let mut rig = Rig::looking(patient());
    rig.drain();
    assert!(rig.page(page(&["e1"], false)).is_empty());
    assert!(rig.ack(&["e9"]).contains(&"taken e9".to_owned()));
}

#[test]
fn nothing_is_sent_again_while_draining() {
    let mut rig = Rig::live(patient());
    rig.push(&event("e1"));
    assert_eq!(rig.after(secs(30)), ["reload e1"]);
    rig.drain();
    assert!(rig.reloaded(&["e1"], &["e1"]).is_empty());
}

#[test]
fn a_connection_that_authenticates_during_the_drain_gets_no_events() {
    let mut rig = Rig::opened(patient());
    assert_eq!(rig.drain(), ["reconnect 5000"]);
    let subscriptions = Some(subscribed_to(&["*"]));
    let out = rig.admit(Admission { subscriptions, backlog: true, ..admission() });
    assert_eq!(out, ["auth_success to a", "subscribed *", "behind"]);
    assert!(rig.push(&event("e1")).is_empty());
}

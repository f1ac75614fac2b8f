//! How much may be on its way: events in flight, and bytes.

use bytes::Bytes;

use super::fixtures::*;
use crate::session::effect::{Fetched, Limits, Page};

/// An event that takes a quarter of the outbound bound.
fn big(text: &str) -> std::sync::Arc<crate::protocol::event_frame::Delivery> {
    delivery(text, "message.received", true, Bytes::from(vec![b' '; 256 * 1024]))
}

fn unacknowledged(text: &str) -> std::sync::Arc<crate::protocol::event_frame::Delivery> {
    delivery(text, "message.sent", false, Bytes::from_static(b"{}"))
}

fn roomy() -> Limits {
    Limits { max_in_flight: 100, ..patient() }
}

#[test]
fn an_acknowledgement_frees_room_for_exactly_one() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.page(page(&["e1", "e2", "e3", "e4"], false)), ["event e1 #1", "event e2 #1"]);
    assert_eq!(rig.ack(&["e2"]), ["taken e2", "event e3 #1"]);
    assert_eq!(rig.ack(&["e2"]), ["taken e2"], "once");
    assert_eq!(rig.ack(&["e1", "e3"]), ["taken e1,e3", "event e4 #1", "caught up"]);
}

#[test]
fn the_time_that_an_event_was_in_flight_is_told() {
    let mut rig = Rig::live(limits());
    rig.push(&event("e1"));
    rig.wait(millis(70));
    let mut out = Vec::new();
    let frame = r#"{"type":"ack","payload":{"eventIds":["x","e1"]}}"#;
    rig.session.on_text(frame, rig.now, &mut out);
    let [crate::session::effect::Effect::Acknowledge { waited, .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(*waited, Some(millis(70)));
}

#[test]
fn events_without_acknowledgement_are_taken_when_sent_and_need_no_room() {
    let mut rig = Rig::live(limits());
    for n in 0..10 {
        let name = format!("n{n}");
        let out = rig.push(&unacknowledged(&name));
        assert_eq!(out, [format!("event {name} #1"), format!("taken {name}")]);
    }
    assert_eq!(rig.push(&event("e1")), ["event e1 #1"]);
    assert_eq!(rig.push(&event("e2")), ["event e2 #1"]);
    assert!(rig.after(secs(29)).is_empty());
}

#[test]
fn events_without_acknowledgement_wait_behind_those_with_one() {
    let mut rig = Rig::looking(limits());
    let mixed = [event("e1"), event("e2"), unacknowledged("n3")];
    let events = mixed.map(Fetched::fresh).to_vec();
    let out = rig.page(Some(Page { events, more: false, waiting: 9, ..Page::default() }));
    assert_eq!(out, ["event e1 #1", "event e2 #1"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "event n3 #1", "taken n3", "caught up"]);
}

#[test]
fn a_mebibyte_on_its_way_stops_sending_until_it_has_left() {
    let mut rig = Rig::live(roomy());
    for name in ["e1", "e2", "e3", "e4"] {
        assert_eq!(rig.push(&big(name)), [format!("event {name} #1")]);
    }
    assert_eq!(rig.push(&event("e5")), ["behind"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1"], "acknowledgements do not empty the socket");
    assert_eq!(rig.drained(), ["fetch 161 beside [e2,e3,e4]"]);
    assert_eq!(rig.page(page(&["e5"], false)), ["event e5 #1", "caught up"]);
}

#[test]
fn what_a_page_brings_stops_at_the_bound_too() {
    let mut rig = Rig::looking(roomy());
    let events = ["e1", "e2", "e3", "e4", "e5", "e6"].map(|name| Fetched::fresh(big(name)));
    let out = rig.page(Some(Page { events: events.to_vec(), more: false, waiting: 9, ..Page::default() }));
    assert_eq!(out, ["event e1 #1", "event e2 #1", "event e3 #1", "event e4 #1"]);
    assert_eq!(rig.drained(), ["event e5 #1", "event e6 #1", "caught up"]);
}

#[test]
fn an_emptied_socket_is_no_news_while_there_was_room() {
    let mut rig = Rig::live(roomy());
    rig.push(&big("e1"));
    assert!(rig.drained().is_empty());
}

#[test]
fn redelivery_stops_at_the_bound_too() {
    let mut rig = Rig::live(roomy());
    let names = ["e1", "e2", "e3", "e4", "e5", "e6"];
    for name in names {
        rig.push(&big(name));
        rig.drained();
    }
    assert_eq!(rig.after(secs(30)), ["reload e1,e2,e3,e4"], "nor is more read than can be sent");
    let found = names.map(|name| Fetched { attempts: 1, ..Fetched::fresh(big(name)) }).to_vec();
    let asked = ["e1", "e2", "e3", "e4"].map(id);
    rig.push(&big("e7"));
    let again = rig.run(|session, now, out| session.on_redelivery(&asked, Some(found), now, out));
    assert_eq!(again, ["event e1 #2", "event e2 #2", "event e3 #2"]);
    assert!(rig.after(secs(1)).is_empty(), "the socket has not taken anything");
    rig.drained();
    assert_eq!(rig.after(secs(1)), ["reload e5,e6,e4"]);
}

//! What daemons say about events, and what becomes of events that nobody takes.

use super::fixtures::*;
use crate::{
    domain::{attempt::Ended, event::Event, gap::Gap},
    protocol::{
        event_frame::Delivery,
        server_frame::{Blocked, ServerMessage},
    },
    session::effect::{Admission, Effect, Fetched, Limits, Page, taken_together},
};
use std::sync::Arc;

/// A client that speaks protocol 1.1 with `names` in flight.
fn holding(names: &[&str]) -> Rig {
    let mut rig = Rig::extended(patient());
    for name in names {
        assert_eq!(rig.push(&event(name)), [format!("event {name} #1")]);
    }
    rig.drained();
    rig
}

#[test]
fn a_refused_event_leaves_the_window_and_comes_again_after_its_delay() {
    let mut rig = holding(&["e1", "e2"]);
    assert_eq!(rig.push(&event("e3"))[0], "behind", "the window is full");
    let out = rig.nack(&["e1"], r#","delayMs":5000"#);
    assert_eq!(
        out,
        ["note e1 #1 crashes 0", "fetch 65 beside [e1,e2]"],
        "there is room for another one meanwhile"
    );
    assert_eq!(rig.page(page(&["e3"], false)), ["event e3 #1", "caught up"]);
    assert!(rig.after(secs(5)).is_empty(), "there is no room for it yet");
    assert_eq!(rig.ack(&["e2"]), ["taken e2", "reload e1"]);
    assert_eq!(rig.reloaded(&["e1"], &["e1"]), ["event e1 #2"]);
}

#[test]
fn without_a_delay_it_waits_twice_as_long_each_time() {
    let mut rig = holding(&["e1"]);
    for (attempt, wait) in [(2, 2), (3, 4), (4, 8)] {
        assert_eq!(rig.nack(&["e1"], ""), [format!("note e1 #{} crashes 0", attempt - 1)]);
        assert!(rig.after(secs(wait) - millis(1)).is_empty(), "attempt {attempt}");
        assert_eq!(rig.after(millis(1)), ["reload e1"]);
        assert_eq!(rig.reloaded(&["e1"], &["e1"]), [format!("event e1 #{attempt}")]);
    }
}

#[test]
fn who_refuses_for_good_is_believed_and_quoted() {
    let mut rig = holding(&["e1"]);
    let mut out = Vec::new();
    let text = r#"{"type":"nack","payload":{"eventIds":["e1"],"reason":"no such task","terminal":true}}"#;
    rig.session.on_text(text, rig.now, &mut out);
    let [Effect::DeadLetter { attempts: 1, history, .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(line(&out[0]), "dead e1 #1 rejected");
    let [refused] = &history[..] else { panic!("{history:?}") };
    assert_eq!((refused.attempt, refused.outcome), (1, Ended::Refused));
    assert_eq!(refused.reason.as_deref(), Some("no such task"));
}

#[test]
fn a_dead_letter_tells_how_every_attempt_ended() {
    let mut rig = holding(&["e1"]);
    rig.after(secs(30));
    rig.reloaded(&["e1"], &["e1"]);
    let mut out = Vec::new();
    let text = r#"{"type":"nack","payload":{"eventIds":["e1"],"terminal":true}}"#;
    rig.session.on_text(text, rig.now, &mut out);
    let Some(Effect::DeadLetter { history, .. }) = out.first() else { panic!("{out:?}") };
    let told: Vec<_> = history.iter().map(|attempt| (attempt.attempt, attempt.outcome)).collect();
    assert_eq!(told, [(1, Ended::TimedOut), (2, Ended::Refused)]);
}

#[test]
fn the_reason_of_a_refusal_is_written_down_before_the_event_comes_again() {
    let mut rig = holding(&["e1"]);
    let mut out = Vec::new();
    let text = r#"{"type":"nack","payload":{"eventIds":["e1"],"reason":"the model is busy"}}"#;
    rig.session.on_text(text, rig.now, &mut out);
    let [Effect::Note(note)] = &out[..] else { panic!("{out:?}") };
    let [refused] = &note.history[..] else { panic!("{note:?}") };
    assert_eq!((refused.outcome, refused.reason.as_deref()), (Ended::Refused, Some("the model is busy")));
}

#[test]
fn what_was_read_again_waits_when_the_window_was_lowered_meanwhile() {
    let mut rig = holding(&["e1", "e2"]);
    rig.nack(&["e1"], r#","delayMs":0"#);
    rig.after(millis(1));
    rig.frame("flow", r#"{"maxInFlight":1}"#);
    assert!(rig.reloaded(&["e1"], &["e1"]).is_empty(), "e2 fills it");
    assert_eq!(rig.ack(&["e2"]), ["taken e2"]);
    assert_eq!(rig.after(secs(1)), ["reload e1"]);
    assert_eq!(rig.reloaded(&["e1"], &["e1"]), ["event e1 #2"]);
}

#[test]
fn a_window_that_was_lowered_below_what_is_in_flight_still_gets_redeliveries() {
    let mut rig = holding(&["e1", "e2"]);
    rig.frame("flow", r#"{"maxInFlight":1}"#);
    assert_eq!(rig.after(secs(30)), ["reload e1,e2"]);
    assert_eq!(rig.reloaded(&["e1", "e2"], &["e1", "e2"]), ["event e1 #2", "event e2 #2"]);
}

/// A page with one event that only this connection is to have, for so long.
fn claimed(name: &str, rig: &Rig, span: std::time::Duration) -> Fetched {
    Fetched { claimed_until: Some(rig.now.wall.plus(span)), ..Fetched::fresh(shared(name)) }
}

#[test]
fn what_others_could_have_is_not_kept_for_later() {
    let mut rig = Rig::looking(Limits { max_in_flight: 1, ..patient() });
    let events = vec![claimed("e1", &rig, secs(35)), claimed("e2", &rig, secs(35))];
    let out = rig.page(Some(Page { events, waiting: 2, ..Page::default() }));
    assert_eq!(out, ["event e1 #1", "release e2 for 0"]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "fetch 65 beside []"], "nobody may have wanted it");
}

#[test]
fn what_waits_for_any_is_looked_for_only_with_room_to_send_it() {
    let mut rig = Rig::looking(Limits { max_in_flight: 1, ..patient() });
    let events = vec![claimed("e1", &rig, secs(35))];
    let out = rig.page(Some(Page { events, held_back: true, waiting: 20, ..Page::default() }));
    assert_eq!(out, ["event e1 #1"], "no look while the window is full, and no end of the backlog");
    let mut out = Vec::new();
    rig.session.on_text(r#"{"type":"ack","payload":{"eventIds":["e1"]}}"#, rig.now, &mut out);
    let Some(Effect::Fetch(request)) = out.last() else { panic!("{out:?}") };
    assert_eq!(request.room, 1);
    assert_eq!(rig.page(empty_queue()), ["caught up"], "others have them");
}

#[test]
fn a_connection_that_ends_or_stops_lets_go_of_what_it_was_not_sent() {
    let suspect = |rig: &Rig| Fetched { crashes: 2, attempts: 2, ..claimed("e2", rig, secs(35)) };
    let waiting = || {
        let mut rig = Rig::looking(Limits { max_in_flight: 5, ..patient() });
        let events = vec![fetched("e1", 0), suspect(&rig)];
        rig.page(Some(Page { events, waiting: 2, ..Page::default() }));
        rig
    };
    assert_eq!(waiting().gone(false), ["release e2 for 0"]);
    assert!(waiting().drain().contains(&"release e2 for 0".to_owned()));
    let mut rig = Rig::looking(patient());
    rig.drain();
    let events = vec![claimed("e1", &rig, secs(35))];
    let out = rig.page(Some(Page { events, waiting: 1, ..Page::default() }));
    assert_eq!(out, ["release e1 for 0"], "a page that comes too late");
}

#[test]
fn a_connection_takes_no_more_together_than_it_has_room_for() {
    let own = || Fetched::fresh(event("o"));
    let any = || Fetched::fresh(shared("s"));
    assert_eq!(taken_together(&[own(), any(), own(), any()], 3), 3);
    assert_eq!(taken_together(&[own(), any()], 3), 2);
    assert_eq!(taken_together(&[any(), any(), any(), own()], 1), 3, "some of them may be refused");
    assert_eq!(taken_together(&[own(), own(), any()], 0), 2, "what nobody else gets is read ahead");
    assert_eq!(taken_together(&[any(), own()], 0), 0);
}

#[test]
fn a_claim_that_ends_before_the_acknowledgement_is_due_is_extended() {
    let mut rig = Rig::looking(Limits { max_in_flight: 9, ..patient() });
    let events = vec![claimed("e1", &rig, secs(30)), claimed("e2", &rig, secs(29))];
    let out = rig.page(Some(Page { events, more: false, waiting: 2, ..Page::default() }));
    assert_eq!(out, ["event e1 #1", "event e2 #1", "extend e2 by 30000", "caught up"]);
}

#[test]
fn refusing_what_is_not_in_flight_means_nothing() {
    let mut rig = holding(&["e1"]);
    assert!(rig.nack(&["e9"], r#","terminal":true"#).is_empty());
}

#[test]
fn who_has_not_asked_for_it_learns_that_the_frame_is_unknown() {
    let mut rig = Rig::live(limits());
    rig.push(&event("e1"));
    for (kind, payload) in [
        ("nack", r#"{"eventIds":["e1"]}"#),
        ("progress", r#"{"eventIds":["e1"],"extendMs":1}"#),
        ("flow", r#"{"maxInFlight":1}"#),
    ] {
        assert_eq!(rig.frame(kind, payload), ["error INVALID_MESSAGE type to r"], "{kind}");
    }
    assert_eq!(
        rig.frame("ack", r#"{"eventIds":["e1"],"confirm":true}"#),
        ["taken e1"],
        "nor is it confirmed"
    );
}

#[test]
fn progress_moves_the_deadline_but_not_beyond_an_hour() {
    let mut rig = holding(&["e1"]);
    rig.wait(secs(20));
    assert!(rig.frame("progress", r#"{"eventIds":["e1"],"extendMs":60000}"#).is_empty());
    assert!(rig.after(secs(59)).is_empty());
    assert_eq!(rig.after(secs(1)), ["reload e1"]);
    rig.reloaded(&["e1"], &["e1"]);
    rig.wait(secs(1));
    rig.frame("progress", r#"{"eventIds":["e1"],"extendMs":3600000}"#);
    assert!(rig.after(HOUR - secs(2)).is_empty());
    assert_eq!(rig.after(secs(1)), ["reload e1"], "an hour after it was sent");
}

#[test]
fn a_pause_holds_everything_back_until_it_is_lifted() {
    let mut rig = holding(&["e1"]);
    rig.frame("flow", r#"{"maxInFlight":0}"#);
    assert_eq!(rig.push(&event("e2")), ["behind"]);
    assert!(rig.after(secs(30)).is_empty(), "nothing is sent again either");
    assert_eq!(rig.heartbeat()[0], "heartbeat_ack to r");
    let out = rig.frame("flow", r#"{"maxInFlight":1}"#);
    assert!(out.is_empty(), "e1 still fills it: {out:?}");
    let out = rig.frame("flow", r#"{"maxInFlight":50}"#);
    assert_eq!(out, ["fetch 113 beside [e1]"]);
}

#[test]
fn an_acknowledgement_is_confirmed_to_who_asked_for_that() {
    let mut rig = holding(&["e1"]);
    let out = rig.frame("ack", r#"{"eventIds":["e1","e9"],"confirm":true}"#);
    assert_eq!(out, ["taken e1,e9", "confirm e1,e9"]);
}

#[test]
fn an_expired_event_is_not_sent() {
    let mut rig = Rig::looking(patient());
    let fresh = event("e1");
    let late = Event { expires_at: Some(START.wall.plus(secs(1))), ..Event::clone(&event("e2").event) };
    let events = vec![Fetched::fresh(Arc::new(Delivery::new(Arc::new(late)))), Fetched::fresh(fresh)];
    rig.wait(secs(1));
    let out = rig.page(Some(Page { events, more: false, waiting: 2, ..Page::default() }));
    assert_eq!(out, ["event e1 #1", "caught up"]);
}

#[test]
fn an_event_for_any_daemon_moves_on_when_this_one_does_not_take_it() {
    let mut rig = Rig::extended(Limits { max_in_flight: 4, ..patient() });
    for name in ["e1", "e2", "e3"] {
        rig.push(&shared(name));
    }
    rig.drained();
    assert_eq!(rig.nack(&["e1"], r#","delayMs":700"#), ["note e1 #1 crashes 0", "release e1 for 700"]);
    let extended = rig.frame("progress", r#"{"eventIds":["e2"],"extendMs":60000}"#);
    assert_eq!(extended, ["extend e2 by 60000"], "the others must wait for it");
    assert_eq!(
        rig.after(secs(30)),
        ["note e3 #1 crashes 0", "release e3 for 0"],
        "no acknowledgement in time"
    );
    assert_eq!(rig.gone(false), ["release e2 for 0"]);
}

#[test]
fn an_event_that_breaks_its_connection_three_times_is_given_up() {
    let crash = |crashes: u32, attempts: u32| {
        let mut rig = Rig::looking(patient());
        let suspect = Fetched { crashes, attempts, ..Fetched::fresh(event("poison")) };
        rig.page(Some(Page { events: vec![suspect], more: false, waiting: 1, ..Page::default() }));
        rig.drained();
        rig.wait(secs(2));
        rig.gone(true)
    };
    assert_eq!(crash(0, 0), ["note poison #1 crashes 1"]);
    assert_eq!(crash(1, 1), ["note poison #2 crashes 2"]);
    assert_eq!(crash(2, 2), ["dead poison #3 crash_loop"]);
}

#[test]
fn nobody_is_suspected_without_a_reason() {
    let mut late = holding(&["e1"]);
    late.wait(secs(6));
    assert!(late.gone(true).is_empty(), "the connection broke long after the event");
    let mut orderly = holding(&["e1"]);
    assert!(orderly.gone(false).is_empty(), "it did not break");
    let mut unread = Rig::extended(patient());
    unread.push(&event("e1"));
    assert!(unread.gone(true).is_empty(), "the event never left the hub");
}

#[test]
fn a_suspect_is_tried_alone_and_what_waits_flows_when_it_is_none() {
    let mut rig = Rig::looking(Limits { max_in_flight: 10, ..patient() });
    let suspect = Fetched { crashes: 2, attempts: 2, ..Fetched::fresh(event("e1")) };
    let events = vec![suspect, fetched("e2", 0), fetched("e3", 0)];
    let out = rig.page(Some(Page { events, more: false, waiting: 3, ..Page::default() }));
    assert_eq!(out, ["event e1 #3"], "alone");
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "event e2 #1", "event e3 #1", "caught up"]);
}

#[test]
fn a_suspect_that_breaks_nothing_in_time_holds_up_nobody() {
    let mut rig = Rig::looking(Limits { max_in_flight: 10, ..patient() });
    let suspect = Fetched { crashes: 2, attempts: 2, ..Fetched::fresh(event("e1")) };
    rig.page(Some(Page {
        events: vec![suspect, fetched("e2", 0)],
        more: false,
        waiting: 2,
        ..Page::default()
    }));
    assert_eq!(rig.after(secs(5)), ["fetch 73 beside [e1]"]);
    assert_eq!(rig.page(page(&["e2"], false)), ["event e2 #1", "caught up"]);
}

#[test]
fn a_suspect_waits_only_for_what_could_be_blamed_instead() {
    let mut rig = Rig::looking(Limits { max_in_flight: 10, ..patient() });
    let suspect = || Fetched { crashes: 2, attempts: 2, ..Fetched::fresh(event("e2")) };
    let events = vec![fetched("hung", 0), suspect(), fetched("e3", 0)];
    let look = |events| Some(Page { events, waiting: 3, ..Page::default() });
    assert_eq!(rig.page(look(events)), ["event hung #1"]);
    assert_eq!(rig.session.flow().blocked, Some(Blocked::Quarantine), "and that can be seen");
    assert!(rig.after(secs(5) - millis(1)).is_empty());
    assert_eq!(rig.after(millis(1)), ["fetch 73 beside [hung]"], "what was read is old by now");
    assert_eq!(
        rig.page(look(vec![suspect(), fetched("e3", 0)])),
        ["event e2 #3"],
        "alone as far as it matters"
    );
    assert_eq!(rig.session.flow().blocked, Some(Blocked::Quarantine));
    rig.drained();
    rig.wait(secs(4));
    assert_eq!(rig.gone(true), ["dead e2 #3 crash_loop"], "and the other one is not blamed");
}

#[test]
fn a_daemon_learns_what_it_missed_and_what_waits() {
    let mut rig = Rig::opened(limits());
    let mut out = Vec::new();
    let missed = Some(Gap { dropped: 3, expired: 0 });
    let admission = Admission { gap: missed, depth: 7, backlog: true, ..admission() };
    rig.session.on_admitted(Ok(admission), None, rig.now, &mut out);
    let Some(Effect::Send(ServerMessage::AuthSuccess(success), _)) = out.first() else { panic!("{out:?}") };
    assert_eq!((success.gap, success.backlog, success.resumed), (missed, 7, false));
}

#[test]
fn a_window_of_a_thousand_wakes_up_at_one_moment() {
    let mut rig = Rig::extended(Limits { max_in_flight: 1000, ..patient() });
    for n in 0..1000 {
        rig.push(&event(&format!("e{n}")));
        rig.wait(millis(1));
    }
    rig.drained();
    assert_eq!(rig.session.flow().in_flight, 1000);
    let first = rig.session.next_deadline();
    rig.ack(&["e0"]);
    assert_eq!(rig.session.next_deadline().since(first), millis(1), "the next one's");
}

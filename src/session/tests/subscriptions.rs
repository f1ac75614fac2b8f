//! Subscribing, unsubscribing, and what is restored.

use super::fixtures::*;
use crate::{
    domain::scope::ScopeSet,
    session::effect::{Admission, Limits},
};

fn with_scopes(names: &[&str], strict_scopes: bool) -> Rig {
    let mut rig = Rig::opened(Limits { strict_scopes, ..limits() });
    rig.admit(Admission { scopes: ScopeSet::from_names(names.iter().copied()), ..admission() });
    rig
}

#[test]
fn subscribing_is_silent_and_merges() {
    let mut rig = with_scopes(&["messages:read"], false);
    assert_eq!(rig.subscribe(&["message.received"]), ["subscribed message.received"]);
    assert_eq!(rig.subscribe(&["vp.*"]), ["subscribed message.received,vp.*"]);
    assert_eq!(rig.unsubscribe(&["message.received"]), ["subscribed vp.*"]);
    assert_eq!(rig.unsubscribe(&["*"]), ["subscribed "]);
}

#[test]
fn what_changes_nothing_emits_nothing() {
    let mut rig = Rig::looking(limits());
    rig.page(page(&[], false));
    assert!(rig.subscribe(&["*"]).is_empty());
    assert!(rig.unsubscribe(&["message.received"]).is_empty());
}

#[test]
fn messages_read_is_enough_unless_the_hub_is_strict() {
    let mut rig = with_scopes(&["messages:read"], false);
    assert_eq!(rig.subscribe(&["channel.joined"]), ["subscribed channel.joined"]);
    let mut rig = with_scopes(&["messages:read"], true);
    assert_eq!(rig.subscribe(&["message.sent", "channel.joined"]), ["error INSUFFICIENT_SCOPE to r"]);
    assert_eq!(rig.subscribe(&["presence.*"]), ["error INSUFFICIENT_SCOPE to r"]);
    assert_eq!(rig.subscribe(&["message.sent", "vp.mentioned"]), ["subscribed message.sent,vp.mentioned"]);
    let mut rig = with_scopes(&["vp:status"], false);
    assert_eq!(rig.subscribe(&["message.sent"]), ["error INSUFFICIENT_SCOPE to r"]);
    assert_eq!(rig.subscribe(&["system.maintenance"]), ["subscribed system.maintenance"]);
}

#[test]
fn too_many_types_are_refused_as_a_whole() {
    let mut rig = with_scopes(&["messages:read"], false);
    let names: Vec<String> = (0..49).map(|n| format!("t.{n}")).collect();
    rig.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(rig.subscribe(&["x.1", "x.2"]), ["error INVALID_MESSAGE eventTypes to r"]);
    let [now] = &rig.subscribe(&["x.1"])[..] else { panic!("one effect") };
    assert!(now.ends_with("t.48,x.1"), "nothing of the refused frame was applied: {now}");
    assert_eq!(rig.subscribe(&["x.2"]), ["error INVALID_MESSAGE eventTypes to r"]);
}

#[test]
fn what_was_subscribed_to_before_is_restored_after_the_greeting() {
    let mut rig = Rig::opened(limits());
    let restored = Admission { subscriptions: Some(subscribed_to(&["message.*"])), ..admission() };
    assert_eq!(rig.admit(restored), ["auth_success to a", "subscribed message.*", "caught up"]);
    assert_eq!(rig.push(&event("e1")), ["event e1 #1"]);
    assert!(rig.subscribe(&["message.*"]).is_empty(), "nothing is replayed twice");
}

#[test]
fn nothing_to_restore_is_not_restored() {
    let mut rig = Rig::opened(limits());
    let nothing = Admission { subscriptions: Some(subscribed_to(&[])), ..admission() };
    assert_eq!(rig.admit(nothing), ["auth_success to a", "caught up"]);
}

#[test]
fn a_new_subscription_looks_for_what_waits_if_anything_may() {
    let mut rig = with_scopes(&["messages:read"], false);
    assert_eq!(rig.subscribe(&["a.b"]), ["subscribed a.b"]);
    rig.session.note_backlog();
    assert_eq!(rig.subscribe(&["c.d"]), ["subscribed a.b,c.d", "behind", "fetch 66 beside []"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
    let again = rig.subscribe(&["e.f"]);
    assert_eq!(again, ["subscribed a.b,c.d,e.f", "behind", "fetch 66 beside []"], "the queue was not empty");
    assert_eq!(rig.page(empty_queue()), ["caught up"]);
    assert_eq!(rig.subscribe(&["g.h"]), ["subscribed a.b,c.d,e.f,g.h"]);
}

#[test]
fn what_is_wanted_no_more_is_not_sent_from_what_was_read_ahead() {
    let mut rig = Rig::looking(limits());
    assert_eq!(rig.page(page(&["e1", "e2", "e3"], false)), ["event e1 #1", "event e2 #1"]);
    assert_eq!(rig.unsubscribe(&["*"]), ["subscribed "]);
    assert_eq!(rig.ack(&["e1"]), ["taken e1", "caught up"]);
    let again = rig.subscribe(&["message.received"]);
    assert_eq!(again, ["subscribed message.received", "behind", "fetch 65 beside [e2]"]);
    assert_eq!(rig.page(page(&["e3"], false)), ["event e3 #1", "caught up"]);
}

#[test]
fn a_push_that_is_not_wanted_is_a_hint_for_later() {
    let mut rig = with_scopes(&["messages:read"], false);
    rig.subscribe(&["a.b"]);
    assert_eq!(rig.push(&event("e1")), ["behind", "fetch 66 beside []"]);
    assert_eq!(rig.page(page(&[], false)), ["caught up"]);
    let wanted = rig.subscribe(&["message.received"]);
    assert_eq!(wanted, ["subscribed a.b,message.received", "behind", "fetch 66 beside []"]);
}

#[test]
fn what_was_noted_during_a_look_outlives_its_empty_page() {
    let mut rig = with_scopes(&["messages:read"], false);
    rig.hint();
    rig.session.note_backlog();
    assert_eq!(rig.page(empty_queue()), ["caught up"]);
    let wanted = rig.subscribe(&["a.b"]);
    assert_eq!(wanted, ["subscribed a.b", "behind", "fetch 66 beside []"]);
}

#[test]
fn a_subscription_during_the_second_look_is_looked_for_although_the_first_found_nothing() {
    let mut rig = with_scopes(&["messages:read"], false);
    rig.hint();
    rig.hint();
    assert_eq!(rig.page(empty_queue()), ["fetch 66 beside []"]);
    assert_eq!(rig.subscribe(&["message.received"]), ["subscribed message.received"]);
    assert_eq!(rig.page(page(&[], false)), ["fetch 66 beside []"], "the look used the old interest");
    assert_eq!(rig.page(page(&["e1"], false)), ["event e1 #1", "caught up"]);
}

#[test]
fn what_the_token_does_not_allow_is_not_restored() {
    let restored = |names: &[&str], scopes: &[&str]| {
        let mut rig = Rig::opened(Limits { strict_scopes: true, ..limits() });
        rig.admit(Admission {
            subscriptions: Some(subscribed_to(names)),
            scopes: ScopeSet::from_names(scopes.iter().copied()),
            ..admission()
        })
    };
    let out = restored(&["message.*", "presence.*", "vp.*"], &["messages:read"]);
    assert_eq!(out, ["auth_success to a", "subscribed message.*,vp.*", "caught up"]);
    assert_eq!(restored(&["*"], &["vp:status"]), ["auth_success to a", "caught up"]);
}

#[test]
fn a_renewed_token_that_allows_less_takes_subscriptions_away() {
    let mut rig = Rig::live(limits());
    let less = Admission { scopes: ScopeSet::from_names(["vp:status"]), ..admission() };
    assert_eq!(rig.admit(less), ["auth_success to a", "subscribed "]);
    assert_eq!(rig.push(&event("e1")), ["behind", "fetch 66 beside []"], "it is not sent");
    assert!(rig.admit(admission()).len() == 1, "and more scopes subscribe to nothing");
}

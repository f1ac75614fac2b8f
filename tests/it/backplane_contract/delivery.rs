//! What becomes of events that are not simply taken: claimed, expired, given up, tried again, lost.

use std::{sync::Arc, time::Duration};

use neolith_hub::{
    backplane::{
        commit::{Ack, Claim, DeadLetter, OrchestratorCommit, Sent, StoreOutcome::AlreadyAcknowledged},
        dead_letters::{DeadLetters, Unfiled},
        inspection::{Inspection, Ledger},
        queue::{CLAIM_COURTESY, EventQueue, Expired, Loaded, QUEUE_CAPACITY},
        registry::{Attach, ConnectionRegistry},
        trail::{Among, EventTrail, LastSend, Outcome, Receipt, Whereabouts},
    },
    domain::{
        attempt::{Attempt, Ended, MAX_HISTORY},
        clock::Timestamp,
        event::{Audience, Event},
        gap::Gap,
        ids::{ConnectionId, OrganizationId},
    },
};

use super::{Harness, fixtures::*};

fn organization() -> OrganizationId {
    OrganizationId::parse("org_1").expect("an id")
}

fn expiring(name: &str, at: Timestamp, after: u64) -> Arc<Event> {
    let expires_at = Some(at.plus(Duration::from_millis(after)));
    Arc::new(Event { expires_at, ..event(name, at).as_ref().clone() })
}

/// How the first `count` deliveries of an event ended.
fn history(count: usize, at: Timestamp) -> Vec<Attempt> {
    let attempt = |attempt| Attempt {
        attempt,
        sent_at: at,
        daemon_id: daemon("d1"),
        connection_id: ConnectionId::random(),
        outcome: Ended::Refused,
        reason: Some("not now".into()),
    };
    (1..).take(count).map(attempt).collect()
}

async fn books<B: Inspection>(backplane: &B) -> Ledger {
    let books = backplane.ledger(&orchestrator("vp_1")).await.expect("readable");
    let left = books.acknowledged + books.expired + books.dropped + books.dead;
    assert_eq!(books.accepted, left + books.queued, "{books:?}");
    books
}

pub(crate) async fn an_event_expires_by_its_own_word<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    commit_at(backplane, "vp_1", at, |group| {
        group.stores.extend([expiring("brief", at, 50), expiring("longer", at, 500), event("long", at)]);
        group.stores.push(expiring("over", at.minus(Duration::from_secs(5)), 1));
    })
    .await;
    let expire_at = |after| backplane.expire(at.plus(Duration::from_millis(after)));
    let one = || Ok(vec![Expired { orchestrator: orchestrator("vp_1"), count: 1 }]);
    assert_eq!(expire_at(50).await, one(), "what was over when it came, and no more yet");
    assert_eq!(expire_at(51).await, one());
    assert_eq!(expire_at(51).await, Ok(Vec::new()), "once");
    commit_at(backplane, "vp_1", at, |group| group.acks.push(ack("longer"))).await;
    assert_eq!(expire_at(501).await, Ok(Vec::new()), "it was taken in time");
    assert_eq!(waiting(backplane, "vp_1").await, ["long"]);
    assert_eq!(books(backplane).await.expired, 2);
    let later = |group: &mut OrchestratorCommit| group.stores.push(expiring("late", at, 1000));
    commit_at(backplane, "vp_1", at, later).await;
    assert_eq!(expire_at(1001).await, one(), "also where others wait for longer");
}

pub(crate) async fn a_dead_letter_waits_to_be_filed<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let all = history(MAX_HISTORY + 2, at);
    let letter = DeadLetter { history: all.clone(), ..dead("poison") };
    let outcome = commit_at(backplane, "vp_1", at, |group| {
        group.organization = Some(organization());
        group.stores.extend([event("poison", at), event("other", at)]);
        group.dead.extend([letter, dead("never_seen")]);
    })
    .await;
    assert_eq!(outcome.dead, 1);
    commit_at(backplane, "vp_1", at, |group| group.dead.push(dead("other"))).await;
    let letters = backplane.unfiled(10).await.expect("readable");
    let expected = Unfiled {
        key: letters[0].key.clone(),
        orchestrator: orchestrator("vp_1"),
        organization: Some(organization()),
        id: id("poison"),
        reason: "max_attempts".to_owned(),
        attempts: 10,
        daemon: Some(daemon("d1")),
        history: all[2..].to_vec(),
        at,
        body: body("poison").into(),
    };
    assert_eq!(letters[0], expected);
    assert_eq!((letters.len(), &letters[1].id), (2, &id("other")));
    assert_eq!(letters[1].organization, Some(organization()), "it is known from before");
    assert_eq!(backplane.unfiled(1).await.expect("readable"), letters[..1], "the oldest");
    for _ in 0..2 {
        backplane.filed(&letters[..1]).await.expect("filed, also twice");
    }
    assert_eq!(backplane.unfiled(10).await.expect("readable"), letters[1..]);
    let foreign = Unfiled { key: "another_store".to_owned(), ..letters[0].clone() };
    backplane.filed(&[foreign, letters[1].clone()]).await.expect("what is not known is ignored");
    assert_eq!(backplane.unfiled(10).await, Ok(Vec::new()));
}

pub(crate) async fn a_redriven_event_waits_as_if_it_were_new<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    commit_at(backplane, "vp_1", at, |group| {
        group.stores.extend([event("poison", at), event("other", at)]);
        group.sent.push(Sent { crashes: 3, history: history(2, at), ..sent("poison", "d1", 9) });
    })
    .await;
    commit_at(backplane, "vp_1", at, |group| group.dead.push(dead("poison"))).await;
    assert_eq!(books(backplane).await.dead, 1);
    let again = commit_at(backplane, "vp_1", at, |group| group.stores.push(event("poison", at))).await;
    assert_eq!(again.stores, [AlreadyAcknowledged], "its publisher cannot bring it back");
    let later = at.plus(Duration::from_secs(9));
    for redriven in [1, 0] {
        let back = expiring("poison", at, 10);
        let outcome = commit_at(backplane, "vp_1", later, |group| group.redriven.push(back)).await;
        assert_eq!(outcome.redriven, redriven, "one that waits is left alone");
        let books = books(backplane).await;
        assert_eq!((books.accepted, books.dead, books.queued), (2, 0, 2));
    }
    assert_eq!(waiting(backplane, "vp_1").await, ["other", "poison"], "at the present time");
    let found = backplane.load(&orchestrator("vp_1"), &daemon("d1"), &[id("poison")]).await;
    assert_eq!(found, Ok(vec![loaded("poison", None)]));
    assert_eq!(backplane.expire(later).await, Ok(Vec::new()), "although its own time was over");
    assert_eq!(commit(backplane, |group| group.acks.push(ack("poison"))).await.acknowledged, 1);
    assert_eq!(books(backplane).await.acknowledged, 1);
}

pub(crate) async fn what_is_known_of_deliveries_comes_back<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let all = history(MAX_HISTORY + 1, at);
    let told = Sent { crashes: 2, history: all.clone(), ..sent("told", "d1", 11) };
    let untold = Sent { history: all[..MAX_HISTORY].to_vec(), ..sent("untold", "d1", 11) };
    commit(backplane, |group| {
        group.stores.extend([event("told", at), event("untold", at)]);
        group.sent.extend([told.clone(), untold.clone()]);
    })
    .await;
    let found = backplane.load(&orchestrator("vp_1"), &daemon("d1"), &[id("told"), id("untold")]).await;
    let told = Loaded { history: all[1..].to_vec(), ..loaded("told", Some(&told)) };
    let untold = loaded("untold", Some(&untold));
    assert_eq!(found, Ok(vec![told, untold.clone()]));
    let last = untold.history.last().expect("an attempt");
    assert_eq!((last.attempt, last.outcome), (11, Ended::Disconnected), "nobody said how it ended");
    assert_eq!(untold.history.len(), MAX_HISTORY);
}

pub(crate) async fn what_any_daemon_tried_all_of_them_know<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (at, owner) = (now(), orchestrator("vp_1"));
    let [one, other] = ["d1", "d2"].map(attach);
    for request in [&one, &other] {
        attached(backplane, request).await;
    }
    commit(backplane, |group| group.stores.extend([for_any("e", at), for_any("new", at)])).await;
    let read = async || backplane.load(&owner, &daemon("d2"), &ids(&["e", "new"])).await;
    let until = at.plus(Duration::from_secs(30));
    let claim = async |who: &Attach| {
        backplane.claim(&owner, who.connection, &ids(&["e"]), 1, until, at).await.expect("an answer")
    };
    claim(&one).await;
    assert_eq!(read().await, Ok(vec![loaded("e", None), loaded("new", None)]), "a claim is no attempt");

    let first = Sent { connection: one.connection, shared: true, ..sent("e", "d1", 1) };
    let history = history(3, at);
    let crashed = Sent { attempts: 3, crashes: 2, history: history.clone(), ..first.clone() };
    for (noted, latest) in [(&first, &first), (&crashed, &crashed), (&first, &crashed)] {
        commit(backplane, |group| group.sent.push(noted.clone())).await;
        assert_eq!(read().await, Ok(vec![loaded("e", Some(latest)), loaded("new", None)]));
    }
    backplane.release(&owner, one.connection, &ids(&["e"]), at).await.expect("let go");
    assert_eq!(claim(&other).await, [Some(1)]);
    assert_eq!(read().await.expect("read")[0].history, history, "whoever had it");
    let second = Sent { connection: other.connection, shared: true, attempts: 4, ..sent("e", "d2", 4) };
    commit(backplane, |group| group.sent.push(second.clone())).await;
    assert_eq!(
        backplane.load(&owner, &daemon("d1"), &ids(&["e"])).await,
        Ok(vec![loaded("e", Some(&second))])
    );

    commit(backplane, |group| group.dead.push(dead("e"))).await;
    commit(backplane, |group| group.redriven.push(for_any("e", at))).await;
    let again = backplane.load(&owner, &daemon("d3"), &ids(&["e"])).await;
    assert_eq!(again, Ok(vec![loaded("e", None)]), "it is new again");
}

pub(crate) async fn every_end_has_a_receipt<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let later = at.plus(Duration::from_secs(1));
    let stores = ["taken", "poison", "purged"].map(|name| event(name, at));
    commit_at(backplane, "vp_1", at, |group| {
        group.organization = Some(organization());
        group.completed.push(Ack { attempts: 0, ..ack("completed") });
        group.stores.extend(stores);
        group.stores.push(expiring("brief", at, 10));
    })
    .await;
    commit_at(backplane, "vp_1", later, |group| {
        group.acks.extend([ack("taken"), ack("unknown")]);
        group.dead.push(dead("poison"));
    })
    .await;
    backplane.expire(later).await.expect("expired");
    backplane.purge(&orchestrator("vp_1")).await.expect("purged");
    let of = async |name: &str, of: Option<&OrganizationId>| {
        let among = of.map_or(Among::Everybody { first: None }, Among::Organization);
        backplane.receipts(&id(name), among).await.expect("readable").found
    };
    let receipt = |name: &str, outcome, at| Receipt {
        event: id(name),
        orchestrator: orchestrator("vp_1"),
        organization: Some(organization()),
        outcome,
        at,
        daemon: Some(daemon("d1")),
        attempts: 1,
        reason: None,
    };
    let bare = |receipt| Receipt { daemon: None, attempts: 0, ..receipt };
    let completed = Receipt { attempts: 0, ..receipt("completed", Outcome::Acknowledged, at) };
    assert_eq!(of("completed", None).await, [completed]);
    assert_eq!(of("taken", None).await, [receipt("taken", Outcome::Acknowledged, later)]);
    let reason = Some("max_attempts".to_owned());
    let given_up = Receipt { attempts: 10, reason, ..receipt("poison", Outcome::Dead, later) };
    assert_eq!(of("poison", Some(&organization())).await, [given_up]);
    assert_eq!(of("brief", None).await, [bare(receipt("brief", Outcome::Expired, later))]);
    let purged = of("purged", None).await;
    assert_eq!(purged, [bare(receipt("purged", Outcome::Dropped, purged[0].at))]);
    assert!(of("unknown", None).await.is_empty());
    let stranger = OrganizationId::parse("org_2").expect("an id");
    assert!(of("taken", Some(&stranger)).await.is_empty());
}

pub(crate) async fn each_way_of_an_event_has_its_own_receipt<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    for (after, owner) in [(0, "vp_1"), (1, "vp_2")] {
        let at = at.plus(Duration::from_secs(after));
        commit_at(backplane, owner, at, |group| {
            group.stores.push(event("e", at));
            group.dead.push(dead("e"));
        })
        .await;
    }
    let later = at.plus(Duration::from_secs(2));
    commit_at(backplane, "vp_1", later, |group| {
        group.redriven.push(event("e", later));
        group.acks.push(ack("e"));
    })
    .await;
    let found = backplane.receipts(&id("e"), Among::Everybody { first: None }).await.expect("readable").found;
    let ends: Vec<_> = found.iter().map(|end| (end.orchestrator.as_str(), end.outcome)).collect();
    let expected = [("vp_1", Outcome::Dead), ("vp_2", Outcome::Dead), ("vp_1", Outcome::Acknowledged)];
    assert_eq!(ends, expected);
    assert!(found.iter().all(|end| end.organization.is_none()));
}

pub(crate) async fn a_waiting_event_can_be_found<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    attached(backplane, &attach("d1")).await;
    commit(backplane, |group| group.stores.extend(["a", "b", "c"].map(|name| event(name, at)))).await;
    commit_at(backplane, "vp_2", at, |group| group.stores.push(event("b", at))).await;
    let delivery = sent("b", "d1", 4);
    commit(backplane, |group| group.sent.push(delivery.clone())).await;
    let (connection, sent_at) = (delivery.connection, delivery.at);
    let expected = Whereabouts {
        orchestrator: orchestrator("vp_1"),
        position: 2,
        time: at,
        body: body("b").into(),
        sends: vec![LastSend { daemon: daemon("d1"), connection, at: sent_at, attempts: 4 }],
    };
    let found = backplane.whereabouts(&id("b"), Some(&orchestrator("vp_1"))).await;
    assert_eq!(found, Ok(vec![expected]));
    let mut everywhere = backplane.whereabouts(&id("b"), None).await.expect("readable");
    everywhere.sort_by(|one, other| one.orchestrator.cmp(&other.orchestrator));
    let places: Vec<_> =
        everywhere.iter().map(|found| (found.orchestrator.as_str(), found.position)).collect();
    assert_eq!(places, [("vp_1", 2), ("vp_2", 1)]);
    assert_eq!(backplane.whereabouts(&id("never"), None).await, Ok(Vec::new()));
    let places = backplane.places(&orchestrator("vp_1"), &ids(&["c", "never", "a"])).await;
    assert_eq!(places, Ok(vec![Some(3), None, Some(1)]));
    assert_eq!(backplane.places(&orchestrator("vp_1"), &ids(&["b"])).await, Ok(vec![Some(2)]));
    assert_eq!(backplane.places(&orchestrator("nobody"), &ids(&["b"])).await, Ok(vec![None]));
}

pub(crate) async fn losses_are_announced_once_to_each_daemon<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let connect = async |name: &str| attached(backplane, &attach(name)).await.gap;
    assert_eq!(connect("d1").await, None);
    commit_at(backplane, "vp_1", at, |group| {
        group.stores.extend((0..QUEUE_CAPACITY + 3).map(|n| expiring(&format!("e{n}"), at, 10)));
    })
    .await;
    let dropped = Some(Gap { dropped: 3, expired: 0 });
    assert_eq!(connect("d2").await, dropped, "it is the first to hear of it");
    backplane.expire(at.plus(Duration::from_millis(11))).await.expect("expired");
    let all = Some(Gap { dropped: 3, expired: QUEUE_CAPACITY });
    assert_eq!(connect("d1").await, all, "everything since it was told");
    assert_eq!(connect("d2").await, Some(Gap { dropped: 0, expired: QUEUE_CAPACITY }));
    assert_eq!(connect("d3").await, None, "it was told of before it came");
    for name in ["d1", "d2", "d3"] {
        assert_eq!(connect(name).await, None, "once");
    }
    commit(backplane, |group| group.stores.push(event("last", at))).await;
    backplane.purge(&orchestrator("vp_1")).await.expect("purged");
    for name in ["d1", "d3", "d2"] {
        assert_eq!(connect(name).await, Some(Gap { dropped: 1, expired: 0 }), "an admin's drops count");
    }
    let elsewhere = Attach { orchestrator: orchestrator("vp_2"), ..attach("d4") };
    assert_eq!(attached(backplane, &elsewhere).await.gap, None);
}

fn for_any(name: &str, at: Timestamp) -> Arc<Event> {
    Arc::new(Event { audience: Audience::Any, ..event(name, at).as_ref().clone() })
}

pub(crate) async fn of_several_connections_one_has_an_event<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (at, owner) = (now(), orchestrator("vp_1"));
    let [one, other] = ["d1", "d2"].map(attach);
    for request in [&one, &other] {
        attached(backplane, request).await;
    }
    let until = at.plus(Duration::from_secs(30));
    for request in [&one, &other] {
        let claim = Claim { id: id("e"), connection: request.connection, until };
        commit_at(backplane, "vp_1", at, |group| {
            group.stores.extend([for_any("e", at), for_any("unclaimed", at)]);
            group.claims.push(claim);
        })
        .await;
    }
    let ask = async |who: &Attach, name: &str, after: Duration| {
        let now = at.plus(after);
        let until = now.plus(Duration::from_secs(30));
        let answer = backplane.claim(&owner, who.connection, &ids(&[name, "never"]), 2, until, now).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer[1], None, "what does not wait");
        answer[0]
    };
    let (soon, then) = (Duration::from_secs(1), Duration::from_secs(2));
    assert_eq!(ask(&other, "e", soon).await, None, "the batch that appended it chose");
    assert_eq!(ask(&one, "e", soon).await, Some(0), "it has it");
    assert_eq!(ask(&other, "unclaimed", soon).await, Some(0));
    assert_eq!(ask(&one, "unclaimed", soon).await, None);

    let let_go = async |who: &Attach| {
        backplane
            .release(&owner, who.connection, &ids(&["e", "never"]), at.plus(then))
            .await
            .expect("let go");
    };
    let_go(&other).await;
    assert_eq!(ask(&other, "e", soon).await, None, "nobody lets go of what another has");
    let_go(&one).await;
    assert_eq!(ask(&other, "e", soon).await, None, "too soon");
    assert_eq!(ask(&one, "e", then).await, None, "it stands back, for there is another one");
    assert_eq!(ask(&other, "e", then).await, Some(1));
    assert_eq!(ask(&one, "e", then + CLAIM_COURTESY).await, None);
    assert_eq!(ask(&one, "e", then + Duration::from_secs(30)).await, Some(2), "nothing was heard of it");

    backplane.detach(&[end_of(&one)]).await.expect("detached");
    assert_eq!(ask(&other, "e", then).await, Some(3), "its connection is gone");
    let_go(&other).await;
    assert_eq!(ask(&other, "e", then).await, Some(4), "it is the only one");

    commit(backplane, |group| group.dead.push(dead("e"))).await;
    commit(backplane, |group| group.redriven.push(for_any("e", at))).await;
    assert_eq!(ask(&other, "e", then).await, Some(0), "a claim goes with its event");

    let names = ids(&["never", "more", "evenmore", "e"]);
    commit_at(backplane, "vp_1", at, |group| {
        group.stores.extend([for_any("more", at), for_any("evenmore", at)]);
    })
    .await;
    let granted = backplane.claim(&owner, other.connection, &names, 1, until, at).await;
    assert_eq!(granted, Ok(vec![None, Some(0), None, None]), "no more than it has room for");
}

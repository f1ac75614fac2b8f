//! The event queue.

use std::time::Duration;

use neolith_hub::backplane::{
    commit::{
        OrchestratorCommit,
        StoreOutcome::{AlreadyAcknowledged, Duplicate, Stored},
    },
    queue::{
        EXPIRY_SLACK, EventQueue, Expired, LegacyClaim, LegacySource, QUEUE_CAPACITY, RETENTION, Waiting,
    },
};

use super::{Harness, fixtures::*};

pub(crate) async fn appending_is_idempotent<H: Harness>(_: &H, backplane: &H::Backplane) {
    let append = |group: &mut OrchestratorCommit| group.stores.push(event("e", now()));
    assert_eq!(commit(backplane, append).await.stores, [Stored]);
    assert_eq!(commit(backplane, append).await.stores, [Duplicate]);
    let twice = |group: &mut OrchestratorCommit| group.stores.extend([event("f", now()), event("f", now())]);
    assert_eq!(commit(backplane, twice).await.stores, [Stored, Duplicate]);
    assert_eq!(waiting(backplane, "vp_1").await, ["e", "f"]);
}

pub(crate) async fn repeating_a_batch_changes_nothing<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let changes = |group: &mut OrchestratorCommit| {
        group.completed.push(ack("completed"));
        group.stores.extend([event("waiting", at), event("taken", at)]);
        group.acks.push(ack("taken"));
        group.sent.push(sent("waiting", "d1", 1));
    };
    let first = commit(backplane, changes).await;
    assert_eq!((first.stores, first.acknowledged), (vec![Stored, Stored], 1));
    let again = commit(backplane, changes).await;
    assert_eq!((again.stores, again.acknowledged), (vec![Duplicate, AlreadyAcknowledged], 0));
    assert_eq!(waiting(backplane, "vp_1").await, ["waiting"]);
    assert_eq!(backplane.depths(&[orchestrator("vp_1")]).await, Ok(vec![1]));
}

pub(crate) async fn order_is_kept_inside_one_millisecond<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    // Names that sort the other way round, over two batches.
    for names in [["z", "y", "x"], ["c", "b", "a"]] {
        commit(backplane, |group| group.stores.extend(names.map(|name| event(name, at)))).await;
    }
    assert_eq!(waiting(backplane, "vp_1").await, ["z", "y", "x", "c", "b", "a"]);
}

pub(crate) async fn older_events_go_first_however_late_they_arrive<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    commit(backplane, |group| group.stores.push(event("newer", at))).await;
    let before = at.minus(Duration::from_secs(1));
    commit(backplane, |group| group.stores.push(event("older", before))).await;
    assert_eq!(waiting(backplane, "vp_1").await, ["older", "newer"]);
}

pub(crate) async fn an_event_from_the_future_is_ordered_by_its_arrival<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    let later = at.plus(Duration::from_millis(1));
    let tomorrow = event("tomorrow", at.plus(Duration::from_secs(24 * 3600)));
    commit_at(backplane, "vp_1", at, |group| group.stores.push(tomorrow)).await;
    commit_at(backplane, "vp_1", later, |group| group.stores.push(event("today", later))).await;
    assert_eq!(waiting(backplane, "vp_1").await, ["tomorrow", "today"]);
}

pub(crate) async fn higher_priority_goes_first<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let before = at.minus(Duration::from_secs(1));
    commit(backplane, |group| {
        group.stores.extend([
            prioritised("low", before, -1),
            prioritised("normal", at, 0),
            prioritised("urgent", at, 7),
            prioritised("urgent_too", at, 7),
        ]);
    })
    .await;
    let order = backplane.waiting(&orchestrator("vp_1")).await.expect("readable");
    let expected = [("urgent", 7), ("urgent_too", 7), ("normal", 0), ("low", -1)];
    assert_eq!(order, expected.map(|(name, priority)| Waiting { id: id(name), priority }));
}

pub(crate) async fn an_acknowledgement_removes_the_event_and_is_remembered<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    commit(backplane, |group| group.stores.extend([event("e", now()), event("f", now())])).await;
    let outcome = commit(backplane, |group| group.acks.push(ack("e"))).await;
    assert_eq!(outcome.acknowledged, 1);
    assert_eq!(waiting(backplane, "vp_1").await, ["f"]);
    let late_duplicate = commit(backplane, |group| group.stores.push(event("e", now()))).await;
    assert_eq!(late_duplicate.stores, [AlreadyAcknowledged]);
    assert_eq!(waiting(backplane, "vp_1").await, ["f"]);
}

pub(crate) async fn an_acknowledgement_of_the_unknown_is_ignored<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let outcome = commit(backplane, |group| group.acks.push(ack("e"))).await;
    assert_eq!(outcome.acknowledged, 0);
    let outcome = commit(backplane, |group| group.stores.push(event("e", now()))).await;
    assert_eq!(outcome.stores, [Stored], "it was not remembered as acknowledged");
}

pub(crate) async fn a_completed_event_is_never_queued<H: Harness>(_: &H, backplane: &H::Backplane) {
    let outcome = commit(backplane, |group| group.completed.push(ack("e"))).await;
    assert_eq!(outcome.acknowledged, 0, "nothing left the queue");
    let outcome = commit(backplane, |group| group.stores.push(event("e", now()))).await;
    assert_eq!(outcome.stores, [AlreadyAcknowledged]);
    assert!(waiting(backplane, "vp_1").await.is_empty());
}

pub(crate) async fn completing_takes_a_queued_event_away<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit(backplane, |group| group.stores.push(event("e", now()))).await;
    let outcome = commit(backplane, |group| group.completed.push(ack("e"))).await;
    assert_eq!(outcome.acknowledged, 1);
    assert!(waiting(backplane, "vp_1").await.is_empty());
}

pub(crate) async fn the_changes_of_a_group_take_effect_in_their_order<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let outcome = commit(backplane, |group| {
        group.sent.extend([sent("kept", "d1", 1), sent("taken", "d1", 1)]);
        group.acks.push(ack("taken"));
        group.stores.extend([event("kept", now()), event("taken", now()), event("completed", now())]);
        group.completed.push(ack("completed"));
    })
    .await;
    assert_eq!(outcome.stores, [Stored, Stored, AlreadyAcknowledged]);
    assert_eq!(outcome.acknowledged, 1);
    let loaded = backplane.load(&orchestrator("vp_1"), &daemon("d1"), &[id("kept")]).await.expect("readable");
    assert_eq!(loaded.first().map(|loaded| loaded.attempts), Some(1));
}

pub(crate) async fn a_full_queue_drops_its_oldest_and_says_which<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    let start = at.minus(Duration::from_secs(60));
    let all: Vec<_> = (0..QUEUE_CAPACITY + 2)
        .map(|n| event(&format!("e{n}"), start.plus(Duration::from_millis(n))))
        .collect();
    let full = usize::try_from(QUEUE_CAPACITY).expect("small");
    let outcome =
        commit_at(backplane, "vp_1", at, |group| group.stores.extend_from_slice(&all[..full])).await;
    assert!(outcome.dropped.is_empty());
    let outcome =
        commit_at(backplane, "vp_1", at, |group| group.stores.extend_from_slice(&all[full..])).await;
    assert_eq!(outcome.dropped, ids(&["e0", "e1"]));
    assert_eq!(backplane.depths(&[orchestrator("vp_1")]).await, Ok(vec![QUEUE_CAPACITY]));
    let left = waiting(backplane, "vp_1").await;
    assert_eq!((left.len(), left[0].as_str()), (full, "e2"));
    let gone = backplane.load(&orchestrator("vp_1"), &daemon("d1"), &ids(&["e0"])).await;
    assert_eq!(gone, Ok(Vec::new()));
}

pub(crate) async fn orchestrators_do_not_share_a_queue<H: Harness>(_: &H, backplane: &H::Backplane) {
    for owner in ["vp_1", "vp_2"] {
        let outcome = commit_at(backplane, owner, now(), |group| group.stores.push(event("e", now()))).await;
        assert_eq!(outcome.stores, [Stored]);
    }
    commit(backplane, |group| group.acks.push(ack("e"))).await;
    assert!(waiting(backplane, "vp_1").await.is_empty());
    assert_eq!(waiting(backplane, "vp_2").await, ["e"]);
}

pub(crate) async fn events_expire_once_and_are_counted<H: Harness>(_: &H, backplane: &H::Backplane) {
    let at = now();
    let later = at.plus(Duration::from_secs(60));
    commit_at(backplane, "vp_1", at, |group| group.stores.extend([event("a", at), event("b", at)])).await;
    commit_at(backplane, "vp_1", later, |group| group.stores.push(event("c", later))).await;
    commit_at(backplane, "vp_2", later, |group| group.stores.push(event("d", later))).await;
    let due = at.plus(RETENTION).minus(EXPIRY_SLACK);
    assert_eq!(backplane.expire(due).await, Ok(Vec::new()), "not yet");
    let overdue = due.plus(Duration::from_millis(1));
    let expired = vec![Expired { orchestrator: orchestrator("vp_1"), count: 2 }];
    assert_eq!(backplane.expire(overdue).await, Ok(expired));
    assert_eq!(backplane.expire(overdue).await, Ok(Vec::new()), "once");
    assert_eq!(waiting(backplane, "vp_1").await, ["c"]);
    assert_eq!(waiting(backplane, "vp_2").await, ["d"]);
}

pub(crate) async fn only_what_still_waits_is_loaded_in_the_order_asked_for<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let at = now();
    commit(backplane, |group| group.stores.extend(["a", "b", "c"].map(|name| event(name, at)))).await;
    commit(backplane, |group| group.acks.push(ack("b"))).await;
    let asked = ids(&["c", "b", "never", "a"]);
    let found = backplane.load(&orchestrator("vp_1"), &daemon("d1"), &asked).await.expect("readable");
    let expected = ["c", "a"].map(|name| loaded(name, None));
    assert_eq!(found, expected);
}

pub(crate) async fn attempts_are_counted_for_each_daemon<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit(backplane, |group| {
        group.stores.push(event("e", now()));
        group.sent.push(sent("e", "d1", 1));
    })
    .await;
    commit(backplane, |group| group.sent.push(sent("e", "d1", 2))).await;
    for (asking, attempts) in [("d1", 2), ("d2", 0)] {
        let loaded =
            backplane.load(&orchestrator("vp_1"), &daemon(asking), &[id("e")]).await.expect("readable");
        assert_eq!(loaded[0].attempts, attempts, "{asking}");
    }
}

pub(crate) async fn dead_letters_leave_the_queue_for_good<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit(backplane, |group| group.stores.extend([event("poison", now()), event("next", now())])).await;
    let give_up = |group: &mut OrchestratorCommit| group.dead.extend([dead("poison"), dead("never_seen")]);
    commit(backplane, give_up).await;
    assert_eq!(waiting(backplane, "vp_1").await, ["next"]);
    let outcome = commit(backplane, give_up).await;
    assert_eq!(outcome.acknowledged, 0);
    let late_duplicate = commit(backplane, |group| group.stores.push(event("poison", now()))).await;
    assert_ne!(late_duplicate.stores, [Stored], "what is not tried again is not queued again");
    assert_eq!(waiting(backplane, "vp_1").await, ["next"]);
}

pub(crate) async fn depths_answer_for_each_in_turn<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit_at(backplane, "vp_1", now(), |group| group.stores.push(event("a", now()))).await;
    commit_at(backplane, "vp_2", now(), |group| {
        group.stores.extend([event("b", now()), event("c", now())]);
    })
    .await;
    let asked = ["vp_2", "nobody", "vp_1"].map(orchestrator);
    assert_eq!(backplane.depths(&asked).await, Ok(vec![2, 0, 1]));
    assert_eq!(backplane.depths(&[]).await, Ok(Vec::new()));
}

pub(crate) async fn acknowledged_ids_are_there_for_a_hub_that_starts<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    assert_eq!(backplane.recently_acknowledged().await, Ok(Vec::new()));
    commit_at(backplane, "vp_1", now(), |group| {
        group.stores.extend([event("taken", now()), event("waiting", now())]);
        group.acks.push(ack("taken"));
    })
    .await;
    commit_at(backplane, "vp_2", now(), |group| group.completed.push(ack("completed"))).await;
    let mut recent = backplane.recently_acknowledged().await.expect("readable");
    recent.sort();
    let expected = [(orchestrator("vp_1"), id("taken")), (orchestrator("vp_2"), id("completed"))];
    assert_eq!(recent, expected);
}

pub(crate) async fn without_a_legacy_list_nothing_is_claimed<H: Harness>(_: &H, backplane: &H::Backplane) {
    let sources = [
        LegacySource::Orchestrator(orchestrator("vp_1")),
        LegacySource::Daemon(daemon("d1"), orchestrator("vp_1")),
        LegacySource::Routing(orchestrator("vp_1")),
    ];
    for source in sources {
        let claim = backplane.claim_legacy(&source).await.expect("an answer");
        assert_eq!(claim, LegacyClaim { source, entries: Vec::new() });
        assert_eq!(backplane.release_legacy(&claim).await, Ok(()));
    }
}

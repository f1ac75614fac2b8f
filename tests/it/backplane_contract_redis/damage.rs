//! Keys of the hub in which somebody else has put something.

use std::{sync::Arc, time::Duration};

use neolith_hub::{
    backplane::{
        commit::{Claim, OrchestratorCommit, StoreOutcome},
        dead_letters::DeadLetters,
        inspection::{Inspection, Ledger},
        queue::{EventQueue, Expired, RETENTION},
        recount::Recount,
    },
    domain::{clock::Timestamp, event::Event, ids::ConnectionId},
};

use super::Redis;
use crate::backplane_contract::{
    Harness,
    fixtures::{ack, commit, commit_at, dead, event, id, now, orchestrator, prioritised, waiting},
};

/// An event each for `vp_1` and `vp_2` that is due at the returned moment.
async fn with_two_queues() -> (Redis, Timestamp) {
    let (hub, at) = (Redis::start().await, now());
    for owner in ["vp_1", "vp_2"] {
        commit_at(&hub.backplane, owner, at, |group| group.stores.push(event("e", at))).await;
    }
    (hub, at.plus(RETENTION))
}

async fn ledger(hub: &Redis, owner: &str) -> Ledger {
    hub.backplane.ledger(&orchestrator(owner)).await.expect("readable")
}

#[tokio::test]
async fn a_broken_queue_keeps_no_other_one_from_expiring() {
    for key in ["daemon:events:vp_1:data", "daemon:events:vp_1:meta", "hub:expiries:vp_1", "hub:claims:vp_1"]
    {
        let (hub, due) = with_two_queues().await;
        let _: usize = hub.run(&["DEL", key]);
        let _: () = hub.run(&["SET", key, "x"]);
        let expired = hub.backplane.expire(due).await;
        assert_eq!(expired, Ok(vec![Expired { orchestrator: orchestrator("vp_2"), count: 1 }]), "{key}");
        assert_eq!(waiting(&hub.backplane, "vp_1").await, ["e"], "{key}: nothing is half done");
        assert_eq!(hub.backplane.expire(due).await, Ok(Vec::new()), "{key}: it waits");
        let _: usize = hub.run(&["DEL", key]);
        let later = due.plus(Duration::from_secs(601));
        let expired = hub.backplane.expire(later).await;
        assert_eq!(expired, Ok(vec![Expired { orchestrator: orchestrator("vp_1"), count: 1 }]), "{key}");
    }
}

#[tokio::test]
async fn an_entry_of_the_index_that_names_nobody_is_removed() {
    let (hub, due) = with_two_queues().await;
    let _: usize = hub.run(&["ZADD", "hub:queues", "1", "no orchestrator"]);
    assert_eq!(hub.backplane.expire(due).await.expect("expired").len(), 2);
    assert_eq!(hub.run::<usize>(&["ZCARD", "hub:queues"]), 0);
}

/// Changes of every kind, to a queue that holds `a` and `b`.
fn change_everything(group: &mut OrchestratorCommit, at: Timestamp) {
    let expires_at = Some(at.plus(Duration::from_secs(60)));
    let urgent = Event { expires_at, ..prioritised("c", at, 5).as_ref().clone() };
    group.completed.extend([ack("a"), ack("passing")]);
    group.stores.push(Arc::new(urgent));
    let until = at.plus(Duration::from_secs(30));
    group.claims.push(Claim { id: id("c"), connection: ConnectionId::random(), until });
    group.redriven.push(event("redriven", at));
    group.acks.push(ack("b"));
    group.dead.push(dead("c"));
}

#[tokio::test]
async fn a_group_with_a_foreign_key_fails_whole() {
    for key in [
        "daemon:events:vp_1",
        "daemon:events:vp_1:data",
        "daemon:events:vp_1:meta",
        "daemon:ack:vp_1",
        "hub:ack:vp_1",
        "hub:priorities:vp_1",
        "hub:expiries:vp_1",
        "hub:claims:vp_1",
        "hub:unfiled",
    ] {
        let (hub, at) = (Redis::start().await, now());
        commit(&hub.backplane, |group| group.stores.extend(["a", "b"].map(|name| event(name, at)))).await;
        let before = ledger(&hub, "vp_1").await;
        let existed = hub.run::<usize>(&["EXISTS", key]) == 1;
        if existed {
            let _: () = hub.run(&["RENAME", key, "aside"]);
        }
        let _: () = hub.run(&["SET", key, "x"]);
        let keys: usize = hub.run(&["DBSIZE"]);
        let failed = commit(&hub.backplane, |group| change_everything(group, at)).await;
        assert!(failed.failure.is_some(), "{key}: {failed:?}");
        assert_eq!(failed.stores, [StoreOutcome::Failed], "{key}");
        assert_eq!(hub.run::<usize>(&["DBSIZE"]), keys, "{key}: nothing was written");
        let _: usize = hub.run(&["DEL", key]);
        if existed {
            let _: () = hub.run(&["RENAME", "aside", key]);
        }
        assert_eq!(waiting(&hub.backplane, "vp_1").await, ["a", "b"], "{key}");
        assert_eq!(ledger(&hub, "vp_1").await, before, "{key}");
        assert_eq!(hub.backplane.unfiled(9).await, Ok(Vec::new()), "{key}");

        let done = commit(&hub.backplane, |group| change_everything(group, at)).await;
        assert_eq!((done.failure, done.stores), (None, vec![StoreOutcome::Stored]), "{key}");
        let after = ledger(&hub, "vp_1").await;
        assert_eq!((after.accepted, after.imbalance(), after.queued), (5, 0, 1), "{key}: {after:?}");
    }
}

#[tokio::test]
async fn what_is_only_written_beside_a_queue_keeps_nothing_from_it() {
    for key in ["hub:queues", "hub:acknowledged", "hub:receipts", "hub:receipts:-"] {
        let (hub, at) = (Redis::start().await, now());
        let _: () = hub.run(&["SET", key, "x"]);
        commit(&hub.backplane, |group| group.stores.extend(["a", "b"].map(|name| event(name, at)))).await;
        let done = commit(&hub.backplane, |group| change_everything(group, at)).await;
        assert_eq!((done.failure, done.stores), (None, vec![StoreOutcome::Stored]), "{key}");
        assert_eq!(ledger(&hub, "vp_1").await.imbalance(), 0, "{key}");
    }
}

#[tokio::test]
async fn a_count_that_cannot_be_is_found() {
    let (hub, _) = with_two_queues().await;
    let meta = "daemon:events:vp_1:meta";
    let _: usize = hub.run(&["HSET", meta, "dropped", "-3", "dead", "many"]);
    let found = hub.backplane.snapshot(&orchestrator("vp_1")).await.expect("readable").foreign;
    let expected =
        ["count of -3 dropped", "count of many dead"].map(|what| (meta.to_owned(), what.to_owned()));
    assert_eq!(found, expected);
}

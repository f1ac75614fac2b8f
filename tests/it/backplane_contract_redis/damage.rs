//! Keys of the hub in which somebody else has put something.

use std::time::Duration;

use neolith_hub::{
    backplane::{
        inspection::{Inspection, Ledger},
        queue::{EventQueue, Expired, RETENTION},
    },
    domain::clock::Timestamp,
};

use super::Redis;
use crate::backplane_contract::{
    Harness,
    fixtures::{ack, commit_at, event, now, orchestrator, waiting},
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

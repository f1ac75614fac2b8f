//! What is kept of deliveries that nobody acknowledges.

use neolith_hub::backplane::queue::EventQueue;

use super::Redis;
use crate::backplane_contract::{
    Harness,
    fixtures::{ack, commit, commit_at, daemon, event, id, ids, now, orchestrator, sent},
};

const NOTED: &str = "daemon:pending_ack:d2";

fn noted(hub: &Redis) -> usize {
    hub.run(&["HLEN", NOTED])
}

/// As of two daemons of one orchestrator of which one takes everything.
#[tokio::test]
async fn what_another_daemon_took_is_forgotten() {
    let hub = Redis::start().await;
    let mut most = 0;
    for round in 0..12 {
        let names: Vec<String> = (0..500).map(|number| format!("e{round}_{number}")).collect();
        commit(&hub.backplane, |group| {
            group.stores.extend(names.iter().map(|name| event(name, now())));
            group.sent.extend(names.iter().map(|name| sent(name, "d2", 1)));
        })
        .await;
        most = most.max(noted(&hub));
        commit(&hub.backplane, |group| group.acks.extend(names.iter().map(|name| ack(name)))).await;
    }
    assert!(most < 3500, "{most} of 6000 were kept");
    commit(&hub.backplane, |group| {
        group.stores.push(event("waits", now()));
        group.sent.push(sent("waits", "d2", 7));
    })
    .await;
    for round in 0..50 {
        commit(&hub.backplane, |group| group.sent.push(sent(&format!("gone{round}"), "d2", 1))).await;
    }
    let found = hub.backplane.load(&orchestrator("vp_1"), &daemon("d2"), &[id("waits")]).await;
    assert_eq!(found.expect("readable")[0].attempts, 7, "what waits is kept");
}

#[tokio::test]
async fn what_is_found_to_be_gone_is_forgotten() {
    let hub = Redis::start().await;
    commit(&hub.backplane, |group| {
        group.stores.extend(["a", "b"].map(|name| event(name, now())));
        group.sent.extend(["a", "b"].map(|name| sent(name, "d2", 1)));
    })
    .await;
    commit(&hub.backplane, |group| group.acks.push(ack("a"))).await;
    assert_eq!(noted(&hub), 2);
    let found = hub.backplane.load(&orchestrator("vp_1"), &daemon("d2"), &ids(&["a", "b"])).await;
    assert_eq!((found.expect("readable").len(), noted(&hub)), (1, 1));
}

/// Two tenants may call their daemons alike, and their events.
#[tokio::test]
async fn deliveries_of_another_orchestrators_event_count_for_nothing() {
    let hub = Redis::start().await;
    for owner in ["vp_1", "vp_2"] {
        commit_at(&hub.backplane, owner, now(), |group| group.stores.push(event("e", now()))).await;
    }
    commit_at(&hub.backplane, "vp_2", now(), |group| group.sent.push(sent("e", "d2", 9))).await;
    let attempts = async |owner: &str| {
        let found = hub.backplane.load(&orchestrator(owner), &daemon("d2"), &[id("e")]).await;
        let found = found.expect("readable").remove(0);
        (found.attempts, found.history.len())
    };
    assert_eq!((attempts("vp_1").await, attempts("vp_2").await), ((0, 0), (9, 1)));
    let _: usize = hub.run(&["HSET", NOTED, "e", r#"{"attempts":3,"connId":"x"}"#]);
    assert_eq!(attempts("vp_1").await, (3, 0), "what an original hub wrote counts");
    let known: Vec<String> = hub.run(&["HKEYS", NOTED]);
    assert_eq!(known, ["e"]);
}

//! What becomes of entries of the stream that are confirmed.

use std::time::Duration;

use neolith_hub::backplane::ingress::IngressStream;

use super::Redis;
use crate::backplane_contract::{Harness, fixtures::node};

const PATIENCE: Duration = Duration::from_secs(1);

/// A stream with three entries, of which the hub has read as many as it is told to.
async fn with_entries(read: usize) -> (Redis, Vec<String>) {
    let hub = Redis::start().await;
    let ids = (0..3).map(|_| hub.run(&["XADD", "hub:ingress", "*", "event", "{}"])).collect();
    let entries = hub.backplane.read_new(&node("n1"), read, PATIENCE).await.expect("readable");
    assert_eq!(entries.len(), read);
    (hub, ids)
}

#[tokio::test]
async fn what_is_confirmed_is_gone() {
    let (hub, ids) = with_entries(2).await;
    hub.backplane.confirm(&ids[..2], &[]).await.expect("confirmed");
    let backlog = hub.backplane.tidy(&node("n1")).await.expect("tidied");
    assert_eq!((backlog.waiting, backlog.pending, hub.run(&["XLEN", "hub:ingress"])), (1, 0, 1));
}

/// As a hub that died between confirming and deleting has left it.
#[tokio::test]
async fn what_was_confirmed_and_left_is_removed() {
    let (hub, ids) = with_entries(2).await;
    let _: usize = hub.run(&["XACK", "hub:ingress", "hubs", &ids[0]]);
    let backlog = hub.backplane.tidy(&node("n1")).await.expect("tidied");
    assert_eq!((backlog.waiting, backlog.pending), (1, 1), "the first one is gone, the second one held");
    let _: usize = hub.run(&["XACK", "hub:ingress", "hubs", &ids[1]]);
    let backlog = hub.backplane.tidy(&node("n1")).await.expect("tidied");
    assert_eq!((backlog.waiting, backlog.pending), (1, 0), "the third one was never read");
    let read = hub.backplane.read_new(&node("n1"), 9, PATIENCE).await.expect("readable");
    assert_eq!(read[0].id, ids[2]);
}

/// As an operator does who wants entries to be read once more.
#[tokio::test]
async fn what_is_to_be_read_again_is_kept() {
    let (hub, ids) = with_entries(3).await;
    let _: usize = hub.run(&["XACK", "hub:ingress", "hubs", &ids[0], &ids[1]]);
    let _: () = hub.run(&["XGROUP", "SETID", "hub:ingress", "hubs", "0"]);
    hub.backplane.tidy(&node("n1")).await.expect("tidied");
    assert_eq!(hub.run::<usize>(&["XLEN", "hub:ingress"]), 3);
}

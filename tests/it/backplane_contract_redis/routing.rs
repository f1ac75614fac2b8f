//! The queue of messages that routers share.

use std::time::Duration;

use neolith_hub::backplane::{
    BackplaneError,
    routing::{QueueBounds, RoutingRecords},
};

use super::Redis;
use crate::backplane_contract::{Harness, fixtures::orchestrator};

const LIST: &str = "routing:queue:vp_1";
const BOUNDS: QueueBounds = QueueBounds { size: 2, lifetime: Duration::from_secs(60) };

async fn queue(hub: &Redis, message: &'static str) -> Result<Vec<String>, BackplaneError> {
    let dropped = hub.backplane.queue_message(&orchestrator("vp_1"), &message.into(), BOUNDS).await?;
    let dropped = dropped.expect("a queue of messages");
    Ok(dropped.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
}

#[tokio::test]
async fn a_full_queue_of_messages_names_what_it_drops() {
    let hub = Redis::start().await;
    for (message, dropped) in [("a", &[][..]), ("b", &[]), ("c", &["a"])] {
        assert_eq!(queue(&hub, message).await.expect("queued"), dropped, "{message}");
    }
    // As an original router leaves it, which trims after the hub has looked.
    let _: usize = hub.run(&["RPUSH", LIST, "d"]);
    assert_eq!(queue(&hub, "e").await.expect("queued"), ["b", "c"]);
    assert_eq!(hub.run::<Vec<String>>(&["LRANGE", LIST, "0", "-1"]), ["d", "e"]);
    hub.assert_lives(LIST, 60);
}

#[tokio::test]
async fn a_server_without_memory_is_away_and_a_foreign_key_is_a_mistake() {
    let hub = Redis::start().await;
    let _: () = hub.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let problem = queue(&hub, "a").await.expect_err("no memory");
    assert!(matches!(problem, BackplaneError::Unavailable(_)), "{problem:?}");
    let _: () = hub.run(&["CONFIG", "SET", "maxmemory", "0"]);
    let _: () = hub.run(&["SET", LIST, "x"]);
    let problem = queue(&hub, "a").await.expect_err("no list");
    assert!(matches!(problem, BackplaneError::Corrupt(_)), "{problem:?}");
}

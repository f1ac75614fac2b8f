//! The event that a hub sends itself: it comes back, leaves nothing behind, and is missed when it does not.

use std::fs;

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use serde_json::{Value, json};

use crate::support::{
    event::Event,
    eventually::eventually,
    hub::Hub,
    identity::Identity,
    in_both_modes, metrics, publisher,
    redis::RedisServer,
    socket::Daemon,
    world::{Mode, World},
};

in_both_modes! {
    a_canary_comes_back_and_leaves_nothing_behind,
    a_canary_that_is_lost_makes_the_hub_unready_until_one_comes_back,
    nobody_publishes_to_a_canary_from_outside,
    nobody_connects_as_a_canary,
}

const OFTEN: (&str, &str) = ("HUB_CANARY_INTERVAL_MS", "100");
const IMPATIENT: (&str, &str) = ("HUB_CANARY_TIMEOUT_MS", "1000");

/// Whom the hub's canaries are for.
fn target(hub: &Hub, mode: Mode) -> String {
    match mode {
        Mode::Embedded => "hub_canary_embedded".to_owned(),
        Mode::Redis => format!("hub_canary_{}", fs::read_to_string(hub.data_dir().join("node")).unwrap()),
    }
}

fn returned(hub: &Hub) -> f64 {
    metrics::total(hub, "hub_canary_round_trip_seconds_count", &[])
}

fn readiness(hub: &Hub) -> (u16, Value) {
    let response = hub.call("GET", "/ready").send();
    (response.status, response.json())
}

/// Waits until a canary comes back that is not on its way yet.
fn wait_for_the_next(hub: &Hub) {
    let before = returned(hub);
    eventually(|| returned(hub) >= before + 2.0, "canaries come back");
}

/// Lets the store lose what the hub sends itself, or no more.
fn lose_canaries(world: &World, mode: Mode, lose: bool) {
    match mode {
        Mode::Redis => {
            // Somebody else uses the key of the queue: storing fails for this queue alone.
            let queue = format!("daemon:events:{}", target(&world.hub, mode));
            let _: i64 = world.redis().run(&["DEL", &queue]);
            if lose {
                let _: String = world.redis().run(&["SET", &queue, "mine"]);
            }
        }
        Mode::Embedded => {
            let file = world.hub.data_dir().join("queue.db").display().to_string();
            let mut file = SqliteConnection::establish(&file).unwrap();
            file.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
            file.batch_execute(if lose {
                "CREATE TRIGGER lose BEFORE INSERT ON queue_entries
                 WHEN NEW.orchestrator = 'hub_canary_embedded' BEGIN SELECT RAISE(IGNORE); END"
            } else {
                "DROP TRIGGER lose"
            })
            .unwrap();
        }
    }
}

fn a_canary_comes_back_and_leaves_nothing_behind(mode: Mode) {
    let world = mode.start_with(&[OFTEN]);
    eventually(|| returned(&world.hub) >= 3.0, "canaries come back");
    let (status, body) = readiness(&world.hub);
    assert_eq!((status, &body["canary"]["status"], &body["reasons"]), (200, &json!("up"), &json!([])));
    assert!(body["canary"]["roundTripMs"].is_u64(), "{body}");
    assert_eq!(metrics::total(&world.hub, "hub_canary_ok", &[]), 1.0);
    // And nobody is bothered with them
    for name in ["hub_queue_depth", "hub_queues", "ws_events_total", "hub_events_dropped_total"] {
        assert_eq!(metrics::total(&world.hub, name, &[]), 0.0, "{name}");
    }
    let page = world.hub.call("GET", "/api/admin/orchestrators").operator().expect(200);
    assert!(!page.to_string().contains("hub_canary_"), "{page}");
    if mode == Mode::Redis {
        assert!(world.redis().run::<Vec<String>>(&["KEYS", "hub:receipts*"]).is_empty());
    }
}

fn a_canary_that_is_lost_makes_the_hub_unready_until_one_comes_back(mode: Mode) {
    let world = mode.start_with(&[OFTEN, IMPATIENT]);
    wait_for_the_next(&world.hub);
    lose_canaries(&world, mode, true);
    eventually(|| readiness(&world.hub).0 == 503, "the hub is not ready");
    let (_, body) = readiness(&world.hub);
    assert_eq!((&body["backplane"]["status"], &body["store"]["status"]), (&json!("up"), &json!("up")));
    assert_eq!(body["canary"]["status"], "down");
    assert!(body["canary"]["lateMs"].as_u64() >= Some(1000), "{body}");
    let reason = body["reasons"][0].as_str().unwrap();
    assert!(reason.contains("has come back"), "{body}");
    assert_eq!(metrics::total(&world.hub, "hub_canary_ok", &[]), 0.0);
    assert_eq!(world.hub.get("/health").status, 200);
    // And the others' events still get through
    let mut daemon = world.subscriber(&Identity::new());
    let event = Event::to(daemon.identity());
    world.publish(&event);
    assert_eq!(daemon.take_event()["eventId"], event.id());

    lose_canaries(&world, mode, false);
    eventually(|| readiness(&world.hub).0 == 200, "the hub is ready again");
    assert_eq!(metrics::total(&world.hub, "hub_canary_ok", &[]), 1.0);
}

fn nobody_publishes_to_a_canary_from_outside(mode: Mode) {
    let world = mode.start_with(&[OFTEN]);
    for reserved in [target(&world.hub, mode), "hub_canary_of_nobody".to_owned()] {
        let event = Event::to(&Identity::new()).set("orchestratorId", reserved.as_str());
        let response = publisher::post_json(&world.hub, event.json());
        assert_eq!(publisher::statuses(&response), ["rejected"], "{response:?}");
        let path = format!("/api/admin/orchestrators/{reserved}/queue");
        world.hub.call("GET", &path).operator().refused(404, "NOT_FOUND");
    }
    let page = json!({ "id": "hub_canary_mine", "name": "Mine" });
    let refused = world.hub.call("POST", "/api/admin/orchestrators").operator().json(&page).send();
    refused.assert_json_error(400);
}

fn nobody_connects_as_a_canary(mode: Mode) {
    let world = mode.start_with(&[OFTEN]);
    let target = target(&world.hub, mode);
    let identity = Identity::new().with_claim("sub", target.as_str());
    let identity = identity.with_claim("orchestratorId", target.as_str()).with_claim("vpId", target.as_str());
    let mut daemon = Daemon::open(&world.hub);
    daemon.auth(&identity.claiming(target));
    daemon.expect_refusal("AUTH_FAILED", 4001);
}

#[test]
fn a_hub_whose_redis_hangs_is_unready_and_its_canaries_come_back_with_it() {
    let mut redis = RedisServer::start();
    let hub = Hub::setup().envs(&[OFTEN, IMPATIENT]).redis(&redis).start();
    wait_for_the_next(&hub);
    redis.pause();
    let late = || readiness(&hub).1["canary"]["status"] == "down";
    eventually(late, "the canary is missed");
    assert_eq!(readiness(&hub).0, 503);
    redis.resume();
    eventually(|| readiness(&hub).0 == 200, "the hub is ready again");
    wait_for_the_next(&hub);
}

#[test]
fn hubs_on_one_redis_do_not_take_each_others_canaries() {
    let redis = RedisServer::start();
    let hubs = [(); 2].map(|()| Hub::setup().envs(&[OFTEN]).redis(&redis).start());
    hubs.iter().for_each(wait_for_the_next);
    // Each has books of its own, and both balance
    for hub in &hubs {
        let meta = format!("daemon:events:{}:meta", target(hub, Mode::Redis));
        let accepted: u64 = redis.run(&["HGET", &meta, "accepted"]);
        assert!(accepted >= 2, "{accepted}");
    }
}

#[test]
fn without_canaries_nothing_is_sent_and_the_hub_is_ready() {
    let redis = RedisServer::start();
    let hub = Hub::setup().env("HUB_CANARY_ENABLED", "false").redis(&redis).start();
    let (status, body) = readiness(&hub);
    assert_eq!((status, &body["canary"]["status"]), (200, &json!("off")));
    assert!(redis.run::<Vec<String>>(&["KEYS", "*hub_canary*"]).is_empty());
}

//! The keys and channels that other programs read.

use serde_json::{Value, json};

use crate::support::{
    event::Event,
    eventually::{DEADLINE, eventually},
    identity::{Identity, unique},
    redis::RedisServer,
    socket::Daemon,
    world::Mode,
};

const WEEK: i64 = 7 * 24 * 3600;

/// Waits until `key` exists, and asserts that it goes away by itself within `most` seconds.
#[track_caller]
fn assert_lives_at_most(redis: &RedisServer, key: &str, most: i64) {
    let exists = || redis.command::<usize>(&format!("EXISTS {key}")) == 1;
    eventually(exists, &format!("{key} exists"));
    let left: i64 = redis.command(&format!("TTL {key}"));
    assert!((1..=most).contains(&left), "{key} has {left} s left, at most {most} are documented");
}

#[track_caller]
fn json_at(redis: &RedisServer, key: &str) -> Value {
    let text: Option<String> = redis.command(&format!("GET {key}"));
    serde_json::from_str(&text.unwrap_or_else(|| panic!("{key} does not exist"))).unwrap()
}

#[test]
fn a_connection_is_written_down_while_it_lives() {
    let world = Mode::Redis.start();
    let redis = world.redis();
    let identity = Identity::new();
    let daemon = Daemon::connect(&world.hub, &identity);
    let session = daemon.session().clone();
    let (orchestrator, text) = (&identity.orchestrator, |name: &str| session[name].as_str().unwrap());
    let connections = format!("ws:vp:{orchestrator}:connections");
    let connection = format!("ws:connection:{}", text("connectionId"));

    let members: Vec<String> = redis.command(&format!("SMEMBERS {connections}"));
    assert_eq!(members, [text("connectionId")]);
    assert_lives_at_most(redis, &connection, 120);
    assert_lives_at_most(redis, &format!("daemon:session:{}", text("sessionId")), WEEK);

    let routing = format!("routing:session:{orchestrator}");
    assert_lives_at_most(redis, &routing, 3600);
    let routing = json_at(redis, &routing);
    assert_eq!(routing["status"], "active");
    assert_eq!(routing["sessionId"], text("sessionId"));
    assert_eq!(routing["daemonId"], identity.daemon);

    daemon.leave();
    let gone = || redis.command::<usize>(&format!("EXISTS {connections} {connection}")) == 0;
    eventually(gone, "the connection is forgotten");
}

#[test]
fn presence_is_written_down() {
    let world = Mode::Redis.start();
    let redis = world.redis();
    let identity = Identity::new();
    let _daemon = Daemon::connect(&world.hub, &identity);
    let orchestrator = &identity.orchestrator;
    assert_lives_at_most(redis, &format!("presence:orchestrator:{orchestrator}"), 300);
    assert_lives_at_most(redis, &format!("presence:heartbeat:vp:{orchestrator}"), 60);
    let status = || redis.command::<Option<String>>(&format!("HGET presence:vp:{orchestrator} status"));
    eventually(|| status().as_deref() == Some("ONLINE"), "the orchestrator is online");
    let presence = json_at(redis, &format!("presence:orchestrator:{orchestrator}"));
    assert_eq!(presence["status"], "online");
    assert_eq!(presence["daemonId"], identity.daemon);
}

#[test]
fn a_heartbeat_is_written_down_and_published() {
    let world = Mode::Redis.start();
    let redis = world.redis();
    let organization = unique("org");
    let identity = Identity::new().with_claim("organizationId", organization.as_str());
    let orchestrator = &identity.orchestrator;
    let mut listener = redis.client();
    let mut listener = listener.as_pubsub();
    listener.subscribe(format!("daemon:heartbeats:{organization}")).unwrap();
    listener.set_read_timeout(Some(DEADLINE)).unwrap();

    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.send("heartbeat", json!({ "status": "busy", "metrics": { "memoryUsageBytes": 4096 } }));
    assert_eq!(daemon.next_frame()["type"], "heartbeat_ack");

    let published: String = listener.get_message().unwrap().get_payload().unwrap();
    let published: Value = serde_json::from_str(&published).unwrap();
    assert_eq!(published["type"], "heartbeat");
    assert_eq!(published["orchestratorId"], *orchestrator);
    assert_eq!(published["status"], "busy");
    assert!(published["receivedAt"].is_string(), "{published}");

    let key = format!("daemon:heartbeat:{orchestrator}");
    assert_lives_at_most(redis, &key, 90);
    let record = json_at(redis, &key);
    assert_eq!(record["orchestratorId"], *orchestrator);
    assert_eq!(record["organizationId"], organization);
    assert_eq!(record["status"], "busy");
    assert_eq!(record["metrics"]["memoryUsageBytes"], 4096);
    for name in ["daemonId", "sessionId", "receivedAt"] {
        assert!(record[name].is_string(), "{name}: {record}");
    }

    let metrics = format!("daemon:metrics:{orchestrator}");
    assert_lives_at_most(redis, &metrics, 24 * 3600);
    let newest: String = redis.command(&format!("LINDEX {metrics} 0"));
    let newest: Value = serde_json::from_str(&newest).unwrap();
    assert_eq!(newest["memoryUsageBytes"], 4096);
    assert!(newest["timestamp"].is_string(), "{newest}");
}

#[test]
fn a_hundred_metrics_are_kept_and_no_more() {
    let world = Mode::Redis.start();
    let identity = Identity::new();
    let metrics = format!("daemon:metrics:{}", identity.orchestrator);
    let old = vec!["{}"; 150];
    world.redis().run::<usize>(&[&["RPUSH", metrics.as_str()], old.as_slice()].concat());
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.heartbeat();
    let kept = || world.redis().command::<usize>(&format!("LLEN {metrics}"));
    eventually(|| kept() == 100, "the list is cut");
}

#[test]
fn a_waiting_event_is_written_down_in_the_documented_layout() {
    let world = Mode::Redis.start();
    let redis = world.redis();
    let identity = Identity::new();
    let event = Event::to(&identity);
    world.publish_all([&Event::to(&identity), &event]);
    let queue = format!("daemon:events:{}", identity.orchestrator);
    eventually(|| redis.command::<usize>(&format!("ZCARD {queue}")) == 2, "the events are stored");

    for key in [queue.clone(), format!("{queue}:data"), format!("{queue}:meta")] {
        assert_lives_at_most(redis, &key, WEEK);
    }
    let score: f64 = redis.command(&format!("ZSCORE {queue} {}", event.id()));
    let published = chrono::DateTime::parse_from_rfc3339(event.field("timestamp").as_str().unwrap());
    let published = published.unwrap().timestamp_millis();
    assert_eq!(format!("{:.0}", score.floor()), published.to_string(), "ordered by its own time");
    let stored: String = redis.command(&format!("HGET {queue}:data {}", event.id()));
    let stored: Value = serde_json::from_str(&stored).unwrap();
    for field in ["id", "type", "payload", "orchestratorId", "timestamp", "requiresAck"] {
        assert_eq!(stored[field], *event.field(field), "{field}");
    }
    let accepted: u64 = redis.command(&format!("HGET {queue}:meta accepted"));
    assert_eq!(accepted, 2);
}

#[test]
fn an_event_on_its_way_is_written_down_until_it_is_acknowledged() {
    let world = Mode::Redis.start();
    let redis = world.redis();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity);
    world.publish(&event);
    daemon.next_event();
    let pending = format!("daemon:pending_ack:{}", identity.daemon);
    assert_lives_at_most(redis, &pending, WEEK);
    let entry: String = redis.command(&format!("HGET {pending} {}", event.id()));
    let entry: Value = serde_json::from_str(&entry).unwrap();
    assert_eq!(entry["attempts"], 1, "{entry}");
    assert_eq!(entry["connectionId"], daemon.session()["connectionId"]);

    daemon.ack(&[event.id()]);
    let queue = format!("daemon:events:{}", identity.orchestrator);
    let gone = || {
        redis.command::<usize>(&format!("ZCARD {queue}")) == 0
            && redis.command::<usize>(&format!("HEXISTS {pending} {}", event.id())) == 0
    };
    eventually(gone, "nothing is left of it");
    let acknowledged: u64 = redis.command(&format!("HGET {queue}:meta acknowledged"));
    assert_eq!(acknowledged, 1);
}

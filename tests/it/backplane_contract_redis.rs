//! The suite of [`super::backplane_contract`] against Redis.
#![cfg(test)]

mod damage;
mod in_flight;
mod ingress;
mod routing;
mod trail;

use std::{future::Future, time::Duration};

use futures_util::StreamExt;
use neolith_hub::{
    backplane::{
        bus::EventBus,
        inspection::Inspection,
        records::Records,
        redis::RedisBackplane,
        registrations::{Registrations, Unregister},
        registry::ConnectionRegistry,
        revocations::{Revocations, TokenIdentity},
        sessions::{SessionChange, SessionStatus, SessionUpdate, Sessions},
        status::{ExplicitPresence, ExplicitStatus, OperationalStatus, PresenceStatus, Statuses},
    },
    domain::{
        clock::Timestamp,
        ids::{ChannelId, OrganizationId},
    },
};
use serde_json::{Value, json};

use crate::{
    backplane_contract::{Harness, contract_tests, fixtures::*},
    support::{eventually::DEADLINE, redis::RedisServer},
};

/// A backplane on a server of its own.
struct Redis {
    backplane: RedisBackplane,
    server: RedisServer,
}

impl Harness for Redis {
    type Backplane = RedisBackplane;

    async fn start() -> Self {
        let server = RedisServer::start();
        let backplane = RedisBackplane::connect(&server.url()).expect("a URL");
        Self { backplane, server }
    }

    fn backplane(&self) -> &RedisBackplane {
        &self.backplane
    }

    async fn revoke(&self, jti: &str, until: Timestamp) {
        let client = ::redis::Client::open(self.server.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("connected");
        let mut set = ::redis::cmd("SET");
        set.arg(format!("daemon:tokens:revoked:{jti}")).arg("1").arg("PXAT").arg(until.0);
        set.exec_async(&mut connection).await.expect("revoked");
    }
}

contract_tests!(Redis);

impl Redis {
    /// Runs one command, given word by word.
    fn run<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.server.run(words)
    }

    fn json_at(&self, key: &str) -> Value {
        serde_json::from_str(&self.run::<String>(&["GET", key])).unwrap()
    }

    #[track_caller]
    fn assert_lives(&self, key: &str, seconds: i64) {
        let left: i64 = self.run(&["TTL", key]);
        assert!((seconds - 10..=seconds).contains(&left), "{key} has {left} s left, not {seconds}");
    }

    /// What `action` publishes on `channel`, of which there must be something.
    async fn published(&self, channel: &str, action: impl Future<Output = ()>) -> Value {
        let client = ::redis::Client::open(self.server.url()).unwrap();
        let mut listener = client.get_async_pubsub().await.unwrap();
        listener.subscribe(channel).await.unwrap();
        action.await;
        let message = tokio::time::timeout(DEADLINE, listener.on_message().next()).await;
        serde_json::from_slice(message.expect("in time").expect("a message").get_payload_bytes()).unwrap()
    }
}

#[tokio::test]
async fn a_session_of_the_original_authentication_can_be_changed() {
    let hub = Redis::start().await;
    let key = "daemon:session:daemon_session_vp_1_17";
    let original = r#"{"orchestratorId":"vp_1","scopes":[],"refreshToken":"ab","createdAt":"2024-01-01T00:00:00.000Z","lastHeartbeat":"2024-01-01T00:00:00.000Z"}"#;
    let _: () = hub.run(&["SETEX", key, "604800", original]);
    let (id, owner) = (session("daemon_session_vp_1_17"), orchestrator("vp_1"));
    let read = hub.backplane.session(&id).await.unwrap().expect("a session");
    assert!(read.expires_at > now().plus(Duration::from_secs(604_700)));
    let change = SessionChange { status: Some(SessionStatus::Idle), ..SessionChange::default() };
    let update = hub.backplane.update_session(&id, &owner, &change, now()).await;
    assert!(matches!(update, Ok(SessionUpdate::Updated(_))), "{update:?}");
    hub.assert_lives(key, 604_800);
    let record = hub.json_at(key);
    assert_eq!((&record["refreshToken"], &record["scopes"]), (&json!("ab"), &json!([])));
    assert_eq!((&record["vpId"], &record["status"]), (&json!("vp_1"), &json!("idle")));
    assert_eq!(hub.backplane.note_activity(&id, &owner, "busy", now()).await, Ok(true));
    assert_eq!(hub.json_at(key)["scopes"], json!([]));
    hub.assert_lives(key, 604_800);
}

#[tokio::test]
async fn sessions_are_indexed_and_the_indexes_pruned() {
    let hub = Redis::start().await;
    let record = crate::backplane_contract::sessions::record("s1", "vp_1");
    hub.backplane.create_session(&record).await.unwrap();
    hub.assert_lives("daemon:session:s1", 3600);
    for index in ["daemon:orchestrator:vp_1:sessions", "daemon:instance:d1:sessions"] {
        assert_eq!(hub.run::<Vec<String>>(&["SMEMBERS", index]), ["s1"]);
    }
    let _: usize = hub.run(&["DEL", "daemon:session:s1"]);
    assert_eq!(hub.backplane.sessions_of(&orchestrator("vp_1")).await, Ok(Vec::new()));
    assert_eq!(hub.run::<usize>(&["SCARD", "daemon:orchestrator:vp_1:sessions"]), 0);
}

#[tokio::test]
async fn the_legacy_set_of_revoked_tokens_is_heeded() {
    let hub = Redis::start().await;
    let _: usize = hub.run(&["SADD", "daemon:tokens:revoked", "t1"]);
    let token = TokenIdentity {
        jti: Some("t1".to_owned()),
        session: None,
        orchestrator: orchestrator("vp_1"),
        issued_at: Some(now()),
    };
    assert_eq!(hub.backplane.is_revoked(&token).await, Ok(true));
}

#[tokio::test]
async fn a_registration_and_a_leaving_are_written_down_and_announced() {
    let hub = Redis::start().await;
    hub.backplane.register(&crate::backplane_contract::registrations::of("d1"), now()).await.unwrap();
    hub.assert_lives("daemon:registration:vp_1", 604_800);
    let record = hub.json_at("daemon:registration:vp_1");
    for (name, value) in [
        ("instanceId", json!("d1")),
        ("host", json!("10.0.0.1")),
        ("port", json!(8787)),
        ("protocol", json!("https")),
        ("orchestratorId", json!("vp_1")),
        ("vpId", json!("vp_1")),
        ("organizationId", json!("org_1")),
        ("capabilities", json!([])),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    hub.backplane.heartbeats(&[heartbeat("vp_1", now())]).await.unwrap();
    let _: () = hub.run(&["HSET", "presence:vp:vp_1", "status", "ONLINE"]);
    let leaving = Unregister {
        orchestrator: orchestrator("vp_1"),
        organization: OrganizationId::parse("org_1").ok(),
        daemon: Some(daemon("d1")),
        session: None,
        at: now(),
    };
    let unregister = async { hub.backplane.unregister(&leaving).await.unwrap() };
    let update = hub.published("presence:updates:org_1", unregister).await;
    assert_eq!((&update["status"], &update["daemonId"]), (&json!("offline"), &json!("d1")));
    let gone = ["daemon:registration:vp_1", "daemon:heartbeat:vp_1", "routing:session:vp_1"];
    assert_eq!(hub.run::<usize>(&[&["EXISTS"][..], &gone].concat()), 0);
}

#[tokio::test]
async fn an_explicit_presence_is_written_down_and_announced() {
    let hub = Redis::start().await;
    // As an old revision wrote it.
    let _: () = hub.run(&["SET", "presence:vp:vp_1", "{}"]);
    let presence = |status| ExplicitPresence {
        orchestrator: orchestrator("vp_1"),
        organization: OrganizationId::parse("org_1").ok(),
        daemon: daemon("d1"),
        status,
        status_text: Some("back soon".to_owned()),
        at: now(),
    };
    let busy = presence(PresenceStatus::Busy);
    let choose = async { hub.backplane.set_presence(&busy).await.unwrap() };
    let update = hub.published("presence:updates:org_1", choose).await;
    assert_eq!(update["type"], "orchestrator_presence_update");
    assert_eq!((&update["status"], &update["statusText"]), (&json!("busy"), &json!("back soon")));
    hub.assert_lives("presence:orchestrator:vp_1", 300);
    assert_eq!(hub.json_at("presence:orchestrator:vp_1")["status"], "busy");
    assert_eq!(hub.run::<String>(&["HGET", "presence:vp:vp_1", "status"]), "BUSY");
    let away = presence(PresenceStatus::Away);
    let choose = async { hub.backplane.set_presence(&away).await.unwrap() };
    let event = hub.published("presence:events:global", choose).await;
    assert_eq!((&event["currentStatus"], &event["previousStatus"]), (&json!("AWAY"), &json!("BUSY")));
}

#[tokio::test]
async fn a_status_and_a_message_are_announced() {
    let hub = Redis::start().await;
    let status = ExplicitStatus {
        orchestrator: orchestrator("vp_1"),
        organization: OrganizationId::parse("org_1").ok(),
        daemon: daemon("d1"),
        status: OperationalStatus::Paused,
        message: None,
        at: now(),
    };
    let set = async { hub.backplane.set_status(&status).await.unwrap() };
    let update = hub.published("daemon:status:updates:org_1", set).await;
    assert_eq!(update["type"], "orchestrator_status_update");
    assert_eq!((&update["status"], &update["message"]), (&json!("paused"), &Value::Null));
    hub.assert_lives("daemon:status:vp_1", 600);

    let channel = ChannelId::parse("ch_1").unwrap();
    let json = r#"{"type":"message.new"}"#;
    let announce = async { hub.backplane.announce_message(&channel, json).await.unwrap() };
    assert_eq!(hub.published("channel:ch_1:messages", announce).await["type"], "message.new");
}

#[tokio::test]
async fn a_heartbeat_that_the_original_registration_wrote_is_understood() {
    let hub = Redis::start().await;
    let record = r#"{"orchestratorId":"vp_1","organizationId":"org_1","instanceId":"d9","registeredAt":"2024-01-01T00:00:00.000Z","status":"active"}"#;
    let _: () = hub.run(&["SETEX", "daemon:heartbeat:vp_1", "90", record]);
    let views = hub.backplane.heartbeats_of(&[orchestrator("vp_1")]).await.unwrap();
    let [Some(view)] = views.as_slice() else { panic!("{views:?}") };
    assert_eq!((view.daemon.as_deref(), view.organization.as_deref()), (Some("d9"), Some("org_1")));
    assert_eq!(Some(view.received_at), Timestamp::parse_iso("2024-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_heartbeat_over_http_makes_no_connection() {
    let hub = Redis::start().await;
    hub.backplane.heartbeats(&[heartbeat("vp_1", now())]).await.unwrap();
    hub.assert_lives("daemon:heartbeat:vp_1", 90);
    hub.assert_lives("routing:session:vp_1", 3600);
    assert_eq!(hub.run::<usize>(&["EXISTS", "ws:vp:vp_1:connections", "hub:connections"]), 0);
}

#[tokio::test]
async fn connections_whose_record_is_gone_leave_the_list() {
    let hub = Redis::start().await;
    let request = attach("d1");
    attached(&hub.backplane, &request).await;
    let _: usize = hub.run(&["DEL", &format!("ws:connection:{}", request.connection)]);
    assert_eq!(hub.backplane.connections(None, None, 10).await, Ok(Vec::new()));
    assert_eq!(hub.run::<usize>(&["EXISTS", "hub:connections"]), 0);
}

#[tokio::test]
async fn connections_of_a_hub_that_died_hold_nothing_once_their_records_are_gone() {
    let hub = Redis::start().await;
    let [lost, living] = ["d1", "d2"].map(attach);
    for request in [&lost, &living] {
        attached(&hub.backplane, request).await;
    }
    let owners = [orchestrator("vp_1"), orchestrator("vp_unknown")];
    assert_eq!(hub.backplane.forget_stale(&owners).await, Ok(0), "they are only late");
    let _: usize = hub.run(&["DEL", &format!("ws:connection:{}", lost.connection)]);
    assert_eq!(hub.backplane.forget_stale(&owners).await, Ok(1));
    let left: Vec<String> = hub.run(&["SMEMBERS", "ws:vp:vp_1:connections"]);
    assert_eq!(left, [living.connection.to_string()]);
}

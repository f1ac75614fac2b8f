//! Secrets that must not be guessed, shown or kept.

use std::{collections::HashSet, fs, process::Command};

use serde_json::json;

use crate::support::{
    hub::JWT_SECRET,
    identity::Identity,
    platform::{Stand, on_both_stands},
    socket::Daemon,
};

/// B5: a default would be known to everybody.
#[test]
fn a_hub_that_shares_its_servers_does_not_start_without_a_secret() {
    let data = tempfile::tempdir().unwrap();
    for (name, url) in [("REDIS_URL", "redis://127.0.0.1:1"), ("DATABASE_URL", "postgres://127.0.0.1:1/hub")]
    {
        let mut hub = Command::new(env!("CARGO_BIN_EXE_neolith-hub"));
        hub.arg("serve").env_clear().env("HUB_BIND", "127.0.0.1:0").env("HUB_DATA_DIR", data.path());
        let output = hub.env(name, url).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("DAEMON_JWT_SECRET"), "{said}");
    }
}

/// B29.
fn a_token_does_not_carry_what_it_is_signed_with(stand: Stand) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let login = orchestrator.login();
    for name in ["accessToken", "refreshToken"] {
        let token = login[name].as_str().unwrap();
        assert_eq!(token.split('.').count(), 3, "{token}");
        for part in token.split('.') {
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for secret in [JWT_SECRET, &orchestrator.key, &orchestrator.secret] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

/// B39: neither the accounts, nor the queue file, nor Redis, nor the log.
fn no_key_lies_anywhere_in_the_clear(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let hub = &platform.hub;
    hub.call("POST", "/api/daemon").json(&orchestrator.registration("one")).expect(201);
    let login = orchestrator.login();
    let (token, refresh) = (login["accessToken"].as_str().unwrap(), login["refreshToken"].as_str().unwrap());
    hub.call("POST", "/api/daemon/heartbeat").bearer(token).expect(200);
    let secrets = [orchestrator.key.as_str(), &orchestrator.secret, token, refresh];
    let assert_clean = |what: &str, bytes: &[u8]| {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{what} contains {secret}");
        }
    };
    for entry in fs::read_dir(hub.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
    if let Some(redis) = &platform.redis {
        let keys: Vec<String> = redis.command("KEYS *");
        assert!(keys.len() > 3, "{keys:?}");
        for key in keys {
            let text = match redis.run::<String>(&["TYPE", &key]).as_str() {
                "string" => redis.run::<String>(&["GET", &key]),
                "hash" => redis.run::<Vec<String>>(&["HGETALL", &key]).join(" "),
                "list" => redis.run::<Vec<String>>(&["LRANGE", &key, "0", "-1"]).join(" "),
                "set" => redis.run::<Vec<String>>(&["SMEMBERS", &key]).join(" "),
                "stream" => {
                    let entries: Vec<(String, Vec<String>)> = redis.run(&["XRANGE", &key, "-", "+"]);
                    entries.into_iter().map(|(_, fields)| fields.join(" ")).collect::<Vec<_>>().join(" ")
                }
                "zset" => redis.run::<Vec<String>>(&["ZRANGE", &key, "0", "-1"]).join(" "),
                kind => panic!("{key} is a {kind}"),
            };
            assert_clean(&key, format!("{key} {text}").as_bytes());
        }
    }
    assert_clean("the log", hub.log().as_bytes());
}

/// B42: addresses end up in the logs of whoever is in between.
fn a_token_in_the_address_of_a_socket_does_not_authenticate(stand: Stand) {
    let platform = stand.start();
    let path = format!("/daemon/ws?token={}", Identity::new().token);
    let mut socket = Daemon::open_at(&platform.hub, &path).unwrap();
    socket.send("subscribe", json!({ "eventTypes": ["*"] }));
    let answer = socket.next_frame();
    assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!("NOT_AUTHENTICATED")));
}

/// B43.
fn session_ids_cannot_be_guessed(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let prefix = format!("daemon_session_{}_", orchestrator.id);
    let token = orchestrator.token();
    let mut ends = HashSet::new();
    for _ in 0..10 {
        let login = orchestrator.login();
        let end = login["sessionId"].as_str().unwrap().strip_prefix(&prefix).unwrap();
        assert!(end.len() >= 20, "{end}");
        assert!(ends.insert(end.to_owned()), "{end} came twice");
        let open = json!({ "vpId": orchestrator.id, "type": "user" });
        let opened = platform.hub.call("POST", "/api/daemon/sessions").bearer(&token).json(&open).expect(201);
        let end = opened["session"]["id"].as_str().unwrap().rsplit('_').next().unwrap();
        assert!(end.len() >= 20, "{end}");
        assert!(ends.insert(end.to_owned()), "{end} came twice");
    }
}

on_both_stands!(
    a_token_does_not_carry_what_it_is_signed_with,
    no_key_lies_anywhere_in_the_clear,
    a_token_in_the_address_of_a_socket_does_not_authenticate,
    session_ids_cannot_be_guessed,
);

//! `neolith-hub admin`.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{daemon_of, dead_letters::file, id};
use crate::support::{
    event::Event,
    hub::{ADMIN_KEY, Hub},
    identity::Identity,
    platform::{Platform, Stand},
    socket::Daemon,
};

fn run(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neolith-hub"));
    command.env_clear().env("ADMIN_API_KEY", ADMIN_KEY).env("HUB_DATA_DIR", data);
    command.arg("admin").args(words).output().unwrap()
}

/// What a command that works prints, line by line.
#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn on(platform: &Platform, words: &[&str]) -> Output {
    let url = platform.hub.url("");
    run(platform.hub.data_dir(), &[&["--url", url.as_str()], words].concat())
}

#[track_caller]
fn one(platform: &Platform, words: &[&str]) -> Value {
    let mut lines = lines(&on(platform, words));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn bootstrap_makes_the_first_of_everything_without_a_hub() {
    let data = TempDir::new().unwrap();
    let data = data.path().join("empty");
    let words =
        ["bootstrap", "--organization", "Acme, Inc.", "--orchestrator", "Builder", "--id", "vp_first"];
    let made = lines(&run(&data, &words)).remove(0);
    assert_eq!(made["orchestratorId"], "vp_first");
    for name in
        ["organizationId", "workspaceId", "channelId", "userId", "credentialId", "apiKey", "apiSecret"]
    {
        assert!(made[name].is_string(), "{name} of {made}");
    }
    let again = run(&data, &words);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("this slug is taken"), "{again:?}");
    let other = ["bootstrap", "--organization", "Other", "--orchestrator", "Builder", "--id", "vp_first"];
    for _ in 0..2 {
        let refused = run(&data, &other);
        let says = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(says.contains("this id is taken"), "what failed left nothing behind: {says}");
    }
}

#[test]
fn bootstrap_works_while_a_hub_runs() {
    let hub = Hub::setup().start();
    let words = ["bootstrap", "--organization", "Acme", "--orchestrator", "Builder"];
    let made = lines(&run(hub.data_dir(), &words)).remove(0);
    let login = json!({ "apiKey": made["apiKey"], "apiSecret": made["apiSecret"] });
    let token = hub.call("POST", "/api/daemon/auth").json(&login).expect(200);
    let token = token["accessToken"].as_str().unwrap();
    let channels = hub.call("GET", "/api/daemon/channels").bearer(token).expect(200);
    assert_eq!(channels["channels"][0]["id"], made["channelId"], "{channels}");
    let audit = hub.call("GET", "/api/admin/audit").operator().expect(200);
    assert_eq!(audit["items"][0]["action"], "organization.bootstrap");
    assert!(!audit.to_string().contains(made["apiSecret"].as_str().unwrap()));
}

#[test]
fn every_noun_has_its_commands() {
    let platform = Stand::Alone.start();
    let platform = &platform;
    let org = id(&one(platform, &["org", "create", "--name", "Acme"]));
    let workspace = id(&one(platform, &["workspace", "create", "--org", &org, "--name", "Lab"]));
    let user = id(&one(platform, &["user", "create", "--org", &org, "--name", "Ada"]));
    let words = ["channel", "create", "--workspace", &workspace, "--name", "Talk", "--type", "PRIVATE"];
    let channel = id(&one(platform, &words));
    let words = ["orchestrator", "create", "--org", &org, "--name", "Builder", "--capabilities", "a,b"];
    let orchestrator = one(platform, &words);
    assert_eq!(orchestrator["capabilities"], json!(["a", "b"]));
    let orchestrator = id(&orchestrator);

    assert_eq!(one(platform, &["org", "get", &org])["name"], "Acme");
    let words = ["channel", "update", &channel, "--set", "isArchived=true", "--set", "topic=Tea"];
    let changed = one(platform, &words);
    assert_eq!((&changed["isArchived"], &changed["topic"]), (&json!(true), &json!("Tea")));
    one(platform, &["member", "add", "--channel", &channel, &user, "--role", "ADMIN"]);
    one(platform, &["member", "update", "--channel", &channel, &user, "--role", "OWNER"]);
    assert_eq!(one(platform, &["member", "list", "--channel", &channel])["role"], "OWNER");
    one(platform, &["member", "remove", "--channel", &channel, &user]);

    let issued = one(platform, &["credential", "create", &orchestrator, "--name", "laptop"]);
    let credential = id(&issued);
    assert!(issued["apiSecret"].is_string());
    assert_eq!(one(platform, &["credential", "list", &orchestrator])["name"], "laptop");
    assert_ne!(one(platform, &["credential", "rotate", &credential])["apiKey"], issued["apiKey"]);
    one(platform, &["credential", "revoke", &credential, "--revoke-tokens", "false"]);

    let filter = format!("organizationId={org}");
    assert_eq!(
        one(platform, &["fleet", "list", "--filter", &filter])["orchestratorId"],
        orchestrator.as_str()
    );
    assert_eq!(one(platform, &["fleet", "get", &orchestrator])["health"], "unknown");
    one(platform, &["fleet", "uptime", &orchestrator]);
    assert_eq!(one(platform, &["queue", "ledger", &orchestrator])["queued"], 0);
    let words = ["broadcast", "--type", "system.notice", "--org", &org, "--data", "{\"n\":1}", "--ack"];
    assert_eq!(one(platform, &words)["orchestrators"], 1);
    assert_eq!(one(platform, &["queue", "list", &orchestrator])["event"]["payload"]["n"], 1);
    assert_eq!(one(platform, &["queue", "purge", &orchestrator])["purged"], 1);
    one(platform, &["revoke", "--orchestrator", &orchestrator]);
    assert!(one(platform, &["orchestrator", "disable", &orchestrator])["disabledAt"].is_string());
    one(platform, &["orchestrator", "enable", &orchestrator]);
    let done = lines(&on(platform, &["audit", "--filter", "action=orchestrator.disable"]));
    assert_eq!(done.len(), 1);
    for (noun, id) in [("user", &user), ("channel", &channel), ("workspace", &workspace), ("org", &org)] {
        one(platform, &[noun, "delete", id]);
    }
}

#[test]
fn connections_and_sessions_end_on_command() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    let connection = one(&platform, &["connection", "list", "--orchestrator", &orchestrator.id]);
    assert_eq!(connection["id"], daemon.session()["connectionId"]);
    one(&platform, &["connection", "get", &id(&connection)]);
    one(&platform, &["connection", "close", &id(&connection)]);
    daemon.expect_close();
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    let session = daemon.session()["sessionId"].as_str().unwrap();
    assert!(lines(&on(&platform, &["session", "list", &orchestrator.id])).len() >= 2);
    one(&platform, &["session", "get", session]);
    one(&platform, &["session", "end", session]);
    assert_eq!(daemon.expect_close().code, 4006);
}

#[test]
fn dead_letters_and_keys_for_signing_have_their_commands() {
    let platform = Stand::Alone.start();
    let platform = &platform;
    let home = platform.organization();
    let identity = Identity::new();
    let event = Event::to(&identity);
    let letter = file(platform, &identity, event.id(), event.json());
    let listed = one(platform, &["dead-letters", "list", "--orchestrator", &identity.orchestrator]);
    assert_eq!(listed["id"], letter.as_str());
    assert_eq!(one(platform, &["dead-letters", "show", &letter])["event"]["id"], event.id());
    assert_eq!(one(platform, &["events", "show", event.id()])["targets"][0]["status"], "dead");
    let words = ["dead-letter", "redrive", "--orchestrator", &identity.orchestrator, "--reason", "rejected"];
    assert_eq!(one(platform, &words)["redriven"], 0);
    one(platform, &["dead-letter", "delete", &letter]);
    let refused = on(platform, &["dead-letter", "redrive", &letter]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Not found"), "{refused:?}");

    let made = one(platform, &["ingress-keys", "create", &home.id]);
    let kid = made["kid"].as_str().unwrap();
    assert!(made["secret"].is_string(), "{made}");
    assert_eq!(one(platform, &["ingress-key", "list", &home.id])["kid"], kid);
    assert!(one(platform, &["ingress-key", "retire", &home.id, kid])["retiredAt"].is_string());
    let words = ["org", "update", &home.id, "--set", "ingressPolicy=require"];
    assert_eq!(one(platform, &words)["ingressPolicy"], "require");
}

#[test]
fn lists_are_followed_to_their_end_where_that_is_asked_for() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    for _ in 0..4 {
        home.channel("PUBLIC");
    }
    let part = on(&platform, &["channel", "list", "--limit", "2"]);
    assert_eq!(lines(&part).len(), 2);
    assert!(String::from_utf8_lossy(&part.stderr).contains("--cursor"), "{part:?}");
    assert_eq!(lines(&on(&platform, &["channel", "list", "--limit", "2", "--all"])).len(), 5);
}

#[test]
fn what_goes_wrong_is_said_in_a_sentence() {
    let platform = Stand::Alone.start();
    let says = |words: &[&str]| {
        let output = on(&platform, words);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(says(&["org", "get", "nobody"]).contains("404"));
    assert!(says(&["org", "create", "--name", "n", "--slug", "Two Words"]).contains("slug"));
    let home = TempDir::new().unwrap();
    let nobody = run(home.path(), &["--url", "http://127.0.0.1:1", "org", "list"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("cannot reach the hub"), "{nobody:?}");
}

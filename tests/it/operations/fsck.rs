//! `neolith-hub fsck`: nothing to report where everything is right, and every kind of damage by its name.

use std::process::{Command, Output};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    event::Event,
    identity::{Identity, unique},
    in_both_modes,
    redis::RedisServer,
    world::{Mode, World},
};

in_both_modes! {
    a_store_is_clean_after_traffic,
    a_store_is_clean_beside_a_hub_at_work,
    books_that_do_not_balance_are_found,
    an_event_that_was_taken_and_still_waits_is_found,
    what_is_no_event_is_found,
    only_the_orchestrator_asked_for_is_looked_at,
}

/// What a world's mode keeps its queues in.
struct Store<'a> {
    world: &'a World,
    mode: Mode,
}

impl Store<'_> {
    fn fsck(&self, words: &[&str]) -> Output {
        let redis = (self.mode == Mode::Redis).then(|| self.world.redis());
        self.world.hub.tool(redis, &[&["fsck"], words].concat())
    }

    /// What it reports: the kinds of findings with their subjects, in order.
    #[track_caller]
    fn findings(&self) -> Vec<(String, String)> {
        let output = self.fsck(&["--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let findings: Vec<_> =
            findings.map(|finding| (text(finding, "kind"), text(finding, "subject"))).collect();
        assert_eq!(report["clean"], findings.is_empty(), "{report}");
        assert_eq!(output.status.code(), Some(i32::from(!findings.is_empty())), "{output:?}");
        findings
    }

    fn redis(&self, words: &[&str]) {
        let _: ::redis::Value = self.world.redis().run(words);
    }

    fn sql(&self, statement: &str) {
        let file = self.world.hub.data_dir().join("queue.db").display().to_string();
        let mut file = SqliteConnection::establish(&file).unwrap();
        file.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        file.batch_execute(statement).unwrap();
    }
}

/// Three events wait for somebody; their ids.
fn with_events(mode: Mode, test: impl FnOnce(&Store<'_>, &Identity, &[String])) {
    let world = mode.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 3);
    world.publish_all(&events);
    world.wait_until_queued(3);
    let ids: Vec<String> = events.iter().map(|event| event.id().to_owned()).collect();
    let store = Store { world: &world, mode };
    assert_eq!(store.findings(), [], "before any damage");
    test(&store, &identity, &ids);
}

/// One finding.
fn one(kind: &str, subject: &str) -> [(String, String); 1] {
    [(kind.to_owned(), subject.to_owned())]
}

fn a_store_is_clean_after_traffic(mode: Mode) {
    // Given events that were taken, that wait, and that were dropped
    let world = mode.start();
    let (here, away, flooded) = (Identity::new(), Identity::new(), Identity::new());
    let mut daemon = world.subscriber(&here);
    world.publish_all(&Event::burst(&here, 5));
    daemon.take_ids(5);
    world.publish_all(&Event::burst(&flooded, 1010));
    world.publish_all(&[Event::to(&away).set("priority", 7), Event::to(&away)]);
    world.wait_until_queued(1002);
    world.wait_until_stored(&mut daemon);
    // Then there is nothing to report, and the summary tells what there is
    let output = Store { world: &world, mode }.fsck(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"clean: no findings"), "{text}");
    assert!(text.contains("dropped 10,") && text.contains("dead 0,"), "{text}");
}

fn a_store_is_clean_beside_a_hub_at_work(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    std::thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            for _ in 0..15 {
                world.publish_all(&Event::burst(&identity, 50));
                daemon.take_ids(50);
            }
        });
        let store = Store { world: &world, mode };
        loop {
            assert_eq!(store.findings(), []);
            if traffic.is_finished() {
                break;
            }
        }
    });
}

fn books_that_do_not_balance_are_found(mode: Mode) {
    with_events(mode, |store, identity, _| {
        let orchestrator = &identity.orchestrator;
        match mode {
            Mode::Redis => {
                store.redis(&["HINCRBY", &format!("daemon:events:{orchestrator}:meta"), "accepted", "2"]);
            }
            Mode::Embedded => store.sql(&format!(
                "UPDATE ledgers SET accepted = accepted + 2 WHERE orchestrator = '{orchestrator}'"
            )),
        }
        assert_eq!(store.findings(), one("imbalance", ""));
        // And people are told whose, and by how much
        let output = store.fsck(&[]);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with(orchestrator.as_str()));
        assert!(line.is_some_and(|line| line.contains("by 2: accepted 5, acknowledged 0")), "{text}");
    });
}

fn an_event_that_was_taken_and_still_waits_is_found(mode: Mode) {
    with_events(mode, |store, identity, ids| {
        let (orchestrator, id) = (&identity.orchestrator, &ids[1]);
        match mode {
            Mode::Redis => store.redis(&["SADD", &format!("daemon:ack:{orchestrator}"), id]),
            Mode::Embedded => store.sql(&format!(
                "INSERT INTO acknowledged (orchestrator, event_id, at_ms) VALUES ('{orchestrator}', '{id}', 0)"
            )),
        }
        assert_eq!(store.findings(), one("taken_but_waiting", id));
    });
}

fn what_is_no_event_is_found(mode: Mode) {
    with_events(mode, |store, identity, ids| {
        let (orchestrator, id) = (&identity.orchestrator, &ids[2]);
        match mode {
            Mode::Redis => {
                store.redis(&["HSET", &format!("daemon:events:{orchestrator}:data"), id, "nonsense"])
            }
            Mode::Embedded => store
                .sql(&format!("UPDATE queue_entries SET body = x'6e6f6e73656e7365' WHERE event_id = '{id}'")),
        }
        assert_eq!(store.findings(), one("unreadable", id));
    });
}

fn only_the_orchestrator_asked_for_is_looked_at(mode: Mode) {
    with_events(mode, |store, identity, ids| {
        match mode {
            Mode::Redis => {
                let queue = format!("daemon:events:{}", identity.orchestrator);
                store.redis(&["ZREM", &queue, &ids[0]]);
            }
            Mode::Embedded => {
                store.sql(&format!("DELETE FROM queue_entries WHERE event_id = '{}'", ids[0]));
            }
        }
        assert!(!store.findings().is_empty());
        let asked = |orchestrator: &str| store.fsck(&["--orchestrator", orchestrator]).status.code();
        assert_eq!(asked(&identity.orchestrator), Some(1));
        assert_eq!(asked(&unique("another")), Some(0));
    });
}

#[test]
fn each_kind_of_damage_in_redis_is_found_and_named() {
    let damages: &[(&str, &[&str])] = &[
        ("entry_without_body", &["HDEL", "daemon:events:{o}:data", "{id}"]),
        ("body_without_entry", &["HSET", "daemon:events:{o}:data", "{new}", "{}"]),
        ("priority_without_entry", &["ZADD", "hub:priorities:{o}", "3", "{new}"]),
        ("expiry_without_entry", &["ZADD", "hub:expiries:{o}", "3", "{new}"]),
        ("claim_without_entry", &["HSET", "hub:claims:{o}", "{new}", "{}"]),
        ("not_indexed", &["ZREM", "hub:queues", "{o}"]),
        ("foreign_key", &["SET", "hub:claims:{o}", "mine"]),
    ];
    with_events(Mode::Redis, |store, identity, ids| {
        let new = unique("stray");
        for (kind, damage) in damages {
            let repaired = Snapshot::of(store, &identity.orchestrator);
            let fill = |word: &&str| {
                word.replace("{o}", &identity.orchestrator).replace("{id}", &ids[0]).replace("{new}", &new)
            };
            let words: Vec<String> = damage.iter().map(fill).collect();
            store.redis(&words.iter().map(String::as_str).collect::<Vec<_>>());
            let subject = match *kind {
                "not_indexed" => "",
                "entry_without_body" => &ids[0],
                "foreign_key" => &words[1],
                _ => &new,
            };
            assert_eq!(store.findings(), one(kind, subject));
            repaired.restore(store);
            assert_eq!(store.findings(), [], "after {kind}");
        }
    });
}

/// The keys of a queue as they were, to put them back.
struct Snapshot(Vec<(String, Option<Vec<u8>>)>);

impl Snapshot {
    fn of(store: &Store<'_>, orchestrator: &str) -> Self {
        let names = ["daemon:events:{}", "daemon:events:{}:data", "hub:priorities:{}", "hub:expiries:{}"];
        let mut names: Vec<String> = names.iter().map(|name| name.replace("{}", orchestrator)).collect();
        names.extend([format!("hub:claims:{orchestrator}"), "hub:queues".to_owned()]);
        let dump = |name: String| {
            let dumped = store.world.redis().run(&["DUMP", &name]);
            (name, dumped)
        };
        Self(names.into_iter().map(dump).collect())
    }

    fn restore(self, store: &Store<'_>) {
        let mut client = store.world.redis().client();
        for (name, dumped) in self.0 {
            let _: () = ::redis::cmd("DEL").arg(&name).query(&mut client).unwrap();
            if let Some(dumped) = dumped {
                let _: () = ::redis::cmd("RESTORE").arg(&name).arg(0).arg(dumped).query(&mut client).unwrap();
            }
        }
    }
}

#[test]
fn events_that_vanished_from_the_file_are_found() {
    with_events(Mode::Embedded, |store, _, ids| {
        store.sql(&format!("DELETE FROM queue_entries WHERE event_id = '{}'", ids[0]));
        let kinds: Vec<String> = store.findings().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["imbalance", "miscounted"]);
    });
}

#[test]
fn a_store_that_cannot_be_looked_into_is_no_clean_one() {
    let world = Mode::Redis.start();
    // Nobody listens there, and there is no file
    let nobody = RedisServer::not_started();
    let output = world.hub.tool(Some(&nobody), &["fsck"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let empty = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_neolith-hub"));
    let output = command.env_clear().env("HUB_DATA_DIR", empty.path()).arg("fsck").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("queue.db"), "{output:?}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was created");
}

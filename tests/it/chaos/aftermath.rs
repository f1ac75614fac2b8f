//! What the servers say once everything runs again.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::{Stage, checker::Fates, nemesis::Servers};
use crate::support::{
    eventually::{DEADLINE, comes_true},
    http,
    hub::{ADMIN_KEY, Hub},
    metrics,
};

/// How long the queues may take to become empty.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked at most.
const LOOK: Duration = Duration::from_millis(200);
/// How many events without an acknowledgement are asked for.
const ASKED: usize = 400;

/// What `neolith-hub fsck` says.
pub(super) struct Recount {
    pub(super) clean: bool,
    pub(super) text: String,
    report: Value,
}

impl Servers {
    /// Counts everything again.
    pub(super) fn recount(&self) -> Recount {
        let output = self.hubs[0].tool(self.redis.as_ref(), &["fsck", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
        Recount { clean: output.status.success(), text, report }
    }

    /// Waits until nothing waits any more, neither in a queue nor in the stream nor for the database;
    /// what still waits, if it does not come to that.
    pub(super) fn settle(&self) -> Result<(), String> {
        self.hubs.iter().for_each(Hub::wait_until_ready);
        let mut report = Value::Null;
        let nothing_waits = || {
            report = self.recount().report;
            let waiting =
                [&report["books"]["queued"], &report["unfiledDeadLetters"], &report["ingress"]["length"]];
            waiting.iter().all(|count| count.as_u64().unwrap_or_default() == 0)
        };
        if comes_true(PATIENCE, LOOK, nothing_waits) {
            return Ok(());
        }
        Err(format!("after {PATIENCE:?} not everything is delivered: {report}"))
    }

    /// Whether every hub shows books that balance; asked while daemons are connected, whose books it
    /// looks at.
    pub(super) fn books_balance(&self) -> bool {
        let shows = |name| move |hub: &Hub| metrics::total(hub, name, &[]);
        comes_true(DEADLINE * 2, LOOK, || {
            let balanced = self.hubs.iter().map(shows("hub_ledger_imbalance")).all(|events| events == 0.0);
            balanced && self.hubs.iter().map(shows("hub_ledgers_checked")).sum::<f64>() > 0.0
        })
    }

    /// How these events ended, as far as a hub knows that they did.
    pub(super) fn fates(&self, stage: &Stage, events: &BTreeSet<usize>) -> Fates {
        let fate = |event: &usize| {
            let path = format!("/api/admin/events/{}", stage.history.id(*event));
            let ends = self.hubs.iter().filter_map(|hub| {
                let timeline = http::get(&hub.url(&path), &[("X-API-Key", ADMIN_KEY)]);
                if timeline.status != 200 {
                    return None;
                }
                let status = timeline.json()["targets"][0]["status"].as_str().unwrap().to_owned();
                ["expired", "dropped", "dead"].contains(&status.as_str()).then_some(status)
            });
            ends.into_iter().next().map(|end| (*event, end))
        };
        events.iter().take(ASKED).filter_map(fate).collect()
    }
}

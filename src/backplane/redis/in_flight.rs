//! Deliveries that wait for an acknowledgement: `daemon:pending_ack:{daemon}`.

use std::collections::HashMap;

use redis::{AsyncCommands as _, Cmd, Value};
use serde::{Deserialize, Serialize};

use super::{RedisBackplane, keys, records::json, scripts};
use crate::{
    backplane::{
        Result,
        commit::{OrchestratorCommit, Sent},
        queue::{QUEUE_CAPACITY, RETENTION},
    },
    domain::{
        attempt::{Attempt, MAX_HISTORY},
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
};

/// How many deliveries may be noted for one daemon before those of events that wait no more are looked
/// for: a whole queue may be in flight.
const NOTED: u64 = 2 * QUEUE_CAPACITY;
/// How many are looked at then, besides two for each new one.
const NOTED_LOOK: usize = 100;

/// What is kept for each event.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct InFlight {
    pub(super) sent_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) connection_id: String,
    /// The same, as the original calls it.
    conn_id: String,
    /// Whose event it is: daemons of two orchestrators may have the same name. Others do not write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestrator_id: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) crashes: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<Attempt>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl InFlight {
    fn of(sent: &Sent, orchestrator: &OrchestratorId) -> Self {
        Self {
            sent_at: sent.at,
            attempts: sent.attempts,
            connection_id: sent.connection.to_string(),
            conn_id: sent.connection.to_string(),
            orchestrator_id: Some(orchestrator.to_string()),
            crashes: sent.crashes,
            history: newest(&sent.history).to_vec(),
        }
    }

    /// How the deliveries ended. What somebody else wrote names no connection, and tells nothing more.
    pub(super) fn told(self, id: &EventId, daemon: &DaemonId) -> Vec<Attempt> {
        let Self { sent_at: at, attempts, crashes, history, .. } = self;
        match ConnectionId::parse(&self.connection_id) {
            Ok(connection) => {
                let (id, daemon) = (id.clone(), daemon.clone());
                Sent { id, daemon, connection, attempts, at, crashes, history, shared: false }.told()
            }
            Err(_) => history,
        }
    }

    /// Reads what is noted beside a claim; see `tried.lua`.
    pub(super) fn beside(claim: &[u8], orchestrator: &OrchestratorId) -> Option<Self> {
        Self::read(claim.splitn(6, |byte| *byte == b' ').nth(5)?, orchestrator)
    }

    /// Reads a record of an orchestrator's event; what somebody else wrote is none, and neither is what
    /// concerns another orchestrator's.
    pub(super) fn read(json: &[u8], orchestrator: &OrchestratorId) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        let owner = record.orchestrator_id.as_deref();
        owner.is_none_or(|owner| owner == orchestrator.as_str()).then_some(record)
    }
}

/// Whether a record is of another orchestrator's event, and not to be touched.
pub(super) fn is_of_another(json: &[u8], orchestrator: &OrchestratorId) -> bool {
    serde_json::from_slice::<InFlight>(json).is_ok() && InFlight::read(json, orchestrator).is_none()
}

/// As much of a history as is kept.
pub(super) fn newest(history: &[Attempt]) -> &[Attempt] {
    history.get(history.len().saturating_sub(MAX_HISTORY)..).unwrap_or_default()
}

impl RedisBackplane {
    /// The daemon instances of an orchestrator that are connected.
    pub(super) async fn instances(&self, orchestrator: &OrchestratorId) -> Result<Vec<DaemonId>> {
        let names: Vec<String> =
            self.commands().hkeys(keys::instances(orchestrator)).await.map_err(|error| self.failed(error))?;
        Ok(names.iter().filter_map(|name| DaemonId::parse(name).ok()).collect())
    }

    /// Notes what is in flight, and forgets what was taken, given up or is tried again. Written beside
    /// the queues: losing this costs a duplicate, never an event.
    pub(super) async fn commit_in_flight(&self, groups: &[OrchestratorCommit]) -> Result<()> {
        let mut calls = Vec::new();
        let mut lengths = Vec::new();
        for group in groups {
            let mut by_daemon = HashMap::<&DaemonId, Vec<(&str, String)>>::new();
            for sent in &group.sent {
                if sent.shared {
                    // Who reads it does not learn from its place whose it was.
                    let told = Sent { history: sent.clone().told(), ..sent.clone() };
                    let mut call = scripts::call(&scripts::TRIED, &[keys::claims(&group.orchestrator)]);
                    let record = json(&InFlight::of(&told, &group.orchestrator))?;
                    call.arg(sent.id.as_str()).arg(sent.attempts).arg(record);
                    calls.push(call);
                }
                let record = json(&InFlight::of(sent, &group.orchestrator))?;
                by_daemon.entry(&sent.daemon).or_default().push((sent.id.as_str(), record));
            }
            for (daemon, records) in by_daemon {
                let key = keys::in_flight(daemon);
                calls.push(Cmd::hset_multiple(&key, &records));
                calls.push(Cmd::expire(&key, RETENTION.as_secs().cast_signed()));
                lengths.push((calls.len(), &group.orchestrator, daemon, records.len()));
                calls.push(Cmd::hlen(&key));
            }
            let taken = group.acks.iter().map(|ack| (&ack.daemon, &ack.id));
            for (daemon, id) in taken.chain(group.dead.iter().map(|dead| (&dead.daemon, &dead.id))) {
                calls.push(Cmd::hdel(keys::in_flight(daemon), id.as_str()));
            }
            if group.redriven.is_empty() {
                continue;
            }
            // Whoever had it last was forgotten when it was given up; here are the others.
            for daemon in self.instances(&group.orchestrator).await? {
                let ids: Vec<&str> = group.redriven.iter().map(|event| event.id.as_str()).collect();
                calls.push(Cmd::hdel(keys::in_flight(&daemon), ids));
            }
        }
        let answers = self.run_each::<Value>(calls).await?;
        for (at, orchestrator, daemon, new) in lengths {
            let length = match answers.get(at) {
                Some(Ok(Value::Int(length))) => u64::try_from(*length).unwrap_or_default(),
                _ => 0,
            };
            if length > NOTED {
                self.forget_ended(orchestrator, daemon, 2 * new + NOTED_LOOK).await?;
            }
        }
        Ok(())
    }

    /// Looks at some of the deliveries that are noted for a daemon, and forgets those of events that wait
    /// no more: another daemon took them, or nobody did. Which ones is chance, so that no place has to be
    /// remembered; two for each new one keep the dead ones fewer than the living.
    async fn forget_ended(
        &self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        count: usize,
    ) -> Result<()> {
        let mut some = redis::cmd("HRANDFIELD");
        some.arg(keys::in_flight(daemon)).arg(count).arg("WITHVALUES");
        let some: Vec<(String, Vec<u8>)> = self.run(&some).await?;
        let own = some.into_iter().filter(|(_, json)| !is_of_another(json, orchestrator));
        let ids: Vec<String> = own.map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut places = redis::cmd("ZMSCORE");
        places.arg(keys::queue(orchestrator)).arg(&ids);
        let places: Vec<Option<f64>> = self.run(&places).await?;
        let waits_not =
            ids.iter().zip(places).filter_map(|(id, place)| place.is_none().then_some(id.as_str()));
        self.forget(daemon, &waits_not.collect::<Vec<_>>()).await
    }

    /// Forgets the deliveries of some events to a daemon.
    pub(super) async fn forget(&self, daemon: &DaemonId, ids: &[&str]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut forget = redis::cmd("HDEL");
        forget.arg(keys::in_flight(daemon)).arg(ids);
        self.run::<usize>(&forget).await.map(drop)
    }
}

//! Deliveries that wait for an acknowledgement: `daemon:pending_ack:{daemon}`.

use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};

use super::{RedisBackplane, keys, records::json, scripts};
use crate::{
    backplane::{
        Result,
        commit::{OrchestratorCommit, Sent},
        queue::RETENTION,
    },
    domain::{
        attempt::{Attempt, MAX_HISTORY},
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
    },
};

/// What is kept for each event.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct InFlight {
    pub(super) sent_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) connection_id: String,
    /// The same, as the original calls it.
    conn_id: String,
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
    fn of(sent: &Sent) -> Self {
        Self {
            sent_at: sent.at,
            attempts: sent.attempts,
            connection_id: sent.connection.to_string(),
            conn_id: sent.connection.to_string(),
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
    pub(super) fn beside(claim: &[u8]) -> Option<Self> {
        Self::read(claim.splitn(6, |byte| *byte == b' ').nth(5)?)
    }

    /// Reads a record; what somebody else wrote is none.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
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
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        let mut commands = 0_usize;
        for group in groups {
            for sent in &group.sent {
                let key = keys::in_flight(&sent.daemon);
                pipe.hset(&key, sent.id.as_str(), json(&InFlight::of(sent))?).ignore();
                pipe.expire(&key, RETENTION.as_secs().cast_signed()).ignore();
                commands += 2;
                if sent.shared {
                    // Who reads it does not learn from its place whose it was.
                    let told = Sent { history: sent.clone().told(), ..sent.clone() };
                    let mut call = scripts::call(&scripts::TRIED, &[keys::claims(&group.orchestrator)]);
                    call.arg(sent.id.as_str()).arg(sent.attempts).arg(json(&InFlight::of(&told))?);
                    pipe.add_command(call).ignore();
                    commands += 1;
                }
            }
            let taken = group.acks.iter().map(|ack| (&ack.daemon, &ack.id));
            for (daemon, id) in taken.chain(group.dead.iter().map(|dead| (&dead.daemon, &dead.id))) {
                pipe.hdel(keys::in_flight(daemon), id.as_str()).ignore();
                commands += 1;
            }
            if group.redriven.is_empty() {
                continue;
            }
            // Whoever had it last was forgotten when it was given up; here are the others.
            for daemon in self.instances(&group.orchestrator).await? {
                let ids: Vec<&str> = group.redriven.iter().map(|event| event.id.as_str()).collect();
                pipe.hdel(keys::in_flight(&daemon), ids).ignore();
                commands += 1;
            }
        }
        if commands == 0 {
            return Ok(());
        }
        self.run_all(&pipe).await
    }
}

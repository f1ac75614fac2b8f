//! What was last seen of each orchestrator. It ends with the process: the next heartbeat is seconds
//! away.

use std::time::Duration;

use quick_cache::unsync::Cache;
use serde_json::{Map, Value};

use crate::{
    backplane::{
        records::{HeartbeatRecord, Presence, PresenceChange},
        status::{OperationalStatus, PresenceStatus},
    },
    domain::{
        clock::Timestamp,
        ids::{OrchestratorId, SessionId},
    },
};

use super::metrics::Metrics;

/// How many orchestrators are remembered; those not heard of for the longest time are forgotten.
const ORCHESTRATORS: usize = 20_000;
/// How many sessions are remembered with their latest activity.
const SESSIONS: usize = 50_000;
/// How long a heartbeat says that a daemon lives (contract 6.1, `daemon:heartbeat`).
const HEARTBEAT_TTL: Duration = Duration::from_secs(90);

/// The latest heartbeats, what they reported, who is online, and what daemons say of themselves.
#[derive(Debug)]
pub(super) struct Observations {
    heartbeats: Cache<OrchestratorId, HeartbeatRecord>,
    metrics: Metrics,
    /// By owner too: who names somebody else's session touches nothing of it.
    activity: Cache<(OrchestratorId, SessionId), (Timestamp, &'static str)>,
    online: Cache<OrchestratorId, ()>,
    choices: Cache<OrchestratorId, Choices>,
    /// Who was heard of when.
    alive: Cache<OrchestratorId, Timestamp>,
}

/// What a daemon said of itself, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    pub(super) presence: Option<(PresenceStatus, Timestamp)>,
    pub(super) status: Option<(OperationalStatus, Timestamp)>,
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            heartbeats: Cache::new(ORCHESTRATORS),
            metrics: Metrics::default(),
            activity: Cache::new(SESSIONS),
            online: Cache::new(ORCHESTRATORS),
            choices: Cache::new(ORCHESTRATORS),
            alive: Cache::new(ORCHESTRATORS),
        }
    }
}

impl Observations {
    /// Keeps a heartbeat, unless a later one is known.
    pub(super) fn keep(&mut self, beat: HeartbeatRecord) {
        self.note_activity(&beat.orchestrator, &beat.session, beat.status, beat.at);
        if let Some(metrics) = &beat.metrics {
            self.metrics.keep(&beat.orchestrator, metrics, beat.at);
        }
        self.alive.insert(beat.orchestrator.clone(), beat.at);
        let known = self.heartbeats.peek(&beat.orchestrator);
        if known.is_none_or(|known| known.at <= beat.at) {
            self.heartbeats.insert(beat.orchestrator.clone(), beat);
        }
    }

    /// The latest heartbeat, while it still says something at `now`.
    pub(super) fn heartbeat(
        &self,
        orchestrator: &OrchestratorId,
        now: Timestamp,
    ) -> Option<&HeartbeatRecord> {
        self.heartbeats.get(orchestrator).filter(|beat| now.since(beat.at) < HEARTBEAT_TTL)
    }

    /// What the heartbeats of an orchestrator reported, newest first.
    pub(super) fn metrics(&self, orchestrator: &OrchestratorId) -> Vec<Map<String, Value>> {
        self.metrics.history(orchestrator)
    }

    /// Notes that a session was used.
    pub(super) fn note_activity(
        &mut self,
        owner: &OrchestratorId,
        session: &SessionId,
        status: &'static str,
        at: Timestamp,
    ) {
        self.activity.insert((owner.clone(), session.clone()), (at, status));
    }

    /// When a session of `owner` was last used, and what it said then.
    pub(super) fn activity(
        &self,
        owner: &OrchestratorId,
        session: &SessionId,
    ) -> Option<(Timestamp, &'static str)> {
        self.activity.get(&(owner.clone(), session.clone())).copied()
    }

    /// Forgets what was seen and heard of an orchestrator.
    pub(super) fn forget(&mut self, orchestrator: &OrchestratorId) {
        self.heartbeats.remove(orchestrator);
        self.metrics.forget(orchestrator);
        self.choices.remove(orchestrator);
    }

    /// Notes an explicit presence.
    pub(super) fn set_presence(&mut self, orchestrator: &OrchestratorId, status: PresenceStatus) {
        if status == PresenceStatus::Offline {
            self.online.remove(orchestrator);
        } else {
            self.online.insert(orchestrator.clone(), ());
        }
    }

    /// What a daemon says of itself.
    pub(super) fn choices(&self, orchestrator: &OrchestratorId) -> Option<&Choices> {
        self.choices.peek(orchestrator)
    }

    /// Lets a daemon say something of itself.
    pub(super) fn choose(&mut self, orchestrator: &OrchestratorId, word: impl FnOnce(&mut Choices)) {
        let mut choices = self.choices.remove(orchestrator).map(|(_, choices)| choices).unwrap_or_default();
        word(&mut choices);
        self.choices.insert(orchestrator.clone(), choices);
    }

    /// Watches somebody of whom nothing was heard yet.
    pub(super) fn watch(&mut self, orchestrator: OrchestratorId, at: Timestamp) {
        if !self.alive.contains_key(&orchestrator) {
            self.alive.insert(orchestrator, at);
        }
    }

    /// Takes those of whom nothing was heard since `before`; they count as heard of at `now`.
    pub(super) fn silent(&mut self, before: Timestamp, now: Timestamp, limit: usize) -> Vec<OrchestratorId> {
        let silent = self.alive.iter().filter(|(_, heard)| **heard < before).take(limit);
        let silent: Vec<OrchestratorId> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            self.alive.insert(id.clone(), now);
        }
        silent
    }

    /// Watches somebody no more.
    pub(super) fn departed(&mut self, orchestrator: &OrchestratorId) {
        self.alive.remove(orchestrator);
    }

    /// Notes that an instance came or went, and says whether that changed anything. `connected`:
    /// whether a connection of the orchestrator counts now.
    pub(super) fn note(&mut self, presence: &Presence, connected: bool) -> Option<PresenceChange> {
        if presence.online {
            self.alive.insert(presence.orchestrator.clone(), presence.at);
        }
        let was_online = self.online.contains_key(&presence.orchestrator);
        let status = match (was_online, presence.online) {
            (false, true) => {
                self.online.insert(presence.orchestrator.clone(), ());
                "ONLINE"
            }
            (true, false) if !connected => {
                self.online.remove(&presence.orchestrator);
                "OFFLINE"
            }
            _ => return None,
        };
        Some(PresenceChange {
            orchestrator: presence.orchestrator.clone(),
            organization: presence.organization.clone(),
            status,
        })
    }
}

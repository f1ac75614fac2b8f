//! What was last seen of each orchestrator. It ends with the process: the next heartbeat is seconds
//! away.

use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::{
    backplane::records::{HeartbeatRecord, Presence, PresenceChange},
    domain::{clock::Timestamp, ids::OrchestratorId},
};

/// How many orchestrators are remembered; those not heard of for the longest time are forgotten.
const ORCHESTRATORS: usize = 20_000;
/// How long a heartbeat says that a daemon lives (contract 6.1, `daemon:heartbeat`).
const HEARTBEAT_TTL: Duration = Duration::from_secs(90);

/// The latest heartbeat of each orchestrator, and who is online.
///
/// A history of metrics, which Redis keeps for other programs, is not kept here: nobody could read
/// it, and it would weigh more than the connection it came by.
#[derive(Debug)]
pub(super) struct Observations {
    heartbeats: Cache<OrchestratorId, HeartbeatRecord>,
    online: Cache<OrchestratorId, ()>,
}

impl Default for Observations {
    fn default() -> Self {
        Self { heartbeats: Cache::new(ORCHESTRATORS), online: Cache::new(ORCHESTRATORS) }
    }
}

impl Observations {
    /// Keeps a heartbeat, unless a later one is known.
    pub(super) fn keep(&mut self, beat: HeartbeatRecord) {
        let known = self.heartbeats.peek(&beat.orchestrator);
        if known.is_none_or(|known| known.at <= beat.at) {
            self.heartbeats.insert(beat.orchestrator.clone(), beat);
        }
    }

    /// The latest heartbeat, while it still says something at `now`.
    pub(super) fn heartbeat(&self, orchestrator: &OrchestratorId, now: Timestamp) -> Option<HeartbeatRecord> {
        self.heartbeats.get(orchestrator).filter(|beat| now.since(beat.at) < HEARTBEAT_TTL).cloned()
    }

    /// Notes that an instance came or went, and says whether that changed anything. `connected`:
    /// whether a connection of the orchestrator counts now.
    pub(super) fn note(&mut self, presence: &Presence, connected: bool) -> Option<PresenceChange> {
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

//! Heartbeats and presence, in memory.

use serde_json::{Map, Value};

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        records::{HeartbeatRecord, HeartbeatView, Presence, PresenceChange, Records},
    },
    domain::{clock, ids::OrchestratorId},
};

impl Records for EmbeddedBackplane {
    async fn heartbeats(&self, beats: &[HeartbeatRecord]) -> Result<()> {
        let beats = beats.to_vec();
        self.worker
            .run(move |state| {
                for beat in beats {
                    state.connections.note_heartbeat(&beat);
                    state.observations.keep(beat);
                }
                Ok(())
            })
            .await
    }

    async fn heartbeats_of(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<HeartbeatView>>> {
        let (orchestrators, now) = (orchestrators.to_vec(), clock::now().wall);
        self.worker
            .run(move |state| {
                let view = |orchestrator| state.observations.heartbeat(orchestrator, now).map(view);
                Ok(orchestrators.iter().map(view).collect())
            })
            .await
    }

    async fn metrics_history(&self, orchestrator: &OrchestratorId) -> Result<Vec<Map<String, Value>>> {
        let orchestrator = orchestrator.clone();
        self.worker.run(move |state| Ok(state.observations.metrics(&orchestrator))).await
    }

    async fn presence(&self, changes: &[Presence]) -> Result<Vec<PresenceChange>> {
        let changes = changes.to_vec();
        self.worker
            .run(move |state| {
                let connections = &state.connections;
                let note = |presence: &Presence| {
                    let connected = connections.any(&presence.orchestrator);
                    state.observations.note(presence, connected)
                };
                Ok(changes.iter().filter_map(note).collect())
            })
            .await
    }
}

fn view(beat: &HeartbeatRecord) -> HeartbeatView {
    HeartbeatView {
        daemon: Some(beat.daemon.as_str().to_owned()),
        session: Some(beat.session.as_str().to_owned()),
        organization: beat.organization.as_ref().map(|id| id.as_str().to_owned()),
        status: beat.status.to_owned(),
        metrics: beat.metrics.clone().unwrap_or_default(),
        received_at: beat.at,
    }
}

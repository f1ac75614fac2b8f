//! Heartbeats and presence, in memory.

use super::EmbeddedBackplane;
use crate::backplane::{
    Result,
    records::{HeartbeatRecord, Presence, PresenceChange, Records},
};

impl Records for EmbeddedBackplane {
    async fn heartbeats(&self, beats: &[HeartbeatRecord]) -> Result<()> {
        let beats = beats.to_vec();
        self.worker
            .run(move |state| {
                beats.into_iter().for_each(|beat| state.observations.keep(beat));
                Ok(())
            })
            .await
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

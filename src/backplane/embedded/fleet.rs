//! The fleet, in memory: a member that is alive registers again when it is told that nobody knows it.

use std::collections::BTreeMap;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        fleet::{
            Enrolment, FLEET_CAPACITY, FLEET_LIFETIME, FLEET_MEMORY, Fleet, FleetBeat, FleetDaemon, FleetView,
        },
    },
    domain::{clock::Timestamp, ids::DaemonId},
};

/// The members, as they were last heard of.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<DaemonId, FleetDaemon>);

impl Members {
    fn enroll(&mut self, daemon: FleetDaemon) -> Enrolment {
        let now = daemon.last_heartbeat;
        self.0.retain(|_, member| now.since(member.last_heartbeat) <= FLEET_MEMORY);
        if self.0.len() >= FLEET_CAPACITY && !self.0.contains_key(&daemon.id) {
            return Enrolment::Full;
        }
        self.0.insert(daemon.id.clone(), daemon);
        Enrolment::Enrolled
    }

    fn heartbeat(&mut self, beat: FleetBeat) -> bool {
        let member = self.0.get_mut(&beat.id);
        let Some(member) = member.filter(|member| beat.at.since(member.last_heartbeat) < FLEET_LIFETIME)
        else {
            return false;
        };
        member.last_heartbeat = beat.at;
        member.status = beat.status;
        member.tasks_processed = beat.tasks_processed;
        member.current_task = beat.current_task;
        true
    }

    fn view(&self, now: Timestamp) -> FleetView {
        let known = self.0.values().filter(|member| now.since(member.last_heartbeat) <= FLEET_MEMORY);
        let (active, stale) =
            known.cloned().partition(|member| now.since(member.last_heartbeat) <= FLEET_LIFETIME);
        FleetView { active, stale }
    }
}

impl Fleet for EmbeddedBackplane {
    async fn enroll(&self, daemon: &FleetDaemon) -> Result<Enrolment> {
        let daemon = daemon.clone();
        self.worker.run(move |state| Ok(state.fleet.enroll(daemon))).await
    }

    async fn fleet_heartbeat(&self, beat: &FleetBeat) -> Result<bool> {
        let beat = beat.clone();
        self.worker.run(move |state| Ok(state.fleet.heartbeat(beat))).await
    }

    async fn fleet(&self, now: Timestamp) -> Result<FleetView> {
        self.worker.run(move |state| Ok(state.fleet.view(now))).await
    }
}

//! The fleet in Redis (contract 1.24, C43).

use super::{RedisBackplane, keys, records::json, scripts};
use crate::{
    backplane::{
        Result,
        fleet::{
            Enrolment, FLEET_CAPACITY, FLEET_LIFETIME, FLEET_MEMORY, Fleet, FleetBeat, FleetDaemon, FleetView,
        },
    },
    domain::{clock::Timestamp, ids::DaemonId},
};

fn names(daemon: &DaemonId) -> [String; 3] {
    [keys::fleet_state(daemon), keys::FLEET.to_owned(), keys::FLEET_STATES.to_owned()]
}

impl Fleet for RedisBackplane {
    async fn enroll(&self, daemon: &FleetDaemon) -> Result<Enrolment> {
        let mut call = scripts::call(&scripts::ENROLL, &names(&daemon.id));
        let now = daemon.last_heartbeat;
        call.arg(daemon.id.as_str()).arg(json(daemon)?).arg(now.0).arg(FLEET_LIFETIME.as_secs());
        call.arg(now.minus(FLEET_MEMORY).0).arg(FLEET_CAPACITY);
        let taken: bool = self.run(&call).await?;
        Ok(if taken { Enrolment::Enrolled } else { Enrolment::Full })
    }

    async fn fleet_heartbeat(&self, beat: &FleetBeat) -> Result<bool> {
        let mut call = scripts::call(&scripts::FLEET_HEARTBEAT, &names(&beat.id));
        call.arg(beat.id.as_str()).arg(beat.at.to_string()).arg(beat.at.0).arg(FLEET_LIFETIME.as_secs());
        call.arg(beat.status.as_str()).arg(beat.tasks_processed);
        call.arg(beat.current_task.as_deref().unwrap_or_default());
        self.run(&call).await
    }

    async fn fleet(&self, now: Timestamp) -> Result<FleetView> {
        let mut members = redis::cmd("ZRANGEBYSCORE");
        members.arg(keys::FLEET).arg(now.minus(FLEET_MEMORY).0).arg("+inf").arg("WITHSCORES");
        let members: Vec<(String, f64)> = self.run(&members).await?;
        let members: Vec<(DaemonId, f64)> =
            members.iter().filter_map(|(id, at)| Some((DaemonId::parse(id).ok()?, *at))).collect();
        if members.is_empty() {
            return Ok(FleetView::default());
        }
        let mut known = redis::cmd("HMGET");
        known.arg(keys::FLEET_STATES).arg(members.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
        let known: Vec<Option<String>> = self.run(&known).await?;
        let living = self.texts(members.iter().map(|(id, _)| keys::fleet_state(id))).await?;
        let mut view = FleetView::default();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit")]
        let fresh_since = now.minus(FLEET_LIFETIME).0 as f64;
        for (((_, at), living), known) in members.iter().zip(living).zip(known) {
            let fresh = living.is_some() && *at >= fresh_since;
            let state = living.or(known).and_then(|json| serde_json::from_str(&json).ok());
            let part = if fresh { &mut view.active } else { &mut view.stale };
            part.extend(state);
        }
        for part in [&mut view.active, &mut view.stale] {
            part.sort_by(|one: &FleetDaemon, other| one.id.cmp(&other.id));
        }
        Ok(view)
    }
}

//! Acknowledged ids in Redis: two sets, of which the older one is dropped when the newer one is full.

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{
        Result,
        acknowledgements::Acknowledgements,
        queue::{ACK_MEMORY, RETENTION},
    },
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
};

impl Acknowledgements for RedisBackplane {
    async fn note_acknowledged(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
        _now: Timestamp,
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let names = [keys::acknowledged(orchestrator), keys::acknowledged_before(orchestrator)];
        let mut call = scripts::call(&scripts::ACKNOWLEDGE, &names);
        call.arg(RETENTION.as_secs()).arg(ACK_MEMORY);
        for id in ids {
            call.arg(id.as_str());
        }
        let mut pipe = redis::pipe();
        pipe.add_command(call).ignore();
        self.run_all(&pipe).await
    }

    async fn acknowledged(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<bool>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for key in [keys::acknowledged(orchestrator), keys::acknowledged_before(orchestrator)] {
            let names: Vec<&str> = ids.iter().map(EventId::as_str).collect();
            pipe.cmd("SMISMEMBER").arg(key).arg(names);
        }
        let (recent, before): (Vec<bool>, Vec<bool>) = self.run_all(&pipe).await?;
        Ok(recent.into_iter().zip(before).map(|(recent, before)| recent || before).collect())
    }
}

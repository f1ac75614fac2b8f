//! Which connection has an event that only one is to get, in Redis.

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{
        Result,
        queue::{CLAIM_COURTESY, RETENTION},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, EventId, OrchestratorId},
    },
};

impl RedisBackplane {
    /// See [`crate::backplane::queue::EventQueue::claim`].
    pub(super) async fn grant(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        most: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<u32>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let names =
            [keys::queue_data(orchestrator), keys::claims(orchestrator), keys::connections(orchestrator)];
        let mut call = scripts::call(&scripts::GRANT, &names);
        call.arg(connection.to_string()).arg(until.0).arg(now.0);
        call.arg(CLAIM_COURTESY.as_millis().to_string()).arg(RETENTION.as_secs()).arg(most);
        for id in ids {
            call.arg(id.as_str());
        }
        let grants: Vec<i64> = self.run(&call).await?;
        Ok(grants.into_iter().map(|before| u32::try_from(before).ok()).collect())
    }

    /// See [`crate::backplane::queue::EventQueue::release`].
    pub(super) async fn let_go(
        &self,
        orchestrator: &OrchestratorId,
        connection: ConnectionId,
        ids: &[EventId],
        not_before: Timestamp,
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut call = scripts::call(&scripts::LET_GO, &[keys::claims(orchestrator)]);
        call.arg(connection.to_string()).arg(not_before.0);
        for id in ids {
            call.arg(id.as_str());
        }
        self.run(&call).await
    }
}

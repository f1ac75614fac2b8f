//! The keys that the platform's router shares with the hub.

use bytes::Bytes;
use redis::Value;
use serde::Deserialize;
use serde_json::json;

use super::{RedisBackplane, corrupt, keys, queue::is_wrong_type, scripts};
use crate::{
    backplane::{
        Result,
        queue::LegacySource,
        routing::{DELIVERED_KEPT, QueueBounds, Reachability, RoutingRecords},
    },
    domain::{
        clock::Timestamp,
        ids::{OrchestratorId, SessionId},
    },
};

/// What routers read of `routing:session:{orchestrator}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoutingSession {
    session_id: Option<SessionId>,
}

impl RoutingRecords for RedisBackplane {
    async fn reachability(&self, orchestrator: &OrchestratorId) -> Result<Reachability> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        pipe.cmd("SCARD").arg(keys::connections(orchestrator));
        pipe.cmd("GET").arg(keys::routing_session(orchestrator));
        pipe.cmd("EXISTS").arg(keys::presence_heartbeat(orchestrator));
        let [sockets, session, beating]: [Value; 3] = self.run_all(&pipe).await?;
        let count = |value: Value| match value {
            Value::Int(count) => u64::try_from(count).unwrap_or_default(),
            _ => 0,
        };
        let session: Option<Vec<u8>> = redis::from_redis_value(session).unwrap_or_default();
        let session = session.and_then(|json| serde_json::from_slice::<RoutingSession>(&json).ok());
        Ok(Reachability {
            sockets: count(sockets),
            session: session.and_then(|session| session.session_id),
            beating: count(beating) > 0,
        })
    }

    async fn queue_message(
        &self,
        orchestrator: &OrchestratorId,
        message: &Bytes,
        bounds: QueueBounds,
    ) -> Result<Option<Vec<Bytes>>> {
        let list = keys::legacy(&LegacySource::Routing(orchestrator.clone()));
        let mut call = scripts::call(&scripts::QUEUE_MESSAGE, &[list]);
        call.arg(message.as_ref()).arg(bounds.size).arg(bounds.lifetime.as_secs());
        match self.run_raw::<Vec<Vec<u8>>>(&call).await {
            Ok(dropped) => Ok(Some(dropped.into_iter().map(Bytes::from).collect())),
            Err(error) if is_wrong_type(&error) => Err(corrupt("the queue of messages is no list")),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn note_delivered(&self, message: &str, session: Option<&SessionId>, at: Timestamp) -> Result<()> {
        let record = json!({ "sessionId": session, "deliveredAt": at }).to_string();
        let mut set = redis::cmd("SET");
        set.arg(keys::routing_delivered(message)).arg(record).arg("EX").arg(DELIVERED_KEPT.as_secs());
        self.run(&set).await
    }

    async fn filled(&self, sources: &[LegacySource]) -> Result<Vec<bool>> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for source in sources {
            pipe.cmd("TYPE").arg(keys::legacy(source));
            pipe.cmd("TYPE").arg(keys::legacy_claim(source));
        }
        let types: Vec<String> = self.run_all(&pipe).await?;
        Ok(types.chunks(2).map(|pair| pair.iter().any(|kind| kind == "list")).collect())
    }
}

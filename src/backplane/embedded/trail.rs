//! Receipts, and where events are, in the file.

use bytes::Bytes;

use super::{EmbeddedBackplane, shelf};
use crate::{
    backplane::{
        Result,
        trail::{Among, EventTrail, LastSend, Receipts, Whereabouts},
    },
    domain::ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
    store::queue_file::KnownDelivery,
};

fn last_send(delivery: &KnownDelivery) -> Option<LastSend> {
    Some(LastSend {
        daemon: DaemonId::parse(&delivery.daemon).ok()?,
        connection: ConnectionId::parse(&delivery.connection).ok()?,
        at: delivery.at,
        attempts: delivery.attempts,
    })
}

impl EventTrail for EmbeddedBackplane {
    async fn receipts(&self, event: &EventId, among: Among<'_>) -> Result<Receipts> {
        // They are found by the event, wherever they are.
        let organization = match among {
            Among::Organization(organization) => Some(organization.clone()),
            Among::Everybody { .. } => None,
        };
        let event = event.clone();
        self.worker
            .run(move |state| {
                let organization = organization.as_ref().map(OrganizationId::as_str);
                let found = state.file.read(|transaction| {
                    let found = transaction.receipts(&event, organization)?;
                    found.into_iter().map(shelf::receipt).collect()
                })?;
                Ok(Receipts { found, truncated: false })
            })
            .await
    }

    async fn whereabouts(
        &self,
        event: &EventId,
        orchestrator: Option<&OrchestratorId>,
    ) -> Result<Vec<Whereabouts>> {
        let (event, orchestrator) = (event.clone(), orchestrator.cloned());
        self.worker
            .run(move |state| {
                let found = state.file.read(|transaction| {
                    let owners = match orchestrator {
                        Some(orchestrator) => vec![orchestrator],
                        None => transaction.awaiting(&event)?,
                    };
                    let mut found = Vec::with_capacity(owners.len());
                    for orchestrator in owners {
                        let Some((position, time)) = transaction.place(&orchestrator, &event)? else {
                            continue;
                        };
                        let body = transaction.body(&orchestrator, &event)?.unwrap_or_default();
                        let deliveries = transaction.deliveries(&orchestrator, &event)?;
                        let sends = deliveries.iter().filter_map(last_send).collect();
                        let body = Bytes::from(body);
                        found.push(Whereabouts { orchestrator, position, time, body, sends });
                    }
                    Ok(found)
                })?;
                Ok(found)
            })
            .await
    }
}

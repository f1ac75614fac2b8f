//! Receipts, and where events are.

use super::RedisBackplane;
use crate::{
    backplane::{
        Result,
        trail::{EventTrail, Receipt, Whereabouts},
    },
    domain::ids::{EventId, OrchestratorId, OrganizationId},
};

impl EventTrail for RedisBackplane {
    async fn receipts(&self, _: &EventId, _: Option<&OrganizationId>) -> Result<Vec<Receipt>> {
        Ok(Vec::new())
    }

    async fn whereabouts(&self, _: &EventId, _: Option<&OrchestratorId>) -> Result<Vec<Whereabouts>> {
        Ok(Vec::new())
    }
}

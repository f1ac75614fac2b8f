//! There is no stream without a server; see [`IngressStream`].

use std::time::Duration;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        ingress::{IngressBacklog, IngressEntry, IngressStream, Reply},
    },
    domain::ids::NodeId,
};

impl IngressStream for EmbeddedBackplane {
    fn has_ingress(&self) -> bool {
        false
    }

    async fn read_new(&self, _: &NodeId, _: usize, _: Duration) -> Result<Vec<IngressEntry>> {
        Ok(Vec::new())
    }

    async fn read_unconfirmed(&self, _: &NodeId, _: &str, _: usize) -> Result<Vec<IngressEntry>> {
        Ok(Vec::new())
    }

    async fn inherit(&self, _: &NodeId, _: &NodeId) -> Result<()> {
        Ok(())
    }

    async fn claim(&self, _: &NodeId, _: Duration) -> Result<u64> {
        Ok(0)
    }

    async fn confirm(&self, _: &[String], _: &[Reply]) -> Result<()> {
        Ok(())
    }

    fn may_reply_to(&self, _: &str) -> bool {
        false
    }

    async fn tidy(&self, _: &NodeId) -> Result<IngressBacklog> {
        Ok(IngressBacklog::default())
    }
}

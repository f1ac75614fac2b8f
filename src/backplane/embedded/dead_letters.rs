//! Dead letters that wait for the database.

use super::EmbeddedBackplane;
use crate::backplane::{
    Result,
    dead_letters::{DeadLetters, Unfiled},
};

impl DeadLetters for EmbeddedBackplane {
    async fn unfiled(&self, _: usize) -> Result<Vec<Unfiled>> {
        Ok(Vec::new())
    }

    async fn filed(&self, _: &[Unfiled]) -> Result<()> {
        Ok(())
    }
}

//! Dead letters that wait for the database.

use super::RedisBackplane;
use crate::backplane::{
    Result,
    dead_letters::{DeadLetters, Unfiled},
};

impl DeadLetters for RedisBackplane {
    async fn unfiled(&self, _: usize) -> Result<Vec<Unfiled>> {
        Ok(Vec::new())
    }

    async fn filed(&self, _: &[Unfiled]) -> Result<()> {
        Ok(())
    }
}

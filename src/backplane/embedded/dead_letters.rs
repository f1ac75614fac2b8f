//! Dead letters that wait for the database, in the file.

use super::{EmbeddedBackplane, shelf};
use crate::backplane::{
    Result,
    dead_letters::{DeadLetters, Unfiled},
};

impl DeadLetters for EmbeddedBackplane {
    async fn unfiled(&self, limit: usize) -> Result<Vec<Unfiled>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.worker
            .run(move |state| {
                let oldest = state.file.read(|transaction| {
                    transaction.unfiled(limit)?.into_iter().map(shelf::unfiled).collect()
                })?;
                Ok(oldest)
            })
            .await
    }

    async fn filed(&self, letters: &[Unfiled]) -> Result<()> {
        let keys: Vec<String> = letters.iter().map(|letter| letter.key.clone()).collect();
        self.worker
            .run(move |state| {
                // A power failure brings them back, and filing them again changes nothing.
                state
                    .file
                    .loosely(|transaction| keys.iter().try_for_each(|key| transaction.forget_unfiled(key)))?;
                Ok(())
            })
            .await
    }
}

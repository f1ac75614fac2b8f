//! The answers to requests that have a key.

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{Transaction, schema::idempotency};
use crate::{domain::clock::Timestamp, store::Result};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedAnswer {
    /// A digest of what was asked for.
    pub content: String,
    /// What was answered, if it was.
    pub answer: Option<Vec<u8>>,
}

impl Transaction<'_> {
    /// What is known of a key at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn keyed_answer(&mut self, key: &str, now: Timestamp) -> Result<Option<KeyedAnswer>> {
        let known = idempotency::table
            .filter(idempotency::key.eq(key).and(idempotency::expires_at_ms.gt(now.0)))
            .select((idempotency::content, idempotency::answer))
            .first(self.connection)
            .optional()?;
        Ok(known.map(|(content, answer)| KeyedAnswer { content, answer }))
    }

    /// Gives a key to a request.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn claim_key(&mut self, key: &str, content: &str, claim: &str, until: Timestamp) -> Result<()> {
        let row = (
            idempotency::key.eq(key),
            idempotency::content.eq(content),
            idempotency::claim.eq(claim),
            idempotency::answer.eq(None::<Vec<u8>>),
            idempotency::expires_at_ms.eq(until.0),
        );
        diesel::replace_into(idempotency::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Writes the answer down, if the key is still this claim's.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn answer_key(&mut self, key: &str, claim: &str, answer: &[u8], until: Timestamp) -> Result<()> {
        let own = idempotency::table.find(key).filter(idempotency::claim.eq(claim));
        diesel::update(own)
            .set((idempotency::answer.eq(answer), idempotency::expires_at_ms.eq(until.0)))
            .execute(self.connection)?;
        Ok(())
    }

    /// Gives the key back, if it is still this claim's.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn free_key(&mut self, key: &str, claim: &str) -> Result<()> {
        let own = idempotency::table.find(key).filter(idempotency::claim.eq(claim));
        diesel::delete(own).execute(self.connection)?;
        Ok(())
    }
}

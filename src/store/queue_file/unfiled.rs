//! Dead letters on their way into the accounts database.

use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper};

use super::{Transaction, schema::unfiled};
use crate::store::Result;

/// A dead letter as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = unfiled)]
pub struct UnfiledLetter {
    /// What it is known by.
    pub key: String,
    /// Whose queue it was in.
    pub orchestrator: String,
    /// The tenant, where it is known.
    pub organization: Option<String>,
    /// Which event.
    pub event_id: String,
    /// Why it was given up.
    pub reason: String,
    /// How often it was delivered.
    pub attempts: i64,
    /// Who had it last.
    pub daemon: Option<String>,
    /// How the deliveries ended, as JSON.
    pub history: String,
    /// When it was given up, in milliseconds.
    pub at_ms: i64,
    /// Its JSON.
    pub body: Vec<u8>,
}

impl Transaction<'_> {
    /// Keeps a dead letter, and drops the oldest ones beyond `capacity`; returns how many.
    ///
    /// # Errors
    /// When the file cannot be written, or has the key already.
    pub fn keep_unfiled(&mut self, letter: &UnfiledLetter, capacity: i64) -> Result<usize> {
        let last: i64 = diesel::insert_into(unfiled::table)
            .values(letter)
            .returning(unfiled::sequence)
            .get_result(self.connection)?;
        let beyond = unfiled::table.filter(unfiled::sequence.le(last - capacity));
        Ok(diesel::delete(beyond).execute(self.connection)?)
    }

    /// The oldest ones, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unfiled(&mut self, limit: i64) -> Result<Vec<UnfiledLetter>> {
        let oldest = unfiled::table.order(unfiled::sequence).limit(limit);
        Ok(oldest.select(UnfiledLetter::as_select()).load(self.connection)?)
    }

    /// Forgets a dead letter by its key.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_unfiled(&mut self, key: &str) -> Result<()> {
        diesel::delete(unfiled::table.filter(unfiled::key.eq(key))).execute(self.connection)?;
        Ok(())
    }
}

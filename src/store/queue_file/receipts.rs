//! How the way of each event ended.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable,
    SelectableHelper,
};

use super::{
    Transaction,
    schema::{receipt_counts, receipts},
};
use crate::{domain::ids::EventId, store::Result};

/// A receipt as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = receipts)]
pub struct StoredReceipt {
    /// The tenant; empty where it is not known.
    pub organization: String,
    /// Which event.
    pub event_id: String,
    /// Whose queue it left.
    pub orchestrator: String,
    /// How it left, as a word.
    pub outcome: String,
    /// When, in milliseconds.
    pub at_ms: i64,
    /// Who took it, or had it last.
    pub daemon: Option<String>,
    /// How often it was sent to that daemon.
    pub attempts: i64,
    /// Why, as a word.
    pub reason: Option<String>,
}

impl Transaction<'_> {
    /// Keeps receipts of one organization. When it has more than twice `kept` of them, the oldest go,
    /// down to `kept`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_receipts(&mut self, organization: &str, new: &[StoredReceipt], kept: i64) -> Result<()> {
        for receipt in new {
            diesel::insert_into(receipts::table).values(receipt).execute(self.connection)?;
        }
        let before: Option<i64> = receipt_counts::table
            .find(organization)
            .select(receipt_counts::kept)
            .first(self.connection)
            .optional()?;
        let mut count = before.unwrap_or(0) + i64::try_from(new.len()).unwrap_or(i64::MAX);
        if count > 2 * kept {
            let own = receipts::table.filter(receipts::organization.eq(organization));
            let first_kept: Option<i64> = own
                .order(receipts::sequence.desc())
                .select(receipts::sequence)
                .offset(kept - 1)
                .first(self.connection)
                .optional()?;
            let beyond = own.filter(receipts::sequence.lt(first_kept.unwrap_or(i64::MIN)));
            diesel::delete(beyond).execute(self.connection)?;
            count = kept;
        }
        let row = (receipt_counts::organization.eq(organization), receipt_counts::kept.eq(count));
        diesel::replace_into(receipt_counts::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// The receipts of an event, oldest first: those of one organization, or all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn receipts(&mut self, event: &EventId, organization: Option<&str>) -> Result<Vec<StoredReceipt>> {
        let all = receipts::table.filter(receipts::event_id.eq(event.as_str()));
        let all = all.order(receipts::sequence).select(StoredReceipt::as_select());
        let found = match organization {
            Some(organization) => {
                all.filter(receipts::organization.eq(organization)).load(self.connection)?
            }
            None => all.load(self.connection)?,
        };
        Ok(found)
    }
}

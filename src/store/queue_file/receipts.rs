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
    /// Keeps receipts of one organization. When it has more than `kept` of them, the oldest go, two for
    /// each new one: a commit never waits for more than that.
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
        let added = i64::try_from(new.len()).unwrap_or(i64::MAX);
        let mut count = before.unwrap_or(0) + added;
        let beyond = (count - kept).clamp(0, 2 * added);
        if beyond > 0 {
            let own = receipts::table.filter(receipts::organization.eq(organization));
            // One whole index range: where it ends is cheaper to find than to list what is in it.
            let first_kept: Option<i64> = own
                .order(receipts::sequence)
                .select(receipts::sequence)
                .offset(beyond)
                .first(self.connection)
                .optional()?;
            let oldest = own.filter(receipts::sequence.lt(first_kept.unwrap_or(i64::MAX)));
            diesel::delete(oldest).execute(self.connection)?;
            count -= beyond;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::queue_file::QueueFile;

    fn receipt(number: usize) -> StoredReceipt {
        StoredReceipt {
            organization: "org_1".to_owned(),
            event_id: format!("e{number}"),
            orchestrator: "vp_1".to_owned(),
            outcome: "acknowledged".to_owned(),
            at_ms: 1,
            daemon: None,
            attempts: 1,
            reason: None,
        }
    }

    fn kept(transaction: &mut Transaction<'_>) -> Vec<String> {
        let rows = receipts::table.order(receipts::sequence).select(receipts::event_id);
        rows.load(transaction.connection).expect("readable")
    }

    #[test]
    fn the_oldest_receipts_make_room_a_few_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = QueueFile::open(&directory.path().join("queue.db")).expect("opened");
        let other = StoredReceipt { organization: "org_2".to_owned(), ..receipt(0) };
        let keep = |transaction: &mut Transaction<'_>, new: &[StoredReceipt], most| {
            transaction.keep_receipts("org_1", new, most).expect("kept");
            kept(transaction).len()
        };
        let lengths = file.loosely(|transaction| {
            transaction.keep_receipts("org_2", &[other], 10).expect("kept");
            let many: Vec<_> = (0..100).map(receipt).collect();
            let mut lengths = vec![keep(transaction, &many, 100)];
            // As after an update that keeps fewer.
            lengths.extend((100..103).map(|number| keep(transaction, &[receipt(number)], 10)));
            lengths.extend((103..203).map(|number| keep(transaction, &[receipt(number)], 10)));
            assert_eq!(kept(transaction).get(1..3), Some(&["e193".to_owned(), "e194".to_owned()][..]));
            Ok(lengths)
        });
        let lengths = lengths.expect("done");
        assert_eq!(lengths.get(..4), Some(&[101, 100, 99, 98][..]), "two go for each that comes");
        assert_eq!(lengths.last(), Some(&11), "the ten latest, and that of another organization");
    }
}

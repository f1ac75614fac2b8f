//! The queue file: what the embedded backplane must not forget, in a SQLite file of its own.
//!
//! Here are the tables and what can be asked of them; the rules of the queue are in
//! `backplane::embedded`. Every operation costs O(log n) in the length of a queue.

mod acknowledged;
mod audit;
mod claims;
mod entries;
mod idempotency;
mod in_flight;
mod ledger;
mod pages;
mod reader;
mod receipts;
mod records;
mod recount;
mod schema;
mod sessions;
mod told;
mod unfiled;

pub use claims::Claim;
pub use entries::{Delivered, Entry, LoadedEntry};
pub use idempotency::KeyedAnswer;
pub use in_flight::{Delivery, KnownDelivery};
pub use ledger::Ledger;
pub use pages::PageEntry;
pub use reader::QueueReader;
pub use receipts::StoredReceipt;
pub use unfiled::UnfiledLetter;

use std::{
    ffi::OsString,
    fmt,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query};

use super::{
    Result, StoreError,
    connection::{Synchronous, open_sqlite},
    migrations,
};
use crate::domain::ids::IdError;

/// An open queue file. One process has it open at a time.
pub struct QueueFile {
    connection: SqliteConnection,
    synchronous: Synchronous,
    path: PathBuf,
    /// Held, not used: closing it lets the next hub in.
    _lock: File,
}

impl QueueFile {
    /// Opens the file, creates it when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be opened, or is something else.
    pub fn open(path: &Path) -> Result<Self> {
        let lock = lock(path)?;
        let text = path.to_str().ok_or_else(|| {
            StoreError::Configuration(format!("the path {} is not valid UTF-8", path.display()))
        })?;
        let synchronous = Synchronous::Full;
        let mut connection = open_sqlite(text, synchronous)?;
        migrations::queue_file(&mut connection)?;
        Ok(Self { connection, synchronous, path: path.to_owned(), _lock: lock })
    }

    /// Does `work` in one transaction that is on disk when this returns; all of it, or on an error
    /// nothing.
    ///
    /// # Errors
    /// Those of `work`, and those of the commit.
    pub fn durably<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transact(Synchronous::Full, work)
    }

    /// Does `work` in one transaction that survives the end of the process at once, and a power
    /// failure once the next durable one has succeeded.
    ///
    /// # Errors
    /// Those of `work`, and those of the commit.
    pub fn loosely<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transact(Synchronous::Normal, work)
    }

    /// Does `work`, which only reads, on one state of the file.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn read<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        self.connection.transaction(|connection| work(&mut Transaction { connection }))
    }

    /// Asks the file for one answer.
    ///
    /// # Errors
    /// When it gives none.
    pub fn ping(&mut self) -> Result<()> {
        sql_query("SELECT 1 FROM ledgers LIMIT 1").execute(&mut self.connection)?;
        Ok(())
    }

    fn transact<T>(
        &mut self,
        synchronous: Synchronous,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        if self.synchronous != synchronous {
            self.connection.batch_execute(synchronous.pragma())?;
            self.synchronous = synchronous;
        }
        self.connection.immediate_transaction(|connection| work(&mut Transaction { connection }))
    }
}

impl fmt::Debug for QueueFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueFile").field(&self.path).finish()
    }
}

/// A view of the file inside one transaction.
pub struct Transaction<'a> {
    connection: &'a mut SqliteConnection,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

/// Claims the file for this process. SQLite would let a second hub in, and each would then count
/// only its own connections. The lock is on a file beside it, so that tools can still read along.
fn lock(path: &Path) -> Result<File> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let refused = |problem: &dyn fmt::Display| {
        StoreError::Unavailable(format!("cannot lock {}: {problem}", Path::new(&name).display()))
    };
    let file = File::create(&name).map_err(|error| refused(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Configuration(format!(
            "another hub uses {}: the embedded backplane serves one node, a fleet needs Redis",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(refused(&error)),
    }
}

/// What is said of an id that the hub would not have written.
fn foreign_id(problem: IdError) -> StoreError {
    StoreError::Corrupt(format!("an id in the queue file {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_hub_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.db");
        let first = QueueFile::open(&path).expect("opened");
        let problem = QueueFile::open(&path).expect_err("taken").to_string();
        assert!(problem.contains("another hub") && problem.contains("queue.db"), "{problem}");
        drop(first);
        assert!(QueueFile::open(&path).is_ok());
    }

    #[derive(diesel::QueryableByName)]
    struct Setting {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        synchronous: i32,
    }

    fn synchronous(transaction: &mut Transaction<'_>) -> Result<i32> {
        let setting: Setting = sql_query("PRAGMA synchronous").get_result(transaction.connection)?;
        Ok(setting.synchronous)
    }

    /// A power failure cannot be had in a test, so this asks SQLite what it would do.
    #[test]
    fn only_durable_transactions_wait_for_the_disk() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = QueueFile::open(&directory.path().join("queue.db")).expect("opened");
        let (normal, full) = (1, 2);
        assert_eq!(file.durably(synchronous), Ok(full));
        assert_eq!(file.loosely(synchronous), Ok(normal));
        assert_eq!(file.durably(synchronous), Ok(full), "also after a loose one");
    }

    #[test]
    fn a_transaction_that_fails_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = QueueFile::open(&directory.path().join("queue.db")).expect("opened");
        let failure = StoreError::Corrupt("as a test".to_owned());
        let failed: Result<()> = file.durably(|transaction| {
            transaction.revoke("token", crate::domain::clock::Timestamp(1))?;
            Err(failure.clone())
        });
        assert_eq!(failed, Err(failure));
        assert_eq!(file.read(|transaction| transaction.is_revoked("token")), Ok(false));
    }

    #[test]
    fn a_file_that_is_no_database_is_not_touched() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.txt");
        let notes = "not a database, ".repeat(100);
        std::fs::write(&path, &notes).expect("written");
        assert!(matches!(QueueFile::open(&path), Err(StoreError::Corrupt(_))));
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), notes);
    }
}

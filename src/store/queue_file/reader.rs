//! Reading a queue file that a hub may be at work on.

use std::{fmt, path::Path};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::Transaction;
use crate::store::{Result, StoreError};

/// A queue file that is only read, whoever else has it open.
pub struct QueueReader {
    connection: SqliteConnection,
}

impl QueueReader {
    /// Opens the file; creates and changes nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |problem: &dyn fmt::Display| {
            StoreError::Unavailable(format!("cannot read {}: {problem}", path.display()))
        };
        // Opening a file that is not there would make one.
        std::fs::metadata(path).map_err(|error| refused(&error))?;
        let text = path.to_str().ok_or_else(|| refused(&"its path is not valid UTF-8"))?;
        let mut connection = SqliteConnection::establish(text).map_err(|error| refused(&error))?;
        connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON")?;
        Ok(Self { connection })
    }

    /// Does `work`, which only reads, on one state of the file.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn read<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        self.connection.transaction(|connection| work(&mut Transaction { connection }))
    }
}

impl fmt::Debug for QueueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueReader")
    }
}

//! What is kept on disk or in a database server: accounts, and the queue of the embedded backplane.
//!
//! The only home of diesel and r2d2. Every call blocks, so callers run it on a blocking pool or on a
//! thread of their own. The two stores share nothing but their error type:
//!
//! * [`database`] and [`accounts`]: accounts, in SQLite or PostgreSQL, through a pool;
//! * [`queue_file`]: events and their bookkeeping in a SQLite file of its own, through one
//!   connection. SQLite lets one writer in per file, and accounts must not wait for the queue.

pub mod accounts;
pub mod database;
pub mod database_url;
pub mod directory;
pub mod queue_file;

mod connection;
mod migrations;
mod schema;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use thiserror::Error;

/// Why a store could not do what it was asked. No variant ever carries a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It was configured in a way that can never work.
    #[error("{0}")]
    Configuration(String),
    /// It cannot be reached, or did not answer in time; the same call may work later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// It holds something that the hub never writes, or is no database at all.
    #[error("the database holds unexpected data: {0}")]
    Corrupt(String),
    /// A migration could not be applied.
    #[error("migration {name} failed: {problem}")]
    Migration {
        /// Which, by the name of its directory.
        name: String,
        /// What the database said.
        problem: String,
    },
    /// Another row has the value already; this is the field, as documents spell it.
    #[error("this {0} is taken")]
    Conflict(String),
    /// What the new row refers to does not exist, or not for the one who asks.
    #[error("there is no such {0}")]
    Missing(&'static str),
}

/// The result of every call to a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What SQLite says about a file that is none of its own or has been damaged. It has codes for both,
/// but diesel passes on the text only.
const DAMAGE: [&str; 2] = ["file is not a database", "database disk image is malformed"];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        match error {
            DieselError::DeserializationError(_) | DieselError::NotFound => Self::Corrupt(text),
            // Where a caller's values may break a constraint, they are told apart before they get here.
            DieselError::DatabaseError(
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation,
                _,
            ) => Self::Corrupt(text),
            _ if DAMAGE.iter().any(|damage| text.contains(damage)) => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

//! One connection to the accounts database, whichever kind it is, and how the pool makes one.

use diesel::{
    Connection, PgConnection, SqliteConnection, connection::SimpleConnection, r2d2::R2D2Connection,
};
use r2d2::{HandleError, ManageConnection};
use thiserror::Error;

use super::{Result, StoreError, database_url::DatabaseUrl};

/// How long PostgreSQL may take to accept a connection, in seconds; libpq itself would wait for the
/// operating system, which gives up after minutes.
const CONNECT_TIMEOUT_SECS: u32 = 3;

/// A connection to either backend; one query text serves both.
#[derive(diesel::MultiConnection)]
pub(super) enum AccountsConnection {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(PgConnection),
}

/// Makes connections for the pool.
pub(super) struct Connector(pub(super) DatabaseUrl);

/// Why there is no connection, with the place but without its password.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct ConnectError(String);

impl Connector {
    fn failed(&self, problem: &dyn std::error::Error) -> ConnectError {
        let problem = self.0.redact(problem.to_string().trim_end());
        ConnectError(format!("{}: {problem}", self.0))
    }
}

impl ManageConnection for Connector {
    type Connection = AccountsConnection;
    type Error = ConnectError;

    fn connect(&self) -> std::result::Result<AccountsConnection, ConnectError> {
        match &self.0 {
            DatabaseUrl::Sqlite(path) => open_sqlite(path, Synchronous::Normal)
                .map(AccountsConnection::Sqlite)
                .map_err(|error| ConnectError(error.to_string())),
            DatabaseUrl::Postgres(url) => PgConnection::establish(&with_timeout(url))
                .map(AccountsConnection::Postgres)
                .map_err(|error| self.failed(&error)),
        }
    }

    fn is_valid(&self, connection: &mut AccountsConnection) -> std::result::Result<(), ConnectError> {
        connection.ping().map_err(|error| self.failed(&error))
    }

    fn has_broken(&self, connection: &mut AccountsConnection) -> bool {
        connection.is_broken()
    }
}

/// Keeps failed attempts of the pool out of the error log: whoever waits for a connection gets the
/// reason, and reports it.
#[derive(Debug)]
pub(super) struct Quiet;

impl HandleError<ConnectError> for Quiet {
    fn handle_error(&self, error: ConnectError) {
        log::debug!("no connection to the accounts database: {error}");
    }
}

fn with_timeout(url: &str) -> String {
    if url.contains("connect_timeout=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}connect_timeout={CONNECT_TIMEOUT_SECS}")
}

/// When SQLite tells the disk to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synchronous {
    /// At checkpoints: a crash of the process loses nothing, a power failure may lose the last
    /// transactions.
    Normal,
    /// At every commit: nothing that was committed is ever lost.
    Full,
}

impl Synchronous {
    /// The statement that selects it.
    pub(super) fn pragma(self) -> &'static str {
        match self {
            Self::Normal => "PRAGMA synchronous = NORMAL",
            Self::Full => "PRAGMA synchronous = FULL",
        }
    }
}

/// Opens a SQLite file, and creates it when there is none. Readers do not wait for the writer.
pub(super) fn open_sqlite(path: &str, synchronous: Synchronous) -> Result<SqliteConnection> {
    let refused = |problem: String| StoreError::Unavailable(format!("cannot open {path}: {problem}"));
    let mut connection = SqliteConnection::establish(path).map_err(|error| refused(error.to_string()))?;
    // The time to wait comes first: switching to WAL needs a lock that another connection may hold.
    let pragmas = ["PRAGMA busy_timeout = 5000", "PRAGMA journal_mode = WAL", "PRAGMA foreign_keys = ON"];
    for pragma in pragmas.into_iter().chain([synchronous.pragma()]) {
        connection.batch_execute(pragma)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_answer_is_given_up() {
        assert_eq!(with_timeout("postgres://db/hub"), "postgres://db/hub?connect_timeout=3");
        assert_eq!(with_timeout("postgres:///hub?host=db"), "postgres:///hub?host=db&connect_timeout=3");
        assert_eq!(
            with_timeout("postgres://db/hub?connect_timeout=9"),
            "postgres://db/hub?connect_timeout=9"
        );
    }
}

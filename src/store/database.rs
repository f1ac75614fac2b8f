//! The accounts database: organizations, users and orchestrators.

use std::{fmt, time::Duration};

use diesel::r2d2::R2D2Connection;
use r2d2::{Pool, PooledConnection};

use super::{
    Result, StoreError,
    connection::{AccountsConnection, Connector, Quiet},
    database_url::DatabaseUrl,
    migrations,
};

/// How long a caller waits for a connection. Requests that need the database are refused after it.
const WAIT: Duration = Duration::from_secs(3);
/// How many connections a SQLite file gets: one can write, the others read.
const SQLITE_CONNECTIONS: u32 = 4;
/// How many connections a PostgreSQL server gets from one hub.
const POSTGRES_CONNECTIONS: u32 = 10;

/// A pool of connections to the accounts database. Cloning it shares the pool.
#[derive(Clone)]
pub struct Database {
    url: DatabaseUrl,
    pool: Pool<Connector>,
}

impl Database {
    /// Prepares the pool. Nothing is connected yet, so a server that is away does not keep the hub
    /// from starting.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        let connections = match url {
            DatabaseUrl::Sqlite(_) => SQLITE_CONNECTIONS,
            DatabaseUrl::Postgres(_) => POSTGRES_CONNECTIONS,
        };
        let pool = Pool::builder()
            .max_size(connections)
            .min_idle(Some(0))
            .connection_timeout(WAIT)
            .error_handler(Box::new(Quiet))
            .build_unchecked(Connector(url.clone()));
        Self { url, pool }
    }

    /// Applies the migrations that the database lacks, and returns their names in order.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when one fails; those before it stay applied.
    pub fn migrate(&self) -> Result<Vec<String>> {
        match &mut *self.connection()? {
            AccountsConnection::Sqlite(connection) => migrations::accounts_sqlite(connection),
            AccountsConnection::Postgres(connection) => migrations::accounts_postgres(connection),
        }
    }

    /// Asks the database for one answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it gives none.
    pub fn ping(&self) -> Result<()> {
        Ok(self.connection()?.ping()?)
    }

    /// A connection for the caller alone, for as long as it keeps it.
    pub(super) fn connection(&self) -> Result<PooledConnection<Connector>> {
        self.pool.get().map_err(|error| StoreError::Unavailable(self.url.redact(&error.to_string())))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.url).finish()
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::*;

    #[test]
    fn a_fresh_file_is_migrated_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hub.db");
        let database = Database::new(DatabaseUrl::Sqlite(path.display().to_string()));
        let all = ["2025-01-01-000000_accounts", "2025-02-01-000000_rest_api", "2025-03-01-000000_delivery"];
        assert_eq!(database.migrate(), Ok(all.map(str::to_owned).to_vec()));
        assert_eq!(database.migrate(), Ok(Vec::new()));
        assert_eq!(database.ping(), Ok(()));
    }

    #[test]
    fn foreign_keys_hold() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hub.db");
        let database = Database::new(DatabaseUrl::Sqlite(path.display().to_string()));
        database.migrate().expect("migrated");
        let orphan = "INSERT INTO orchestrators (id, organization_id, created_at, updated_at) \
            VALUES ('vp_1', 'nobody', '2025-01-01', '2025-01-01')";
        assert!(database.connection().expect("open").batch_execute(orphan).is_err());
    }

    #[test]
    fn a_server_that_is_away_is_reported_without_its_password() {
        let url = DatabaseUrl::parse("postgres://hub:s3cret@127.0.0.1:1/hub").expect("a URL");
        let database = Database::new(url);
        let problem = database.ping().expect_err("nobody listens there");
        assert!(matches!(problem, StoreError::Unavailable(_)), "{problem}");
        assert!(problem.to_string().contains("127.0.0.1"), "it says where: {problem}");
        assert!(!format!("{problem} {database:?}").contains("s3cret"));
    }
}

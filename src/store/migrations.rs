//! The migrations of each store, embedded in the binary.

use diesel::{
    Connection, PgConnection, RunQueryDsl, SqliteConnection, connection::LoadConnection, sql_query,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Result, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const QUEUE_FILE: EmbeddedMigrations = embed_migrations!("migrations/embedded");

/// Brings the accounts database in a SQLite file up to date; returns the names applied.
pub(super) fn accounts_sqlite(connection: &mut SqliteConnection) -> Result<Vec<String>> {
    apply(connection, SQLITE)
}

/// Brings the accounts database in PostgreSQL up to date; returns the names applied. Hubs that start
/// together take turns.
pub(super) fn accounts_postgres(connection: &mut PgConnection) -> Result<Vec<String>> {
    // Any number will do as long as it never changes: it names the lock in this database.
    sql_query("SELECT pg_advisory_lock(7310579610531987)").execute(connection)?;
    let applied = apply(connection, POSTGRES);
    sql_query("SELECT pg_advisory_unlock(7310579610531987)").execute(connection)?;
    applied
}

/// Brings the queue file up to date.
pub(super) fn queue_file(connection: &mut SqliteConnection) -> Result<()> {
    apply(connection, QUEUE_FILE).map(drop)
}

fn apply<C>(connection: &mut C, source: EmbeddedMigrations) -> Result<Vec<String>>
where
    C: Connection + LoadConnection + MigrationHarness<C::Backend>,
    EmbeddedMigrations: diesel::migration::MigrationSource<C::Backend>,
{
    // Neither call says more than a boxed error does; what fails here is the connection.
    let unavailable = |problem: Box<dyn std::error::Error + Send + Sync>| {
        StoreError::Unavailable(format!("its migrations cannot be read: {problem}"))
    };
    let pending = connection.pending_migrations(source).map_err(unavailable)?;
    let mut applied = Vec::with_capacity(pending.len());
    for migration in pending {
        let name = migration.name().to_string();
        match connection.run_migration(&*migration) {
            Ok(_) => applied.push(name),
            Err(problem) => return Err(StoreError::Migration { name, problem: problem.to_string() }),
        }
    }
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;
    use crate::{
        domain::{
            clock::Timestamp,
            ids::{EventId, OrchestratorId},
        },
        store::{
            connection::{Synchronous, open_sqlite},
            queue_file::QueueFile,
        },
    };

    #[test]
    fn sessions_of_an_older_version_keep_their_owner() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.db");
        let mut old = open_sqlite(path.to_str().expect("text"), Synchronous::Full).expect("opened");
        old.run_next_migration(QUEUE_FILE).expect("migrated");
        let session =
            r#"INSERT INTO sessions VALUES ('s1', '{"orchestratorId":"vp_1"}', 17), ('s2', '?', 17)"#;
        old.batch_execute(session).expect("written");
        drop(old);
        let mut file = QueueFile::open(&path).expect("brought up to date");
        let owner = OrchestratorId::parse("vp_1").expect("an id");
        let sessions = file.read(|transaction| transaction.sessions_of(&owner, Timestamp(0)));
        let ids: Vec<_> = sessions.expect("readable").into_iter().map(|(id, ..)| id).collect();
        assert_eq!(ids, ["s1"]);
    }

    #[test]
    fn dead_letters_of_an_older_version_wait_to_be_filed_and_stay_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.db");
        let mut old = open_sqlite(path.to_str().expect("text"), Synchronous::Full).expect("opened");
        for _ in 0..2 {
            old.run_next_migration(QUEUE_FILE).expect("migrated");
        }
        let rows = r#"INSERT INTO ledgers VALUES ('vp_1', 2, 0, 0, 0, 1, 1, 0, 1);
            INSERT INTO queue_entries VALUES (1, 'vp_1', 'waiting', 1000, 0, '{}');
            INSERT INTO dead_letters VALUES (1, 'vp_1', 'poison', 'max_attempts', 10, '{}', 17);"#;
        old.batch_execute(rows).expect("written");
        old.run_next_migration(QUEUE_FILE).expect("migrated");
        old.revert_last_migration(QUEUE_FILE).expect("reverted");
        drop(old);
        let mut file = QueueFile::open(&path).expect("brought up to date");
        let owner = OrchestratorId::parse("vp_1").expect("an id");
        let (letters, remembered, known, due) = file
            .read(|transaction| {
                let poison = EventId::parse("poison").expect("an id");
                let known = transaction.is_acknowledged(&owner, &poison)?;
                let due = transaction.due(Timestamp(7 * 24 * 3_600_000), 10)?.len();
                Ok((transaction.unfiled(10)?, transaction.ledger(&owner)?.remembered, known, due))
            })
            .expect("readable");
        let letter = letters.first().expect("a dead letter");
        assert_eq!((letter.event_id.as_str(), letter.attempts, letter.at_ms), ("poison", 10, 17));
        assert_eq!((letters.len(), known, due), (1, true, 1));
        assert_eq!(remembered, 1);
    }
}

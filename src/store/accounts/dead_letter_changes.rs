//! Filing dead letters, noting what becomes of them, and forgetting them.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, RunQueryDsl,
};
use uuid::Uuid;

use super::{dead_letters::DeadLetter, write::Failure};
use crate::{
    domain::{attempt::Attempt, clock::Timestamp, ids::OrganizationId},
    store::{Result, connection::AccountsConnection, database::Database, schema::dead_letters},
};

/// How many dead letters are kept per orchestrator; the oldest make room.
pub const MAX_PER_ORCHESTRATOR: i64 = 1000;

/// A dead letter to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// What the backplane knows it by.
    pub key: String,
    /// Whose queue the event was in.
    pub orchestrator_id: String,
    /// The organization that it concerns; that of the orchestrator's account when there is none.
    pub organization_id: Option<String>,
    /// Which event.
    pub event_id: String,
    /// What kind of event, if it can be read.
    pub event_type: Option<String>,
    /// Why it was given up, as a word.
    pub reason: String,
    /// How often it was delivered.
    pub attempts: u32,
    /// Who had it last.
    pub daemon_id: Option<String>,
    /// How the deliveries ended, oldest first.
    pub history: Vec<Attempt>,
    /// The event as it was in the queue.
    pub body: Vec<u8>,
    /// When it was given up.
    pub died_at: Timestamp,
}

#[derive(Insertable)]
#[diesel(table_name = dead_letters)]
struct Row {
    id: String,
    outbox_key: String,
    orchestrator_id: String,
    organization_id: Option<String>,
    event_id: String,
    event_type: Option<String>,
    reason: String,
    attempts: i32,
    daemon_id: Option<String>,
    history: String,
    body: String,
    died_at: chrono::NaiveDateTime,
}

impl Row {
    fn of(new: &NewDeadLetter, homes: &HashMap<String, String>) -> Self {
        let home = || homes.get(&new.orchestrator_id).cloned();
        Self {
            // Ids that grow keep letters of one millisecond in the order in which they came.
            id: format!("dl_{}", Uuid::now_v7().simple()),
            outbox_key: plain(&new.key),
            orchestrator_id: new.orchestrator_id.clone(),
            organization_id: new.organization_id.clone().or_else(home),
            event_id: new.event_id.clone(),
            event_type: new.event_type.as_deref().map(plain),
            reason: plain(&new.reason),
            attempts: i32::try_from(new.attempts).unwrap_or(i32::MAX),
            daemon_id: new.daemon_id.clone(),
            history: serde_json::to_string(&new.history).unwrap_or_else(|_| "[]".to_owned()),
            body: plain(&String::from_utf8_lossy(&new.body)),
            died_at: new.died_at.utc(),
        }
    }
}

/// PostgreSQL takes no NUL in a text, and what is unreadable may hold one.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Adds a row unless it is there. Both arms are one statement; only a connection of one kind can say
/// what becomes of a conflict.
fn add(connection: &mut AccountsConnection, row: &Row) -> diesel::QueryResult<usize> {
    let insert = diesel::insert_into(dead_letters::table).values(row);
    match connection {
        AccountsConnection::Sqlite(connection) => {
            insert.on_conflict(dead_letters::outbox_key).do_nothing().execute(connection)
        }
        AccountsConnection::Postgres(connection) => {
            insert.on_conflict(dead_letters::outbox_key).do_nothing().execute(connection)
        }
    }
}

/// Deletes the oldest letters of an orchestrator beyond [`MAX_PER_ORCHESTRATOR`].
fn make_room(connection: &mut AccountsConnection, orchestrator: &str) -> diesel::QueryResult<usize> {
    let first_too_many: Option<(Timestamp, String)> = dead_letters::table
        .filter(dead_letters::orchestrator_id.eq(orchestrator))
        .order((dead_letters::died_at.desc(), dead_letters::id.desc()))
        .offset(MAX_PER_ORCHESTRATOR)
        .limit(1)
        .select((dead_letters::died_at, dead_letters::id))
        .first(connection)
        .optional()?;
    let Some((at, id)) = first_too_many else { return Ok(0) };
    let at = at.utc();
    let older = dead_letters::died_at.lt(at).or(dead_letters::died_at.eq(at).and(dead_letters::id.le(id)));
    let too_many = dead_letters::table.filter(dead_letters::orchestrator_id.eq(orchestrator)).filter(older);
    diesel::delete(too_many).execute(connection)
}

/// Deletes what an orchestrator left.
pub(super) fn forget_orchestrator(
    connection: &mut AccountsConnection,
    orchestrator: &str,
) -> diesel::QueryResult<usize> {
    diesel::delete(dead_letters::table.filter(dead_letters::orchestrator_id.eq(orchestrator)))
        .execute(connection)
}

/// Deletes what concerns an organization.
pub(super) fn forget_organization(
    connection: &mut AccountsConnection,
    organization: &str,
) -> diesel::QueryResult<usize> {
    diesel::delete(dead_letters::table.filter(dead_letters::organization_id.eq(organization)))
        .execute(connection)
}

impl Database {
    /// Keeps dead letters, oldest first, and says how many are new: one whose key is known already is
    /// left alone. The oldest letters of an orchestrator make room.
    ///
    /// # Errors
    /// When the database does not answer; then none is kept.
    pub fn file_dead_letters(&self, letters: &[NewDeadLetter]) -> Result<usize> {
        let homeless = letters.iter().filter(|letter| letter.organization_id.is_none());
        let homeless: Vec<&str> = homeless.map(|letter| letter.orchestrator_id.as_str()).collect();
        let homes = self.organizations_of(&homeless)?;
        self.write(&[], |connection| {
            let mut filed = 0;
            for letter in letters {
                filed += add(connection, &Row::of(letter, &homes))?;
            }
            let mut concerned: Vec<&str> = letters.iter().map(|one| one.orchestrator_id.as_str()).collect();
            concerned.sort_unstable();
            concerned.dedup();
            for orchestrator in concerned {
                make_room(connection, orchestrator)?;
            }
            Ok::<_, Failure>(filed)
        })
    }

    /// Notes that dead letters were put back into their queues. The first time counts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn mark_redriven(&self, ids: &[String], now: Timestamp) -> Result<usize> {
        let waiting = dead_letters::table
            .filter(dead_letters::id.eq_any(ids))
            .filter(dead_letters::redriven_at.is_null());
        let marked = diesel::update(waiting)
            .set(dead_letters::redriven_at.eq(now.utc()))
            .execute(&mut *self.connection()?)?;
        Ok(marked)
    }

    /// Deletes a dead letter and gives back what it was; nothing when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn delete_dead_letter(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<DeadLetter>> {
        let Some(found) = self.dead_letter(id, scope)? else { return Ok(None) };
        let deleted = diesel::delete(dead_letters::table.find(id)).execute(&mut *self.connection()?)?;
        Ok((deleted > 0).then_some(found.letter))
    }

    /// Deletes the dead letters that were given up before `before`, and says how many those were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn forget_dead_letters(&self, before: Timestamp) -> Result<usize> {
        let old = dead_letters::table.filter(dead_letters::died_at.lt(before.utc()));
        Ok(diesel::delete(old).execute(&mut *self.connection()?)?)
    }
}

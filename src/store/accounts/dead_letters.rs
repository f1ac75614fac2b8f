//! Events that were given up, with the reason and what was tried.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    Selectable, SelectableHelper,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Multi,
    dead_letter_changes::MAX_PER_ORCHESTRATOR,
    page::{Cursor, Page, PageRequest, newest_first},
};
use crate::{
    domain::{
        attempt::{Attempt, Cause},
        clock::Timestamp,
        ids::OrganizationId,
    },
    store::{Result, StoreError, database::Database, schema::dead_letters},
};

/// How many dead letters of one event are read.
const MAX_OF_EVENT: i64 = 1000;

/// A dead letter, without what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
#[diesel(table_name = dead_letters)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// Whose queue the event was in.
    pub orchestrator_id: String,
    /// The organization that it concerns, where that is known.
    pub organization_id: Option<String>,
    /// Which event.
    pub event_id: String,
    /// What kind of event; nothing when the event cannot be read.
    pub event_type: Option<String>,
    /// Why it was given up: `max_attempts`, `rejected`, `crash_loop`, `unreadable` or `unsealed`.
    pub reason: String,
    /// How often it was delivered to that daemon.
    pub attempts: i32,
    /// Who had it last.
    pub daemon_id: Option<String>,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    pub died_at: Timestamp,
    /// When it was put back into its queue.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub redriven_at: Option<Timestamp>,
}

/// A dead letter with all that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullDeadLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// How the deliveries ended, oldest first.
    pub history: Vec<Attempt>,
    /// The event as it was in the queue; JSON unless the reason is `unreadable`.
    pub body: String,
}

/// Which dead letters to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Those of this orchestrator.
    pub orchestrator: Option<String>,
    /// Those of this organization.
    pub organization: Option<String>,
    /// Those of this event.
    pub event: Option<String>,
    /// Those that were given up for this reason.
    pub reason: Option<String>,
    /// Those that were put back into their queue, or those that were not.
    pub redriven: Option<bool>,
}

fn full(row: (DeadLetter, String, String)) -> Result<FullDeadLetter> {
    let (letter, history, body) = row;
    let history = serde_json::from_str(&history).map_err(|problem| {
        StoreError::Corrupt(format!("dead letter {:?}: its history: {problem}", letter.id))
    })?;
    Ok(FullDeadLetter { letter, history, body })
}

impl Database {
    /// A page of the dead letters that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<DeadLetter>> {
        let mut query = dead_letters::table.select(DeadLetter::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(dead_letters::organization_id.eq(scope.as_str().to_owned()));
        }
        if let Some(orchestrator) = &filter.orchestrator {
            query = query.filter(dead_letters::orchestrator_id.eq(orchestrator.clone()));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(dead_letters::organization_id.eq(organization.clone()));
        }
        if let Some(event) = &filter.event {
            query = query.filter(dead_letters::event_id.eq(event.clone()));
        }
        if let Some(reason) = &filter.reason {
            query = query.filter(dead_letters::reason.eq(reason.clone()));
        }
        query = match filter.redriven {
            Some(true) => query.filter(dead_letters::redriven_at.is_not_null()),
            Some(false) => query.filter(dead_letters::redriven_at.is_null()),
            None => query,
        };
        let connection = &mut *self.connection()?;
        let rows: Vec<DeadLetter> = newest_first!(connection, query, dead_letters.died_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.died_at, id: last.id.clone() }))
    }

    /// The dead letter called `id`, with all that is known.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn dead_letter(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<FullDeadLetter>> {
        let mut query = dead_letters::table
            .filter(dead_letters::id.eq(id.to_owned()))
            .select((DeadLetter::as_select(), dead_letters::history, dead_letters::body))
            .into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(dead_letters::organization_id.eq(scope.as_str().to_owned()));
        }
        query.first(&mut *self.connection()?).optional()?.map(full).transpose()
    }

    /// The dead letters of an event with their history, oldest first, 1000 at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn dead_letters_of_event(
        &self,
        event: &str,
        orchestrator: Option<&str>,
        scope: Option<&OrganizationId>,
    ) -> Result<Vec<(DeadLetter, Vec<Attempt>)>> {
        let mut query = dead_letters::table
            .filter(dead_letters::event_id.eq(event.to_owned()))
            .order((dead_letters::died_at, dead_letters::id))
            .limit(MAX_OF_EVENT)
            .select((DeadLetter::as_select(), dead_letters::history))
            .into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(dead_letters::organization_id.eq(scope.as_str().to_owned()));
        }
        if let Some(orchestrator) = orchestrator {
            query = query.filter(dead_letters::orchestrator_id.eq(orchestrator.to_owned()));
        }
        let rows: Vec<(DeadLetter, String)> = query.load(&mut *self.connection()?)?;
        let whole = |(letter, history)| full((letter, history, String::new()));
        rows.into_iter().map(|row| whole(row).map(|full| (full.letter, full.history))).collect()
    }

    /// The ids of an orchestrator's dead letters that were not put back yet, oldest first: those that were
    /// given up for one reason, or all but those that no hub had taken in, which must be asked for by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn redrivable(
        &self,
        orchestrator: &str,
        reason: Option<&str>,
        scope: Option<&OrganizationId>,
    ) -> Result<Vec<String>> {
        let mut query = dead_letters::table
            .filter(dead_letters::orchestrator_id.eq(orchestrator.to_owned()))
            .filter(dead_letters::redriven_at.is_null())
            .order((dead_letters::died_at, dead_letters::id))
            .limit(MAX_PER_ORCHESTRATOR)
            .select(dead_letters::id)
            .into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(dead_letters::organization_id.eq(scope.as_str().to_owned()));
        }
        query = match reason {
            Some(reason) => query.filter(dead_letters::reason.eq(reason.to_owned())),
            None => query.filter(dead_letters::reason.ne(Cause::Unsealed.as_str())),
        };
        Ok(query.load(&mut *self.connection()?)?)
    }
}

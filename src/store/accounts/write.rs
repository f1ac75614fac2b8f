//! Writing rows that come from outside: what a constraint refuses becomes an answer.

use diesel::{
    Connection, QueryableByName, RunQueryDsl,
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError},
    sql_query, sql_types,
};

use crate::store::{Result, StoreError, connection::AccountsConnection, database::Database};

/// A row that another one refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Organization,
    User,
    Workspace,
    Channel,
    Orchestrator,
}

impl Parent {
    /// What it is called where it is missing.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::User => "user",
            Self::Workspace => "workspace",
            Self::Channel => "channel",
            Self::Orchestrator => "orchestrator",
        }
    }

    fn exists(self, connection: &mut AccountsConnection, id: &str) -> Result<bool> {
        let query = format!("SELECT COUNT(*) AS count FROM {}s WHERE id = $1", self.name());
        Ok(count(connection, &query, &[id])? > 0)
    }
}

/// Why a transaction was rolled back.
#[derive(Debug)]
pub(super) enum Failure {
    Query(DieselError),
    Refused(StoreError),
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        Self::Query(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Database {
    /// Does `work` in one transaction. `parents` are the rows that it refers to: SQLite does not say
    /// which of them is missing.
    pub(super) fn write<T>(
        &self,
        parents: &[(Parent, &str)],
        work: impl FnOnce(&mut AccountsConnection) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let mut pooled = self.connection()?;
        let connection: &mut AccountsConnection = &mut pooled;
        connection.transaction(work).map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Query(error) => violation(connection, error, parents),
        })
    }
}

fn violation(
    connection: &mut AccountsConnection,
    error: DieselError,
    parents: &[(Parent, &str)],
) -> StoreError {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) => {
            StoreError::Conflict(field(&*information))
        }
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
            let gone = parents.iter().find(|(parent, id)| matches!(parent.exists(connection, id), Ok(false)));
            gone.map_or_else(|| error.into(), |(parent, _)| StoreError::Missing(parent.name()))
        }
        error => error.into(),
    }
}

/// The field whose value is taken. PostgreSQL says `Key (organization_id, slug)=(…) already exists.`,
/// SQLite `UNIQUE constraint failed: workspaces.organization_id, workspaces.slug`; the last column is
/// the one that the caller chose.
fn field(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> String {
    let details = information.details().and_then(|details| details.strip_prefix("Key ("));
    let columns = match details.and_then(|details| details.split_once(")=")) {
        Some((columns, _)) => columns,
        None => information.message(),
    };
    let column = columns.rsplit([' ', '.']).next().unwrap_or(columns);
    camel_case(column)
}

fn camel_case(column: &str) -> String {
    let mut words = column.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    name
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Runs a query that gives one number called `count`. Its parameters are `$1`, `$2` and so on; they
/// must appear in this order, because SQLite numbers them so.
pub(super) fn count(
    connection: &mut AccountsConnection,
    query: &str,
    parameters: &[&str],
) -> std::result::Result<i64, DieselError> {
    let mut statement = sql_query(query).into_boxed();
    for parameter in parameters {
        statement = statement.bind::<sql_types::Text, _>(*parameter);
    }
    statement.get_result::<Count>(connection).map(|row| row.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_spelled_as_the_documents_do() {
        assert_eq!(camel_case("slug"), "slug");
        assert_eq!(camel_case("user_id"), "userId");
        assert_eq!(camel_case("created_by_id"), "createdById");
    }
}

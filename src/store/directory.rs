//! Who is meant by a published orchestrator id (contract C2).

use std::collections::HashMap;

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};

use super::{Result, StoreError, database::Database, schema::orchestrators};
use crate::domain::ids::{OrchestratorId, OrganizationId};

/// An orchestrator that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedOrchestrator {
    /// Its own id.
    pub orchestrator: OrchestratorId,
    /// Its tenant.
    pub organization: OrganizationId,
}

impl Database {
    /// Finds the orchestrator that is called `id`, or else the one whose user is: publishers of the
    /// first generation name the user.
    ///
    /// # Errors
    /// When the database does not answer, or holds an id that the hub cannot use.
    pub fn resolve(&self, id: &str) -> Result<Option<ResolvedOrchestrator>> {
        let mut matches: Vec<(String, String)> = orchestrators::table
            .filter(orchestrators::id.eq(id).or(orchestrators::user_id.eq(id)))
            .select((orchestrators::id, orchestrators::organization_id))
            .limit(2)
            .load(&mut *self.connection()?)?;
        let own = matches.iter().position(|(own, _)| own == id).unwrap_or(0);
        if matches.is_empty() {
            return Ok(None);
        }
        let (orchestrator, organization) = matches.swap_remove(own);
        let unusable = |problem| StoreError::Corrupt(format!("orchestrator {id:?}: its id {problem}"));
        Ok(Some(ResolvedOrchestrator {
            orchestrator: OrchestratorId::parse(&orchestrator).map_err(unusable)?,
            organization: OrganizationId::parse(&organization).map_err(unusable)?,
        }))
    }

    /// The organizations of those orchestrators that have an account, by the orchestrators' ids.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn organizations_of(&self, orchestrators: &[&str]) -> Result<HashMap<String, String>> {
        if orchestrators.is_empty() {
            return Ok(HashMap::new());
        }
        let homes: Vec<(String, String)> = orchestrators::table
            .filter(orchestrators::id.eq_any(orchestrators))
            .select((orchestrators::id, orchestrators::organization_id))
            .load(&mut *self.connection()?)?;
        Ok(homes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::store::database_url::DatabaseUrl;

    /// Orchestrators `vp_1` of user `user_1` and `vp_2` of user `user_2`; and `user_2` of nobody,
    /// whose id somebody chose to look like a user's.
    const FIXTURE: &str = "
        INSERT INTO organizations (id, name, slug, created_at, updated_at) VALUES
            ('org_1', 'One', 'one', '2025-01-01', '2025-01-01');
        INSERT INTO users (id, created_at, updated_at) VALUES
            ('user_1', '2025-01-01', '2025-01-01'), ('user_2', '2025-01-01', '2025-01-01');
        INSERT INTO orchestrators (id, user_id, organization_id, created_at, updated_at) VALUES
            ('vp_1', 'user_1', 'org_1', '2025-01-01', '2025-01-01'),
            ('vp_2', 'user_2', 'org_1', '2025-01-01', '2025-01-01'),
            ('user_2', NULL, 'org_1', '2025-01-01', '2025-01-01');";

    fn resolved(id: &str) -> Option<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hub.db");
        let database = Database::new(DatabaseUrl::Sqlite(path.display().to_string()));
        database.migrate().expect("migrated");
        database.connection().expect("open").batch_execute(FIXTURE).expect("written");
        let found = database.resolve(id).expect("an answer")?;
        assert_eq!(found.organization.as_str(), "org_1");
        Some(found.orchestrator.as_str().to_owned())
    }

    #[test]
    fn an_orchestrator_is_found_by_its_own_id_and_by_its_user() {
        assert_eq!(resolved("vp_1").as_deref(), Some("vp_1"));
        assert_eq!(resolved("user_1").as_deref(), Some("vp_1"));
        assert_eq!(resolved("nobody"), None);
    }

    #[test]
    fn its_own_id_goes_before_its_user() {
        assert_eq!(resolved("user_2").as_deref(), Some("user_2"));
    }
}

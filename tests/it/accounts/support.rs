//! A migrated database of either kind, and what most tests need in it.

use std::sync::Arc;

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use neolith_hub::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        accounts::{
            channel_changes::NewChannel,
            orchestrator_changes::{Face, NewOrchestrator},
            organizations::NewOrganization,
            page::PageRequest,
            users::NewUser,
            workspaces::NewWorkspace,
        },
        database::Database,
        database_url::DatabaseUrl,
    },
};
use tempfile::TempDir;

use crate::support::{platform::postgres_database, postgres::PostgresServer};

/// Runs each promise, a `fn(&World)`, once on SQLite and once on PostgreSQL.
macro_rules! on_both_engines {
    ($($promise:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $promise() { super::$promise(&crate::accounts::support::World::sqlite()); })+
        }
        mod postgres {
            $(#[test] fn $promise() { super::$promise(&crate::accounts::support::World::postgres()); })+
        }
    };
}
pub(super) use on_both_engines;

/// A moment in 2025; the argument is milliseconds after it.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp(1_750_000_000_000 + millis)
}

pub(super) fn first_page() -> PageRequest {
    PageRequest::new(100, None)
}

/// A migrated database, empty but for organizations `org_1` and `org_2`, each with a workspace
/// (`ws_1`, `ws_2`) and a public channel (`ch_1`, `ch_2`).
pub(super) struct World {
    pub(super) database: Database,
    url: DatabaseUrl,
    _directory: Option<TempDir>,
    _server: Option<Arc<PostgresServer>>,
}

impl World {
    pub(super) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(directory.path().join("hub.db").display().to_string());
        Self::fill(url, Some(directory), None)
    }

    pub(super) fn postgres() -> Self {
        let (url, server) = postgres_database();
        Self::fill(DatabaseUrl::parse(&url).unwrap(), None, Some(server))
    }

    fn fill(url: DatabaseUrl, directory: Option<TempDir>, server: Option<Arc<PostgresServer>>) -> Self {
        let database = Database::new(url.clone());
        database.migrate().unwrap();
        for n in [1, 2] {
            let organization = NewOrganization {
                id: Some(format!("org_{n}")),
                name: format!("Organization {n}"),
                slug: format!("org-{n}"),
                ..Default::default()
            };
            database.create_organization(organization, at(n)).unwrap();
            let workspace = NewWorkspace {
                id: Some(format!("ws_{n}")),
                organization_id: format!("org_{n}"),
                name: "Main".to_owned(),
                slug: "main".to_owned(),
                ..Default::default()
            };
            database.create_workspace(workspace, None, at(n)).unwrap();
            let channel = NewChannel {
                id: Some(format!("ch_{n}")),
                workspace_id: format!("ws_{n}"),
                name: "General".to_owned(),
                slug: "general".to_owned(),
                ..Default::default()
            };
            database.create_channel(channel, None, at(n)).unwrap();
        }
        Self { database, url, _directory: directory, _server: server }
    }

    /// An orchestrator `vp_{name}` of `organization` with the user `user_{name}`.
    pub(super) fn orchestrator(&self, name: &str, organization: &str) -> String {
        let user =
            NewUser { id: Some(format!("user_{name}")), name: Some(name.to_owned()), ..Default::default() };
        let new = NewOrchestrator {
            id: Some(format!("vp_{name}")),
            organization_id: organization.to_owned(),
            workspace_id: None,
            face: Face::New(user),
            discipline: "engineering".to_owned(),
            role: "reviewer".to_owned(),
            capabilities: None,
            daemon_endpoint: None,
        };
        self.database.create_orchestrator(new, None, at(10)).unwrap().id
    }

    /// Does what the hub itself never would.
    pub(super) fn sql(&self, statements: &str) {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                SqliteConnection::establish(path).unwrap().batch_execute(statements).unwrap();
            }
            DatabaseUrl::Postgres(url) => {
                PgConnection::establish(url).unwrap().batch_execute(statements).unwrap();
            }
        }
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.url
    }
}

pub(super) fn scope(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

//! Daemon instances that registered, and since when they are gone.

use diesel::{
    ExpressionMethods, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper, sql_query,
    sql_types::{Integer, Text, Timestamp as SqlTimestamp},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{columns::JsonText, object_text, orchestrators, write::Parent};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{Result, database::Database, schema::daemons},
};

/// A registered daemon instance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// Whose it is.
    pub orchestrator_id: String,
    /// How the process names itself.
    pub instance_id: String,
    /// The version of its program.
    pub version: String,
    /// Where it can be called: the host.
    pub host: String,
    /// Where it can be called: the port.
    pub port: i32,
    /// How it can be called: `http`, `https`, `ws` or `wss`.
    pub protocol: String,
    /// When the process started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// What it can do.
    #[diesel(deserialize_as = JsonText)]
    #[schema(value_type = Vec<String>)]
    pub capabilities: Value,
    /// What else it says of itself.
    #[diesel(deserialize_as = JsonText)]
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// When it last registered.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// When it unregistered; nothing while it is registered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unregistered_at: Option<Timestamp>,
}

/// A daemon instance that registers.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDaemon {
    /// Whose it is.
    pub orchestrator_id: String,
    /// How the process names itself.
    pub instance_id: String,
    /// The version of its program.
    pub version: String,
    /// Where it can be called: the host.
    pub host: String,
    /// Where it can be called: the port.
    pub port: u16,
    /// How it can be called.
    pub protocol: String,
    /// When the process started.
    pub started_at: Timestamp,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// What else it says of itself; an empty object when it says nothing.
    pub metadata: Option<Value>,
}

impl Database {
    /// Registers a daemon instance, or registers it again with what it says now.
    ///
    /// # Errors
    /// [`Missing`](crate::store::StoreError::Missing) `orchestrator`.
    pub fn register_daemon(&self, new: &NewDaemon, now: Timestamp) -> Result<()> {
        self.write(&[(Parent::Orchestrator, &new.orchestrator_id)], |connection| {
            sql_query(
                "INSERT INTO daemons (orchestrator_id, instance_id, version, host, port, protocol,
                    started_at, capabilities, metadata, registered_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (orchestrator_id, instance_id) DO UPDATE SET version = excluded.version,
                    host = excluded.host, port = excluded.port, protocol = excluded.protocol,
                    started_at = excluded.started_at, capabilities = excluded.capabilities,
                    metadata = excluded.metadata, registered_at = excluded.registered_at,
                    unregistered_at = NULL",
            )
            .bind::<Text, _>(&new.orchestrator_id)
            .bind::<Text, _>(&new.instance_id)
            .bind::<Text, _>(&new.version)
            .bind::<Text, _>(&new.host)
            .bind::<Integer, _>(i32::from(new.port))
            .bind::<Text, _>(&new.protocol)
            .bind::<SqlTimestamp, _>(new.started_at.utc())
            .bind::<Text, _>(Value::from(new.capabilities.clone()).to_string())
            .bind::<Text, _>(object_text(new.metadata.clone()))
            .bind::<SqlTimestamp, _>(now.utc())
            .execute(connection)?;
            Ok(())
        })
    }

    /// Notes that instances of an orchestrator are gone: the one named, or all. Says how many were
    /// registered until now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn unregister_daemons(
        &self,
        orchestrator: &str,
        instance: Option<&str>,
        now: Timestamp,
    ) -> Result<usize> {
        let mut update = diesel::update(daemons::table)
            .set(daemons::unregistered_at.eq(now.utc()))
            .filter(daemons::orchestrator_id.eq(orchestrator.to_owned()))
            .filter(daemons::unregistered_at.is_null())
            .into_boxed();
        if let Some(instance) = instance {
            update = update.filter(daemons::instance_id.eq(instance.to_owned()));
        }
        Ok(update.execute(&mut *self.connection()?)?)
    }

    /// The instances of an orchestrator that ever registered, by their id; nothing when there is no
    /// such orchestrator.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn daemons(&self, orchestrator: &str, scope: Option<&OrganizationId>) -> Result<Option<Vec<Daemon>>> {
        let connection = &mut *self.connection()?;
        if orchestrators::load(connection, orchestrator, scope)?.is_none() {
            return Ok(None);
        }
        let found = daemons::table
            .filter(daemons::orchestrator_id.eq(orchestrator))
            .order(daemons::instance_id)
            .select(Daemon::as_select())
            .load(connection)?;
        Ok(Some(found))
    }
}

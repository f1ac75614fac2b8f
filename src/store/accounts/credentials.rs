//! API keys of daemons, and the secrets that may go with them.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl, Selectable, SelectableHelper,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::{
    Multi,
    columns::MaybeJson,
    page::{Cursor, Page, PageRequest, newest_first},
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result,
        connection::AccountsConnection,
        database::Database,
        schema::{credentials, orchestrators, organizations},
    },
};

/// An API key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Its id, which is no secret.
    pub id: String,
    /// Whose it is.
    pub orchestrator_id: String,
    /// What people call it.
    pub name: String,
    /// The first characters of the key.
    pub key_hint: String,
    /// What its tokens may at most do; nothing means everything but the admin scopes.
    #[diesel(deserialize_as = MaybeJson)]
    pub scopes: Option<Vec<String>>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Who issued it.
    pub created_by: Option<String>,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// From when on it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, for ever.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

/// Why a credential that exists may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// It is disabled, or its orchestrator or organization is.
    Disabled,
}

/// A credential as found by its key. Not for showing: it can tell a right secret from a wrong one.
#[derive(Debug, Clone)]
pub struct FoundCredential {
    /// The credential.
    pub credential: Credential,
    /// The organization of its orchestrator.
    pub organization_id: String,
    /// The workspace of its orchestrator.
    pub workspace_id: Option<String>,
    secret_digest: Option<String>,
    owners_enabled: bool,
}

impl FoundCredential {
    /// Whether the credential may be used now, and if not, why.
    ///
    /// # Errors
    /// The reason why not; what is for ever goes before what may end.
    pub fn usable(&self, now: Timestamp) -> std::result::Result<(), Unusable> {
        if self.credential.revoked_at.is_some() {
            Err(Unusable::Revoked)
        } else if self.credential.expires_at.is_some_and(|end| end <= now) {
            Err(Unusable::Expired)
        } else if !self.credential.is_active || !self.owners_enabled {
            Err(Unusable::Disabled)
        } else {
            Ok(())
        }
    }

    /// Whether it was issued with a secret.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret_digest.is_some()
    }

    /// Whether `secret` goes with the key: any does when the credential has none (contract C9).
    #[must_use]
    pub fn secret_matches(&self, secret: &str) -> bool {
        let presented = digest(secret);
        self.secret_digest.as_ref().is_none_or(|stored| stored.as_bytes().ct_eq(presented.as_bytes()).into())
    }
}

/// The lower-case hex SHA-256 by which keys and secrets are known.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The credential `id`, if it is in `scope`.
pub(super) fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<Credential>> {
    let mut query = credentials::table
        .filter(credentials::id.eq(id.to_owned()))
        .select(Credential::as_select())
        .into_boxed::<Multi>();
    if let Some(scope) = scope {
        query = query.filter(credentials::orchestrator_id.eq_any(of_organization(scope)));
    }
    query.first(connection).optional()
}

/// The orchestrators of an organization, as a subquery.
#[diesel::dsl::auto_type(no_type_alias)]
fn of_organization(scope: &OrganizationId) -> _ {
    let id: String = scope.as_str().to_owned();
    orchestrators::table.filter(orchestrators::organization_id.eq(id)).select(orchestrators::id)
}

impl Database {
    /// Looks a key up. Whether it may be used is for the caller to ask.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn find_by_key(&self, key: &str) -> Result<Option<FoundCredential>> {
        type Row = (Credential, Option<String>, String, Option<String>, bool);
        let enabled = orchestrators::disabled_at.is_null().and(organizations::disabled_at.is_null());
        let row: Option<Row> = credentials::table
            .inner_join(orchestrators::table.inner_join(organizations::table))
            .filter(credentials::key_digest.eq(digest(key)))
            .select((
                Credential::as_select(),
                credentials::secret_digest,
                orchestrators::organization_id,
                orchestrators::workspace_id,
                enabled,
            ))
            .first(&mut *self.connection()?)
            .optional()?;
        Ok(row.map(|(credential, secret_digest, organization_id, workspace_id, owners_enabled)| {
            FoundCredential { credential, organization_id, workspace_id, secret_digest, owners_enabled }
        }))
    }

    /// Notes that a credential was used, at most once a minute.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn touch_credential(&self, id: &str, now: Timestamp) -> Result<()> {
        const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
        let stale = credentials::last_used_at
            .is_null()
            .or(credentials::last_used_at.le(now.minus(MINUTE).utc()).assume_not_null());
        diesel::update(credentials::table.find(id).filter(stale))
            .set(credentials::last_used_at.eq(now.utc()))
            .execute(&mut *self.connection()?)?;
        Ok(())
    }

    /// The credential called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn credential(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Credential>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// A page of credentials, newest first: those of one orchestrator, or all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn credentials(
        &self,
        orchestrator: Option<&str>,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<Credential>> {
        let mut query = credentials::table.select(Credential::as_select()).into_boxed::<Multi>();
        if let Some(orchestrator) = orchestrator {
            query = query.filter(credentials::orchestrator_id.eq(orchestrator.to_owned()));
        }
        if let Some(scope) = scope {
            query = query.filter(credentials::orchestrator_id.eq_any(of_organization(scope)));
        }
        let connection = &mut *self.connection()?;
        let rows: Vec<Credential> = newest_first!(connection, query, credentials.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }
}

//! Issuing, renewing and withdrawing API keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use serde_json::Value;

use super::{
    credentials::{Credential, digest, load},
    fresh_id, orchestrators,
    write::{Failure, Parent},
};
use crate::{
    config::Secret,
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{Result, StoreError, database::Database, schema::credentials},
};

/// How much of a key is kept in the clear, to tell keys apart in a list: `vp_` and 16 bits.
const HINT: usize = 7;

/// A credential to be issued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewCredential {
    /// Whose it is.
    pub orchestrator_id: String,
    /// What people call it.
    pub name: String,
    /// What its tokens may at most do; nothing means everything but the admin scopes.
    pub scopes: Option<Vec<String>>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Who issues it.
    pub created_by: Option<String>,
}

/// A credential with its key and secret. This is the only time they are known.
#[derive(Debug, Clone)]
pub struct IssuedCredential {
    /// The credential.
    pub credential: Credential,
    /// `vp_` and 64 hex characters.
    pub key: Secret,
    /// 32 random bytes in base64url.
    pub secret: Secret,
}

struct Drawn {
    key: String,
    secret: String,
}

impl Drawn {
    fn draw() -> Self {
        let key = hex::encode(rand::random::<[u8; 32]>());
        Self { key: format!("vp_{key}"), secret: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()) }
    }

    fn hint(&self) -> String {
        self.key.chars().take(HINT).collect()
    }

    fn with(self, credential: Credential) -> IssuedCredential {
        IssuedCredential { credential, key: Secret::new(self.key), secret: Secret::new(self.secret) }
    }
}

impl Database {
    /// Issues a credential.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `orchestrator`.
    pub fn issue_credential(
        &self,
        new: NewCredential,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<IssuedCredential> {
        let id = fresh_id("cred");
        let drawn = Drawn::draw();
        let credential = self.write(&[(Parent::Orchestrator, &new.orchestrator_id)], |connection| {
            diesel::insert_into(credentials::table)
                .values((
                    credentials::id.eq(&id),
                    credentials::orchestrator_id.eq(&new.orchestrator_id),
                    credentials::name.eq(new.name),
                    credentials::key_digest.eq(digest(&drawn.key)),
                    credentials::key_hint.eq(drawn.hint()),
                    credentials::secret_digest.eq(digest(&drawn.secret)),
                    credentials::scopes.eq(new.scopes.map(|scopes| Value::from(scopes).to_string())),
                    credentials::created_by.eq(new.created_by),
                    credentials::created_at.eq(now.utc()),
                    credentials::updated_at.eq(now.utc()),
                    credentials::expires_at.eq(new.expires_at.map(Timestamp::utc)),
                ))
                .execute(connection)?;
            if orchestrators::load(connection, &new.orchestrator_id, scope)?.is_none() {
                return Err(StoreError::Missing(Parent::Orchestrator.name()).into());
            }
            load(connection, &id, scope)?.ok_or(Failure::Query(diesel::NotFound))
        })?;
        Ok(drawn.with(credential))
    }

    /// Gives a credential a new key and secret; the old ones stop working at once. Nothing when there
    /// is none, or it was revoked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn rotate_credential(
        &self,
        id: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<IssuedCredential>> {
        let Some(_) = self.credential(id, scope)? else { return Ok(None) };
        let drawn = Drawn::draw();
        let rotated = self.write(&[], |connection| {
            let live = credentials::table.find(id).filter(credentials::revoked_at.is_null());
            let rotated = diesel::update(live)
                .set((
                    credentials::key_digest.eq(digest(&drawn.key)),
                    credentials::key_hint.eq(drawn.hint()),
                    credentials::secret_digest.eq(digest(&drawn.secret)),
                    credentials::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            if rotated > 0 { Ok(load(connection, id, scope)?) } else { Ok(None) }
        })?;
        Ok(rotated.map(|credential| drawn.with(credential)))
    }

    /// Disables a credential, or enables it again; nothing when there is none. A revoked one stays
    /// as it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn set_credential_disabled(
        &self,
        id: &str,
        disabled: bool,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Credential>> {
        let Some(_) = self.credential(id, scope)? else { return Ok(None) };
        self.write(&[], |connection| {
            let live = credentials::table.find(id).filter(credentials::revoked_at.is_null());
            diesel::update(live)
                .set((credentials::is_active.eq(!disabled), credentials::updated_at.eq(now.utc())))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Revokes a credential for ever; nothing when there is none. It stays on record.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn revoke_credential(
        &self,
        id: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Credential>> {
        let Some(_) = self.credential(id, scope)? else { return Ok(None) };
        self.write(&[], |connection| {
            let live = credentials::table.find(id).filter(credentials::revoked_at.is_null());
            diesel::update(live)
                .set((
                    credentials::is_active.eq(false),
                    credentials::revoked_at.eq(now.utc()),
                    credentials::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_secrets_are_long_and_never_the_same() {
        let (one, other) = (Drawn::draw(), Drawn::draw());
        assert_eq!((one.key.len(), one.secret.len(), one.hint().len()), (67, 43, HINT));
        assert!(one.key.starts_with("vp_"));
        assert!(one.key != other.key && one.secret != other.secret);
    }
}

//! Issuing tokens that every generation of readers understands.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use uuid::Uuid;

use super::TokenError;
use crate::domain::{
    clock::Timestamp,
    ids::{OrchestratorId, OrganizationId, SessionId},
    scope::ScopeSet,
};

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// Whom it speaks for; written as `sub`, `orchestratorId` and `vpId`.
    pub orchestrator: &'a OrchestratorId,
    /// The authentication session, written as `sid`.
    pub session: &'a SessionId,
    /// The `daemonId` claim. The platform's own routes look the session up by it, so what they are to
    /// accept names the session here too.
    pub daemon: &'a str,
    /// The tenant.
    pub organization: Option<&'a OrganizationId>,
    /// The tenant's workspace.
    pub workspace: Option<&'a str>,
    /// What it allows.
    pub scopes: ScopeSet,
    /// How long it is good for; whole seconds count.
    pub lifetime: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    sub: &'a str,
    orchestrator_id: &'a str,
    vp_id: &'a str,
    daemon_id: &'a str,
    sid: &'a str,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
    scopes: Vec<&'static str>,
    #[serde(rename = "type")]
    kind: &'static str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// Issues tokens. Built once, shared by all threads.
pub struct TokenMinter {
    key: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
}

impl TokenMinter {
    /// A minter that signs with `secret`.
    #[must_use]
    pub fn new(secret: &str, issuer: &str, audience: &str) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.as_bytes()),
            header: Header::new(Algorithm::HS256),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        }
    }

    /// Issues an access token.
    ///
    /// # Errors
    /// Never with ids that were parsed; the signature's library does not promise it.
    pub fn access(&self, grant: &Grant<'_>, now: Timestamp) -> Result<String, TokenError> {
        self.mint("access", grant, now)
    }

    /// Issues a refresh token, which [`super::TokenVerifier`] refuses.
    ///
    /// # Errors
    /// As [`TokenMinter::access`].
    pub fn refresh(&self, grant: &Grant<'_>, now: Timestamp) -> Result<String, TokenError> {
        self.mint("refresh", grant, now)
    }

    fn mint(&self, kind: &'static str, grant: &Grant<'_>, now: Timestamp) -> Result<String, TokenError> {
        let orchestrator = grant.orchestrator.as_str();
        let issued = now.0.div_euclid(1000);
        let claims = Claims {
            sub: orchestrator,
            orchestrator_id: orchestrator,
            vp_id: orchestrator,
            daemon_id: grant.daemon,
            sid: grant.session.as_str(),
            jti: Uuid::new_v4().to_string(),
            workspace_id: grant.workspace,
            organization_id: grant.organization.map(OrganizationId::as_str),
            scopes: grant.scopes.names(),
            kind,
            iss: &self.issuer,
            aud: &self.audience,
            iat: issued,
            exp: issued.saturating_add(i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX)),
        };
        encode(&self.header, &claims, &self.key).map_err(|_| TokenError::Invalid("it cannot be signed"))
    }
}

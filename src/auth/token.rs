//! Access tokens: JSON Web Tokens, HS256 only (contract 1.0). The only room that knows the library.

mod claims;
mod mint;

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use thiserror::Error;

use self::claims::Claims;
pub use self::mint::{Grant, TokenMinter};
use crate::domain::{
    canary::parse_unreserved,
    clock::Timestamp,
    ids::{OrchestratorId, OrganizationId, SessionId},
    scope::ScopeSet,
};

/// The `iss` of tokens from before the platform was renamed.
const LEGACY_ISSUER: &str = "genesis-platform";
/// The `aud` of tokens from before the platform was renamed.
const LEGACY_AUDIENCE: &str = "genesis-api";

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Whom it speaks for.
    pub orchestrator: OrchestratorId,
    /// That orchestrator's tenant.
    pub organization: Option<OrganizationId>,
    /// The tenant's workspace that was named when the token was issued.
    pub workspace: Option<Box<str>>,
    /// The authentication session it belongs to, for revocation and HTTP heartbeats.
    pub session: Option<SessionId>,
    /// What it allows.
    pub scopes: ScopeSet,
    /// What it is revoked by.
    pub jti: Option<String>,
    /// When it was issued, to the second; what it is revoked by when all of an orchestrator's are.
    pub issued_at: Option<Timestamp>,
    /// From this moment on it is worth nothing.
    pub expires_at: Timestamp,
}

/// Why a token is refused. Never contains any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours, or not for this.
    #[error("the token is not acceptable: {0}")]
    Invalid(&'static str),
}

/// Verifies access tokens. Built once, shared by all threads.
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
    issuers: [String; 2],
    audiences: [String; 2],
}

impl TokenVerifier {
    /// A verifier for tokens that are signed with `secret`.
    #[must_use]
    pub fn new(secret: &str, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked here: the library reads its own clock, and lets a token live through
        // the second in which it expires.
        validation.required_spec_claims = HashSet::new();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            key: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            issuers: [issuer.to_owned(), LEGACY_ISSUER.to_owned()],
            audiences: [audience.to_owned(), LEGACY_AUDIENCE.to_owned()],
        }
    }

    /// Verifies `token` at the time `now`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] for a token that is only too old, else what is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<AccessToken, TokenError> {
        self.verify_kind("access", token, now)
    }

    /// Verifies a refresh token at the time `now`.
    ///
    /// # Errors
    /// As [`TokenVerifier::verify`].
    pub fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<AccessToken, TokenError> {
        self.verify_kind("refresh", token, now)
    }

    fn verify_kind(&self, kind: &str, token: &str, now: Timestamp) -> Result<AccessToken, TokenError> {
        let token =
            decode::<Claims>(token, &self.key, &self.validation).map_err(|error| refusal(error.kind()))?;
        if token.header.crit.is_some() {
            return Err(TokenError::Invalid("it asks for extensions that are not supported"));
        }
        let claims = token.claims;
        if claims.kind != kind {
            return Err(TokenError::Invalid("it is a token of another kind"));
        }
        if claims.iss.is_some_and(|issuer| !self.issuers.contains(&issuer)) {
            return Err(TokenError::Invalid("it was issued by somebody else"));
        }
        if claims.aud.is_some_and(|audience| !audience.names_one_of(&self.audiences)) {
            return Err(TokenError::Invalid("it is meant for somebody else"));
        }
        let expires_at = claims::moment(claims.exp).ok_or(TokenError::Invalid("its expiry is no time"))?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        let named = |text: &String| !text.is_empty();
        let orchestrator = claims.orchestrator_id.filter(named);
        let orchestrator = orchestrator.or(claims.vp_id.filter(named)).or(claims.sub.filter(named));
        let orchestrator = orchestrator.ok_or(TokenError::Invalid("it names no orchestrator"))?;
        let session = claims.sid.filter(named).or(claims.daemon_id.filter(named));
        Ok(AccessToken {
            orchestrator: parse_unreserved(&orchestrator)
                .map_err(|_| TokenError::Invalid("its orchestrator is no id that daemons can have"))?,
            organization: (claims.organization_id.filter(named))
                .map(OrganizationId::try_from)
                .transpose()
                .map_err(|_| TokenError::Invalid("its organization is no id"))?,
            workspace: claims.workspace_id.filter(named).map(String::into_boxed_str),
            session: session
                .map(SessionId::try_from)
                .transpose()
                .map_err(|_| TokenError::Invalid("its session is no id"))?,
            scopes: claims.scopes.map_or_else(ScopeSet::standard, |names| {
                ScopeSet::from_names(names.iter().map(String::as_str))
            }),
            jti: claims.jti.filter(named),
            issued_at: claims.iat.and_then(claims::moment),
            expires_at,
        })
    }
}

fn refusal(kind: &ErrorKind) -> TokenError {
    TokenError::Invalid(match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "it is not signed with HS256",
        _ => "it is malformed",
    })
}

#[cfg(test)]
mod tests;

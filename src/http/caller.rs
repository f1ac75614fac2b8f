//! Who asks: a daemon with its token, or an administrator.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

use super::{
    admin,
    error::{ApiError, Code},
    limits::counted,
    state::HttpState,
};
use crate::{
    auth::{api_key, token::AccessToken},
    backplane::revocations::{Revocations as _, TokenIdentity},
    domain::{
        clock::{Monotonic, now},
        ids::OrganizationId,
        scope::{Scope, ScopeSet},
    },
};

/// Where operators and daemons of the fleet present their key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What to do with a token while nobody can say whether it was revoked (contract 1.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Refuse with 503.
    Refused,
    /// Take it: heartbeats and presence may degrade.
    Tolerated,
}

/// The daemon that asks, by its access token.
///
/// # Errors
/// 401 without saying why; 429; 503 when revocation cannot be checked and `unknown` refuses.
pub(super) async fn daemon(
    request: &HttpRequest,
    state: &HttpState,
    unknown: Unknown,
) -> Result<AccessToken, ApiError> {
    let token = bearer(request).ok_or_else(ApiError::unauthorized)?;
    let shared = state.shared();
    let token = shared.verifier.verify(token, now().wall).map_err(|_| ApiError::unauthorized())?;
    let session = token.session.as_ref().map_or(token.orchestrator.as_str(), |session| session.as_str());
    state.limits.credential.count(&session.into())?;
    if !shared.state.is_backplane_up() {
        // Nobody would answer, and whoever waits for that waits for nothing.
        return match unknown {
            Unknown::Tolerated => Ok(token),
            Unknown::Refused => Err(ApiError::unavailable("The hub cannot do this right now; try again")),
        };
    }
    match shared.backplane.is_revoked(&identity(&token)).await {
        Ok(false) => Ok(token),
        Ok(true) => Err(ApiError::unauthorized()),
        Err(_) if unknown == Unknown::Tolerated => Ok(token),
        Err(error) => Err(error.into()),
    }
}

/// What a token can be revoked by.
pub(super) fn identity(token: &AccessToken) -> TokenIdentity {
    TokenIdentity {
        jti: token.jti.clone(),
        session: token.session.clone(),
        orchestrator: token.orchestrator.clone(),
        issued_at: token.issued_at,
    }
}

/// The text after `Bearer `, spelled just so.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    only(request, &header::AUTHORIZATION)?.strip_prefix("Bearer ")
}

/// The value of a header that comes once. One that comes twice is none: who is in between might have
/// looked at the other.
fn only<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// An administrator.
#[derive(Debug, Clone)]
pub(super) enum Admin {
    /// Whoever holds the hub's key: sees every organization.
    Operator,
    /// Somebody with a token that allows it: sees the own organization only.
    Tenant {
        /// The own organization.
        organization: OrganizationId,
        /// The token.
        token: Box<AccessToken>,
    },
}

impl Admin {
    /// The only organization that may be seen; `None` is all of them.
    pub(super) fn organization(&self) -> Option<&OrganizationId> {
        match self {
            Self::Operator => None,
            Self::Tenant { organization, .. } => Some(organization),
        }
    }

    /// Who this is in the audit log: the kind, and the id.
    pub(super) fn actor(&self) -> (&'static str, &str) {
        match self {
            Self::Operator => ("operator", "operator"),
            Self::Tenant { token, .. } => ("orchestrator", token.orchestrator.as_str()),
        }
    }

    /// Refuses those who see one organization only.
    ///
    /// # Errors
    /// 403.
    pub(super) fn operator_only(&self) -> Result<(), ApiError> {
        match self {
            Self::Operator => Ok(()),
            Self::Tenant { .. } => Err(ApiError::new(Code::Forbidden, "Only the operator may do this")),
        }
    }
}

/// The administrator that asks: by `X-API-Key`, or by a token with `scope`.
///
/// # Errors
/// 401, 403, 429; 503 when a token's revocation cannot be checked.
pub(super) async fn admin(request: &HttpRequest, state: &HttpState, scope: Scope) -> Result<Admin, ApiError> {
    if let Some(address) = state.client(request) {
        state.limits.admin.count(&counted(address))?;
    }
    if presented_key(request).is_some() || bearer(request).is_none() {
        operator(request, state).await?;
        return Ok(Admin::Operator);
    }
    let token = daemon(request, state, Unknown::Refused).await?;
    require(token.scopes, scope)?;
    match token.organization.clone() {
        Some(organization) => Ok(Admin::Tenant { organization, token: Box::new(token) }),
        None => Err(ApiError::new(Code::Forbidden, "The token names no organization")),
    }
}

/// A service that publishes: the holder of the hub's key, whose requests are not counted, or an
/// administrator with a token that may change things.
///
/// # Errors
/// Those of [`admin`].
pub(super) async fn service(request: &HttpRequest, state: &HttpState) -> Result<Admin, ApiError> {
    if presented_key(request).is_some() || bearer(request).is_none() {
        operator(request, state).await?;
        return Ok(Admin::Operator);
    }
    admin(request, state, Scope::AdminWrite).await
}

/// Lets the holder of the hub's key pass.
///
/// # Errors
/// 401, the slower the more often it was wrong; 503 when the hub has no key.
pub(super) async fn operator(request: &HttpRequest, state: &HttpState) -> Result<(), ApiError> {
    let key = state
        .config
        .auth
        .admin_api_key
        .as_ref()
        .ok_or_else(|| ApiError::unavailable("This route is closed: ADMIN_API_KEY is not configured"))?;
    if presented_key(request).is_some_and(|presented| api_key::matches(key, presented)) {
        return Ok(());
    }
    if presented_key(request).is_some() {
        admin::record::refused(request, state).await;
    }
    slow_down(request, state).await;
    Err(ApiError::unauthorized())
}

/// What stands in `X-API-Key`.
pub(super) fn presented_key(request: &HttpRequest) -> Option<&str> {
    only(request, &API_KEY)
}

/// The same, counting from when the request began to be looked at: how long that took says nothing
/// about what was found.
pub(super) async fn slow_down_since(request: &HttpRequest, state: &HttpState, started: Monotonic) {
    let now = now().mono;
    let delay = state.shared().failures.count(state.client(request).map(counted), None, now);
    tokio::time::sleep(delay.saturating_sub(now.since(started))).await;
}

/// Makes whoever failed to prove who they are wait, longer each time (delivery section 1).
pub(super) async fn slow_down(request: &HttpRequest, state: &HttpState) {
    slow_down_since(request, state, now().mono).await;
}

/// Whether a scope is held that is always asked for.
///
/// # Errors
/// 403.
pub(super) fn require(scopes: ScopeSet, scope: Scope) -> Result<(), ApiError> {
    if scopes.allows(scope) {
        return Ok(());
    }
    Err(ApiError::new(Code::InsufficientScope, "Insufficient permissions"))
}

/// Whether a scope is held that is asked for in strict mode only (contract C33).
///
/// # Errors
/// 403.
pub(super) fn require_when_strict(state: &HttpState, scopes: ScopeSet, scope: Scope) -> Result<(), ApiError> {
    if state.config.auth.strict_scopes { require(scopes, scope) } else { Ok(()) }
}

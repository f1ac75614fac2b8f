//! Tokens that are worth nothing although they have not expired (contract 6.3, B10, B32).

use std::{future::Future, slice};

use super::Result;
use crate::domain::{
    clock::Timestamp,
    ids::{OrchestratorId, SessionId},
};

/// What is worth nothing from now on. `until`: when the last token that it concerns would expire by
/// itself, and the revocation may be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `jti`.
        jti: String,
        /// Forgotten then.
        until: Timestamp,
    },
    /// Every token of one session.
    Session {
        /// Which.
        id: SessionId,
        /// Forgotten then.
        until: Timestamp,
    },
    /// Every token of an orchestrator that was issued before a moment, or does not say when.
    ///
    /// Tokens say so in whole seconds, so one that is issued in the rest of that second is revoked
    /// too: rather one too many.
    IssuedBefore {
        /// Whose.
        orchestrator: OrchestratorId,
        /// The moment. A later one that is known already stays.
        at: Timestamp,
        /// Forgotten then.
        until: Timestamp,
    },
}

/// What a token can be revoked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIdentity {
    /// Its own id, when it has one.
    pub jti: Option<String>,
    /// Its session, when it names one.
    pub session: Option<SessionId>,
    /// Whom it speaks for.
    pub orchestrator: OrchestratorId,
    /// When it was issued, when it says so.
    pub issued_at: Option<Timestamp>,
}

/// Revocations of all hubs. Callers to whom this does not answer refuse the token.
pub trait Revocations: Sync {
    /// Makes a revocation hold. It never shortens an earlier one, and one whose `until` is over
    /// changes nothing. Sockets are not closed: `actors::revocation` does both.
    fn revoke(&self, revocation: &Revocation) -> impl Future<Output = Result<()>> + Send;

    /// For each of `tokens` in turn whether it was revoked, by whatever; in one round trip.
    fn are_revoked(&self, tokens: &[TokenIdentity]) -> impl Future<Output = Result<Vec<bool>>> + Send;

    /// Whether a token was revoked, by whatever; in one round trip.
    fn is_revoked(&self, token: &TokenIdentity) -> impl Future<Output = Result<bool>> + Send {
        async move {
            let revoked = self.are_revoked(slice::from_ref(token)).await?;
            Ok(revoked.first().copied().unwrap_or(true))
        }
    }
}

//! Revoked tokens, in the file.

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        revocations::{Revocation, Revocations, TokenIdentity},
    },
    domain::{clock, ids::SessionId},
    store::{self, queue_file::Transaction},
};

/// Whether a token was revoked, by whatever.
pub(super) fn is_revoked(transaction: &mut Transaction<'_>, token: &TokenIdentity) -> store::Result<bool> {
    for id in token.jti.as_deref().into_iter().chain(token.session.as_ref().map(SessionId::as_str)) {
        if transaction.is_revoked(id)? {
            return Ok(true);
        }
    }
    let valid_from = transaction.revoked_before(&token.orchestrator)?;
    // A token that does not say when it was issued cannot be told from an old one.
    Ok(valid_from.is_some_and(|moment| token.issued_at.is_none_or(|issued| issued < moment)))
}

impl Revocations for EmbeddedBackplane {
    async fn revoke(&self, revocation: &Revocation) -> Result<()> {
        let (revocation, now) = (revocation.clone(), clock::now().wall);
        self.worker.run(move |state| state.revoke(&revocation, now)).await
    }

    async fn are_revoked(&self, tokens: &[TokenIdentity]) -> Result<Vec<bool>> {
        let tokens = tokens.to_vec();
        self.worker
            .run(move |state| {
                let revoked = state.file.read(|transaction| {
                    tokens.iter().map(|token| is_revoked(transaction, token)).collect()
                })?;
                Ok(revoked)
            })
            .await
    }
}

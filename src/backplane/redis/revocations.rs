//! Revoked tokens in Redis (contract 6.3).

use redis::Value;

use super::{RedisBackplane, keys, scripts};
use crate::{
    backplane::{
        Result,
        revocations::{Revocation, Revocations, TokenIdentity},
    },
    domain::{clock, ids::SessionId},
};

impl Revocations for RedisBackplane {
    async fn revoke(&self, revocation: &Revocation) -> Result<()> {
        let (key, value, until) = match revocation {
            Revocation::Token { jti, until } => (keys::revoked(jti), 1, until),
            Revocation::Session { id, until } => (keys::revoked(id.as_str()), 1, until),
            Revocation::IssuedBefore { orchestrator, at, until } => {
                (keys::revoked_before(orchestrator), at.0, until)
            }
        };
        let life = until.since(clock::now().wall).as_millis();
        if life == 0 {
            return Ok(());
        }
        let mut call = scripts::call(&scripts::REVOKE, &[key]);
        call.arg(value).arg(i64::try_from(life).unwrap_or(i64::MAX));
        self.run(&call).await
    }

    async fn are_revoked(&self, tokens: &[TokenIdentity]) -> Result<Vec<bool>> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for token in tokens {
            let (jti, session) = (token.jti.as_deref().unwrap_or_default(), token.session.as_ref());
            pipe.cmd("EXISTS").arg(keys::revoked(jti));
            pipe.arg(keys::revoked(session.map_or(jti, SessionId::as_str)));
            pipe.sismember(keys::REVOKED_SET, jti);
            pipe.get(keys::revoked_before(&token.orchestrator));
        }
        let replies: Vec<Value> = self.run_all(&pipe).await?;
        let verdicts = tokens.iter().zip(replies.chunks_exact(3)).map(|(token, reply)| {
            let [own, legacy, valid_from] = reply else { return true };
            let by_id = *own != Value::Int(0) || *legacy != Value::Int(0);
            let too_old = match valid_from {
                Value::Nil => false,
                // A token that does not say when it was issued cannot be told from an old one.
                moment => redis::from_redis_value_ref::<i64>(moment)
                    .map_or(true, |moment| token.issued_at.is_none_or(|issued| issued.0 < moment)),
            };
            by_id || too_old
        });
        Ok(verdicts.collect())
    }
}

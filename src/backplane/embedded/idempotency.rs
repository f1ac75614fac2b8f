//! Keys of requests and their answers, in the file: a hub that was killed must know what it did.

use bytes::Bytes;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        idempotency::{CLAIM_LIVES, Idempotency, KeyedRequest, Known, lifetime},
    },
    domain::clock::Timestamp,
    store::queue_file::KeyedAnswer,
};

impl Idempotency for EmbeddedBackplane {
    async fn begin(&self, request: &KeyedRequest, now: Timestamp) -> Result<Known> {
        let request = request.clone();
        self.worker
            .run(move |state| {
                let known = state.file.loosely(|transaction| {
                    let known = transaction.keyed_answer(&request.key, now)?;
                    if known.is_none() {
                        let until = now.plus(CLAIM_LIVES);
                        let KeyedRequest { key, content, claim } = &request;
                        transaction.claim_key(key, content, claim, until)?;
                    }
                    Ok(known)
                })?;
                Ok(match known {
                    None => Known::Claimed,
                    Some(KeyedAnswer { content, .. }) if content != request.content => Known::OtherContent,
                    Some(KeyedAnswer { answer: Some(answer), .. }) => Known::Answered(answer.into()),
                    Some(_) => Known::UnderWay,
                })
            })
            .await
    }

    async fn finish(&self, request: &KeyedRequest, answer: &Bytes, now: Timestamp) -> Result<()> {
        let (request, answer) = (request.clone(), answer.clone());
        self.worker
            .run(move |state| {
                let until = now.plus(lifetime(&answer));
                state.file.durably(|transaction| {
                    transaction.answer_key(&request.key, &request.claim, &answer, until)
                })?;
                Ok(())
            })
            .await
    }

    async fn abandon(&self, request: &KeyedRequest) -> Result<()> {
        let request = request.clone();
        self.worker
            .run(move |state| {
                state.file.loosely(|transaction| transaction.free_key(&request.key, &request.claim))?;
                Ok(())
            })
            .await
    }
}

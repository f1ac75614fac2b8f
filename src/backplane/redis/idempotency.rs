//! Keys of requests and their answers in Redis.

use bytes::Bytes;
use redis::Cmd;

use super::{RedisBackplane, corrupt, keys, scripts};
use crate::{
    backplane::{
        Result,
        idempotency::{CLAIM_LIVES, Idempotency, KeyedRequest, Known, lifetime},
    },
    domain::clock::Timestamp,
};

fn step(request: &KeyedRequest, step: &str) -> Cmd {
    let mut call = scripts::call(&scripts::IDEMPOTENCY, &[keys::idempotency(&request.key)]);
    call.arg(step).arg(&request.content).arg(&request.claim);
    call
}

impl Idempotency for RedisBackplane {
    async fn begin(&self, request: &KeyedRequest, _: Timestamp) -> Result<Known> {
        let mut call = step(request, "begin");
        call.arg(CLAIM_LIVES.as_secs());
        let reply: Vec<Vec<u8>> = self.run(&call).await?;
        let mut reply = reply.into_iter();
        match reply.next().as_deref() {
            Some(b"claimed") => Ok(Known::Claimed),
            Some(b"other") => Ok(Known::OtherContent),
            Some(b"way") => Ok(Known::UnderWay),
            Some(b"answer") => Ok(Known::Answered(reply.next().unwrap_or_default().into())),
            _ => Err(corrupt("a request's key has no record")),
        }
    }

    async fn finish(&self, request: &KeyedRequest, answer: &Bytes, _: Timestamp) -> Result<()> {
        let mut call = step(request, "finish");
        call.arg(lifetime(answer).as_secs()).arg(answer.as_ref());
        self.run::<Vec<String>>(&call).await.map(drop)
    }

    async fn abandon(&self, request: &KeyedRequest) -> Result<()> {
        self.run::<Vec<String>>(&step(request, "abandon")).await.map(drop)
    }
}

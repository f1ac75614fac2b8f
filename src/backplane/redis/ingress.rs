//! The stream `hub:ingress`, and the group of hubs that reads it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{AsyncConnectionConfig, Cmd, Value, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use super::{CONNECTION_TIMEOUT, RESPONSE_TIMEOUT, RedisBackplane, corrupt, keys, scripts, unavailable};
use crate::{
    backplane::{
        BackplaneError, Result,
        ingress::{
            IngressBacklog, IngressEntry, IngressStream, READER_FORGOTTEN, REPLIES_KEPT, REPLIES_LIVE, Reply,
        },
    },
    domain::ids::NodeId,
};

/// How many entries change hands with one call.
const CLAIM_PAGE: usize = 500;
/// How many calls one round of claiming makes at most; the next round goes on.
const CLAIM_CALLS: usize = 20;

/// The connection of the reader alone: a command that waits holds up all behind it.
pub(super) type Reader = Arc<Mutex<Option<MultiplexedConnection>>>;

impl RedisBackplane {
    /// Runs a command that may wait for `patience`, on the reader's connection.
    async fn wait_for(&self, command: &Cmd, patience: Duration) -> Result<Value> {
        let mut reader = self.reader.lock().await;
        let mut connection = match reader.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECTION_TIMEOUT))
                    .set_response_timeout(Some(patience + RESPONSE_TIMEOUT));
                self.client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await
                    .map_err(unavailable)?
            }
        };
        match command.query_async(&mut connection).await {
            Ok(reply) => {
                *reader = Some(connection);
                Ok(reply)
            }
            Err(error) if is_without_group(&error) => {
                *reader = Some(connection);
                Err(no_group())
            }
            // Whatever it was, the next call starts on a fresh connection.
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Reads on the reader's connection, and makes the group when there is none.
    async fn read_as_group(&self, command: &Cmd, patience: Duration) -> Result<Value> {
        match self.wait_for(command, patience).await {
            Err(error) if error == no_group() => {
                self.make_group().await?;
                self.wait_for(command, patience).await
            }
            reply => reply,
        }
    }

    /// Runs a command that needs the group, and makes the group when there is none: at first, and after
    /// a Redis that has lost its data.
    async fn in_group(&self, command: &Cmd) -> Result<Value> {
        match command.query_async(&mut self.commands()).await {
            Err(error) if is_without_group(&error) => {
                self.make_group().await?;
                self.run(command).await
            }
            reply => reply.map_err(|error| self.failed(error)),
        }
    }

    /// Writes verdicts where they are wanted. A reply stream that holds something else is its publisher's
    /// mistake, and no failure.
    async fn answer(&self, replies: &[Reply]) -> Result<()> {
        if replies.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for Reply { stream, fields } in replies {
            pipe.cmd("XADD").arg(stream).arg("MAXLEN").arg("~").arg(REPLIES_KEPT).arg("*").arg(fields);
        }
        let mut own: Vec<&str> = replies.iter().map(|reply| reply.stream.as_str()).collect();
        own.retain(|stream| stream.starts_with(keys::VERDICTS));
        own.sort_unstable();
        own.dedup();
        for stream in own {
            pipe.expire(stream, REPLIES_LIVE.as_secs().cast_signed());
        }
        let answers: Vec<Value> =
            pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))?;
        let unanswered = answers.iter().filter(|answer| matches!(answer, Value::ServerError(_))).count();
        if unanswered > 0 {
            log::debug!(count = unanswered; "verdicts could not be written where they were wanted");
        }
        Ok(())
    }

    async fn make_group(&self) -> Result<()> {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(keys::INGRESS).arg(keys::INGRESS_GROUP).arg("0").arg("MKSTREAM");
        let created: redis::RedisResult<Value> = create.query_async(&mut self.commands()).await;
        match created {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            created => created.map(drop).map_err(|error| self.failed(error)),
        }
    }
}

fn is_without_group(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

fn no_group() -> BackplaneError {
    BackplaneError::Unavailable("the stream has no readers yet".to_owned())
}

fn reading(node: &NodeId, count: usize) -> Cmd {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(keys::INGRESS_GROUP).arg(node.as_str()).arg("COUNT").arg(count.max(1));
    command
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl IngressStream for RedisBackplane {
    fn has_ingress(&self) -> bool {
        true
    }

    async fn read_new(&self, node: &NodeId, count: usize, patience: Duration) -> Result<Vec<IngressEntry>> {
        let mut command = reading(node, count);
        command.arg("BLOCK").arg(millis(patience).max(1)).arg("STREAMS").arg(keys::INGRESS).arg(">");
        entries(self.read_as_group(&command, patience).await?)
    }

    async fn read_unconfirmed(&self, node: &NodeId, after: &str, count: usize) -> Result<Vec<IngressEntry>> {
        let mut command = reading(node, count);
        command.arg("STREAMS").arg(keys::INGRESS).arg(after);
        // It does not wait, but its answer may be large, and nobody else is to wait for that.
        entries(self.read_as_group(&command, RESPONSE_TIMEOUT).await?)
    }

    async fn inherit(&self, node: &NodeId, predecessor: &NodeId) -> Result<()> {
        for _ in 0..CLAIM_CALLS {
            let mut pending = redis::cmd("XPENDING");
            pending
                .arg(keys::INGRESS)
                .arg(keys::INGRESS_GROUP)
                .arg("-")
                .arg("+")
                .arg(CLAIM_PAGE)
                .arg(predecessor.as_str());
            let ids: Vec<Value> =
                array(self.in_group(&pending).await?)?.into_iter().filter_map(first).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let mut claim = redis::cmd("XCLAIM");
            claim.arg(keys::INGRESS).arg(keys::INGRESS_GROUP).arg(node.as_str()).arg(0);
            for id in ids {
                claim.arg(bytes(id).unwrap_or_default());
            }
            let _: Value = self.in_group(claim.arg("JUSTID")).await?;
        }
        Ok(())
    }

    async fn claim(&self, node: &NodeId, idle: Duration) -> Result<u64> {
        let (mut from, mut claimed) = (b"0-0".to_vec(), 0);
        for _ in 0..CLAIM_CALLS {
            let mut claim = redis::cmd("XAUTOCLAIM");
            claim.arg(keys::INGRESS).arg(keys::INGRESS_GROUP).arg(node.as_str()).arg(millis(idle)).arg(&from);
            claim.arg("COUNT").arg(CLAIM_PAGE).arg("JUSTID");
            let mut reply = array(self.in_group(&claim).await?)?.into_iter();
            let (next, ids) = (reply.next(), reply.next().unwrap_or_default());
            claimed += u64::try_from(array(ids)?.len()).unwrap_or_default();
            match next.and_then(bytes) {
                Some(next) if next != b"0-0" => from = next,
                _ => break,
            }
        }
        Ok(claimed)
    }

    async fn confirm(&self, ids: &[String], replies: &[Reply]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.answer(replies).await?;
        // In one step, so that nothing stays that is confirmed and yet in the stream.
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("XACK").arg(keys::INGRESS).arg(keys::INGRESS_GROUP).arg(ids).ignore();
        pipe.cmd("XDEL").arg(keys::INGRESS).arg(ids).ignore();
        pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))
    }

    fn may_reply_to(&self, stream: &str) -> bool {
        keys::may_hold_replies(stream)
    }

    async fn tidy(&self, node: &NodeId) -> Result<IngressBacklog> {
        let mut pending = redis::cmd("XPENDING");
        pending.arg(keys::INGRESS).arg(keys::INGRESS_GROUP);
        let summary = array(self.in_group(&pending).await?)?;
        let mut call = scripts::call(&scripts::INGRESS_TIDY, &[keys::INGRESS.to_owned()]);
        call.arg(keys::INGRESS_GROUP).arg(node.as_str()).arg(millis(READER_FORGOTTEN));
        let (struck, removed): (u64, u64) = self.run(&call).await?;
        if removed > 0 {
            log::info!(count = removed; "entries of the stream were confirmed and still there");
        }
        if struck > 0 {
            log::info!(count = struck; "hubs that are gone read the stream no more");
        }
        let length: u64 = self.run(redis::cmd("XLEN").arg(keys::INGRESS)).await?;
        let pending = match summary.into_iter().next() {
            Some(Value::Int(count)) => u64::try_from(count).unwrap_or_default(),
            _ => 0,
        };
        Ok(IngressBacklog { waiting: length.saturating_sub(pending), pending })
    }
}

/// What `XREADGROUP` answers: nothing, or the one stream that was asked for with its entries.
fn entries(reply: Value) -> Result<Vec<IngressEntry>> {
    let list = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        reply => array(reply)?.into_iter().next().and_then(|stream| array(stream).ok()?.into_iter().nth(1)),
    };
    array(list.unwrap_or_default())?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<IngressEntry> {
    let mut parts = array(value)?.into_iter();
    let id = parts.next().and_then(text).ok_or_else(|| corrupt("an entry of the stream has no id"))?;
    let mut entry = IngressEntry { id, event: Bytes::new(), key: None, signature: None, reply: None };
    // An entry that somebody deleted is still there to be confirmed, without fields.
    let mut fields = array(parts.next().unwrap_or_default())?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match bytes(name).as_deref() {
            Some(b"event") => entry.event = bytes(value).map(Bytes::from).unwrap_or_default(),
            Some(b"kid") => entry.key = text(value),
            Some(b"sig") => entry.signature = text(value),
            Some(b"reply") => entry.reply = text(value),
            _ => {}
        }
    }
    Ok(entry)
}

fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(corrupt("the stream answered what it never does")),
    }
}

fn first(value: Value) -> Option<Value> {
    array(value).ok()?.into_iter().next()
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

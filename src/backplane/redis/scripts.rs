//! The Lua scripts, each in a file of its own beside this one, and how they are called.

use std::sync::LazyLock;

use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value,
};

use super::RedisBackplane;
use crate::backplane::Result;

macro_rules! scripts {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));)+

        /// Every script, to be loaded into a server that does not know one.
        static ALL: &[&LazyLock<Script>] = &[$(&$name),+];
    };
}

scripts! {
    COMMIT = "commit.lua",
    EXPIRE = "expire.lua",
    CLAIM = "claim.lua",
    RELEASE = "release.lua",
    ATTACH = "attach.lua",
    DETACH = "detach.lua",
    PRESENCE = "presence.lua",
    SESSION_ACTIVITY = "session_activity.lua",
    SESSION_SWAP = "session_swap.lua",
    SESSION_END = "session_end.lua",
    REVOKE = "revoke.lua",
    REGISTER = "register.lua",
    CHOOSE_PRESENCE = "choose_presence.lua",
    ENROLL = "enroll.lua",
    FLEET_HEARTBEAT = "fleet_heartbeat.lua",
    PURGE = "purge.lua",
    ACKNOWLEDGE = "acknowledge.lua",
    SILENT = "silent.lua",
    GRANT = "grant.lua",
    LET_GO = "let_go.lua",
    TRIED = "tried.lua",
    BOOKS = "books.lua",
    RECOUNT = "recount.lua",
    IDEMPOTENCY = "idempotency.lua",
    INGRESS_TIDY = "ingress_tidy.lua",
    QUEUE_MESSAGE = "queue_message.lua",
}

/// Starts a call of `script` with its keys; the arguments follow with [`Cmd::arg`].
pub(super) fn call(script: &Script, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(keys.len()).arg(keys);
    command
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

impl RedisBackplane {
    /// Runs a command; a server that does not know its script yet is taught all of them.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.run_raw(command).await.map_err(|error| self.failed(error))
    }

    /// The same for who wants to know which error it was.
    pub(super) async fn run_raw<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let reply: RedisResult<T> = command.query_async(&mut self.commands()).await;
        match reply {
            Err(error) if is_unknown_script(&error) => {
                self.load_scripts().await?;
                command.query_async(&mut self.commands()).await
            }
            reply => reply,
        }
    }

    /// Runs a pipeline of commands that may be repeated.
    pub(super) async fn run_all<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T> {
        let reply: RedisResult<T> = pipe.query_async(&mut self.commands()).await;
        match reply {
            Err(error) if is_unknown_script(&error) => {
                self.load_scripts().await.map_err(|error| self.failed(error))?;
                pipe.query_async(&mut self.commands()).await.map_err(|error| self.failed(error))
            }
            reply => reply.map_err(|error| self.failed(error)),
        }
    }

    /// Runs calls of scripts that may be repeated, together; each has an answer of its own.
    pub(super) async fn run_each<T: FromRedisValue>(&self, calls: Vec<Cmd>) -> Result<Vec<RedisResult<T>>> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for call in calls {
            pipe.add_command(call);
        }
        if pipe.is_empty() {
            return Ok(Vec::new());
        }
        let ask = async || -> RedisResult<Vec<RedisResult<T>>> {
            let answers: Vec<Value> = pipe.query_async(&mut self.commands()).await?;
            let read = |answer: Value| Ok(redis::from_redis_value(answer.extract_error()?)?);
            Ok(answers.into_iter().map(read).collect())
        };
        let mut answers = ask().await.map_err(|error| self.failed(error))?;
        if answers.iter().any(|answer| answer.as_ref().is_err_and(is_unknown_script)) {
            self.load_scripts().await.map_err(|error| self.failed(error))?;
            answers = ask().await.map_err(|error| self.failed(error))?;
        }
        Ok(answers)
    }

    async fn load_scripts(&self) -> RedisResult<()> {
        for script in ALL {
            let _: String = script.load_async(&mut self.commands()).await?;
        }
        Ok(())
    }
}

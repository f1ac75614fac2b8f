//! The Lua scripts, each in a file of its own beside this one, and how they are called.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind};

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

    async fn load_scripts(&self) -> RedisResult<()> {
        for script in ALL {
            let _: String = script.load_async(&mut self.commands()).await?;
        }
        Ok(())
    }
}

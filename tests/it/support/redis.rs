//! A real Redis server in a scratch directory.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::{Client, Connection, FromRedisValue};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    eventually::{DEADLINE, eventually_some},
    ports,
    process::Process,
};

/// A Redis of the test's own, on a port of its own. Stopped when dropped.
pub(crate) struct RedisServer {
    process: Option<Process>,
    port: u16,
    directory: TempDir,
    append_only: bool,
    output: Arc<Mutex<String>>,
}

impl RedisServer {
    /// A running server that keeps nothing when it stops.
    pub(crate) fn start() -> Self {
        Self::launch(false)
    }

    /// A running server that has everything again after [`Self::stop`] and [`Self::start_again`].
    pub(crate) fn start_with_aof() -> Self {
        Self::launch(true)
    }

    /// A server that does not run yet; [`Self::start_again`] starts it.
    pub(crate) fn not_started() -> Self {
        Self {
            process: None,
            port: ports::free(),
            directory: TempDir::new().unwrap(),
            append_only: false,
            output: Arc::default(),
        }
    }

    fn launch(append_only: bool) -> Self {
        let mut server = Self { append_only, ..Self::not_started() };
        server.start_again();
        server
    }

    /// Starts the stopped server on the port it had.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"])
            .arg(self.directory.path())
            .args(["--appendonly", if self.append_only { "yes" } else { "no" }])
            .args(["--appendfsync", "always"]);
        let process = Process::start(command, &self.output).unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}): run scripts/install-test-deps.sh")
        });
        self.process = Some(process);
        self.client();
    }

    /// Stops it in an orderly way.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.wait(DEADLINE);
        }
    }

    /// Kills it without warning, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().unwrap().kill();
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub(crate) fn pause(&mut self) {
        self.process.as_mut().unwrap().signal(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub(crate) fn resume(&mut self) {
        self.process.as_mut().unwrap().signal(Signal::CONT);
    }

    /// What to set `REDIS_URL` to.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection, as soon as the server answers.
    pub(crate) fn client(&self) -> Connection {
        let client = Client::open(self.url()).unwrap();
        let connect = || {
            let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()?;
            Some(connection)
        };
        eventually_some(connect, "Redis answers")
    }

    /// Runs one command, written as on the command line of `redis-cli`, without quoting.
    pub(crate) fn command<T: FromRedisValue>(&self, line: &str) -> T {
        self.run(&line.split(' ').collect::<Vec<_>>())
    }

    /// Runs one command, given word by word.
    pub(crate) fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.client()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

//! The hub as it is shipped: the real binary as a child process.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    eventually::{DEADLINE, eventually},
    http::{self, Response},
    ports,
    process::Process,
    redis::RedisServer,
};

/// Signs the tokens of the tests.
pub(crate) const JWT_SECRET: &str = "jwt-secret-of-the-tests-0123456789abcdef0123456789";
/// Opens the publish and admin routes.
pub(crate) const ADMIN_KEY: &str = "admin-key-of-the-tests-0123456789abcdef0123456789";

/// How a hub is to be started.
pub(crate) struct Setup {
    environment: BTreeMap<String, String>,
}

impl Setup {
    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets several.
    pub(crate) fn envs(self, variables: &[(&str, &str)]) -> Self {
        variables.iter().fold(self, |setup, (name, value)| setup.env(name, value))
    }

    /// Takes one away that is set otherwise.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Lets it work on `redis` instead of embedded.
    pub(crate) fn redis(self, redis: &RedisServer) -> Self {
        self.env("REDIS_URL", &redis.url())
    }

    /// Starts it and waits until it is ready for work.
    pub(crate) fn start(self) -> Hub {
        let hub = self.start_unready();
        hub.wait_until_ready();
        hub
    }

    /// Starts it and waits until it is alive, ready or not.
    pub(crate) fn start_unready(mut self) -> Hub {
        let data = TempDir::new().unwrap();
        let port = ports::free();
        self = self.env("HUB_BIND", &format!("127.0.0.1:{port}"));
        self = self.env("HUB_DATA_DIR", data.path().to_str().unwrap());
        let mut hub = Hub { process: None, environment: self.environment, port, data, log: Arc::default() };
        hub.launch();
        hub
    }
}

/// A hub that runs. Killed when dropped; its log is shown when the test failed.
pub(crate) struct Hub {
    process: Option<Process>,
    environment: BTreeMap<String, String>,
    port: u16,
    data: TempDir,
    log: Arc<Mutex<String>>,
}

impl Hub {
    /// What every hub of the tests is given; the rest is its defaults.
    pub(crate) fn setup() -> Setup {
        Setup { environment: BTreeMap::new() }
            .env("DAEMON_JWT_SECRET", JWT_SECRET)
            .env("ADMIN_API_KEY", ADMIN_KEY)
            .env("RUST_LOG", "info")
            .env("RUST_BACKTRACE", "1")
    }

    fn launch(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neolith-hub"));
        command.arg("serve").env_clear().envs(&self.environment);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        self.process = Some(Process::start(command, &self.log).unwrap());
        let alive = || {
            let ended = self.process.as_mut().unwrap().exit_status();
            assert!(ended.is_none(), "the hub ended by itself: {ended:?}");
            http::try_get(&format!("http://127.0.0.1:{}/health", self.port)) == Some(200)
        };
        eventually(alive, "GET /health answers 200");
    }

    /// Waits until `GET /ready` says so.
    pub(crate) fn wait_until_ready(&self) {
        eventually(|| http::try_get(&self.url("/ready")) == Some(200), "GET /ready answers 200");
    }

    /// Where it keeps its files.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// An HTTP address on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// `GET path`, without credentials.
    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(&self.url(path), &[])
    }

    /// Everything it has printed since its first start.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// How many bytes of memory it occupies.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = Path::new("/proc").join(self.process.as_ref().unwrap().id().to_string()).join("status");
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Kills it without warning, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().unwrap().kill();
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn ask_to_stop(&mut self) {
        self.process.as_mut().unwrap().signal(Signal::TERM);
    }

    /// Waits for its end; its exit code, and how long it took.
    pub(crate) fn exit_code(&mut self, limit: Duration) -> (Option<i32>, Duration) {
        let (status, after) = self.process.as_mut().unwrap().wait(limit);
        (status.code(), after)
    }

    /// Asks it to stop and waits for its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.exit_code(DEADLINE * 4).0
    }

    /// Starts it again on the same port and data, after making sure that it is gone.
    pub(crate) fn restart(&mut self) {
        self.restart_unready();
        self.wait_until_ready();
    }

    /// The same without waiting until it is ready.
    pub(crate) fn restart_unready(&mut self) {
        self.kill();
        self.launch();
    }

    /// Starts it again on the same port and data after [`Self::kill`], and waits until it is alive,
    /// ready or not.
    pub(crate) fn start_again(&mut self) {
        self.launch();
    }

    /// Whether its process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exit_status().is_none())
    }

    /// Runs another command of the binary on its data, and on `redis` if it uses that.
    pub(crate) fn tool(&self, redis: Option<&RedisServer>, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neolith-hub"));
        command.env_clear().env("HUB_DATA_DIR", self.data_dir()).env("DAEMON_JWT_SECRET", JWT_SECRET);
        command.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
        command.args(words).output().unwrap()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(std::io::stderr(), "--- end of the hub's log in {name}\n{tail}\n---");
        }
    }
}

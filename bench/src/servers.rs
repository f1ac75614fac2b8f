//! A fresh Redis and a fresh hub for every run, and what they have used so far.

use std::{
    ffi::OsStr,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::{Add, Sub},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{args::Args, cores::Cores, interrupt, process::Process, redis::Redis};

/// What the hub and the tokens share. Lives as long as one run, on the loopback.
pub(crate) const SECRET: &str = "bench-0123456789abcdef0123456789abcdef0123456789abcdef";
const START_LIMIT: Duration = Duration::from_secs(30);
const EMPTY_LIMIT: Duration = Duration::from_secs(10);

/// CPU time of both servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// The hub's.
    pub(crate) hub: Duration,
    /// Redis's.
    pub(crate) redis: Duration,
}

impl Cpu {
    /// Both together.
    #[must_use]
    pub(crate) fn sum(self) -> Duration {
        self.hub + self.redis
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { hub: self.hub.saturating_sub(before.hub), redis: self.redis.saturating_sub(before.redis) }
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { hub: self.hub + other.hub, redis: self.redis + other.redis }
    }
}

/// Both servers, running. Dropping it ends them, the hub first.
pub(crate) struct Servers {
    hub: Process,
    redis: Process,
    /// Where the hub listens.
    pub(crate) address: SocketAddr,
    /// Where Redis listens, on the same host.
    pub(crate) redis_port: u16,
    /// Removed last, when nobody writes to it any more.
    _directory: TempDir,
}

impl Servers {
    /// Starts both and waits until the hub says that it is ready. `extra` are more environment
    /// variables for the hub.
    ///
    /// # Errors
    /// When one of them does not come up, with its last words.
    pub(crate) fn start(args: &Args, cores: Cores, extra: &[(&str, &str)]) -> Result<Self> {
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let redis_port = free_port()?;
        let mut command = Command::new(program(&args.redis)?);
        command.args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        let mut redis = Process::start("redis", command, cores, directory.path())?;
        wait_for(&mut redis, || Redis::connect(redis_port).is_ok())?;

        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let command = hub_command(args, directory.path(), port, redis_port, extra)?;
        let mut hub = Process::start("hub", command, cores, directory.path())?;
        wait_for(&mut hub, || is_ready(address).unwrap_or(false))?;
        Ok(Self { hub, redis, address, redis_port, _directory: directory })
    }

    /// # Errors
    /// When one of them is gone.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Ok(Cpu { hub: self.hub.cpu()?, redis: self.redis.cpu()? })
    }

    /// The hub's resident memory in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn hub_resident(&self) -> Result<u64> {
        self.hub.resident()
    }

    /// # Errors
    /// When one of them is gone, with its last words.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.hub.check()?;
        self.redis.check()
    }

    /// The last lines of the hub's log, for a message about something that went wrong.
    #[must_use]
    pub(crate) fn last_words(&self) -> String {
        self.hub.last_words()
    }

    /// Waits until no event is queued any more, as must be once everything is acknowledged.
    ///
    /// # Errors
    /// When queues remain.
    pub(crate) fn wait_until_empty(&mut self) -> Result<()> {
        let mut redis = Redis::connect(self.redis_port)?;
        let deadline = Instant::now() + EMPTY_LIMIT;
        loop {
            let queues = redis.queues()?;
            let Some(first) = queues.first() else { return Ok(()) };
            if Instant::now() > deadline {
                bail!(
                    "{} queues are not empty although all is acknowledged, among them {first}",
                    queues.len()
                );
            }
            interrupt::check()?;
            self.check()?;
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn hub_command(
    args: &Args,
    directory: &Path,
    port: u16,
    redis_port: u16,
    extra: &[(&str, &str)],
) -> Result<Command> {
    let data = directory.join("data");
    std::fs::create_dir(&data)?;
    let mut command = Command::new(program(&args.hub)?);
    // Nothing of the caller's environment may configure the hub.
    command.arg("serve").env_clear();
    for kept in ["PATH", "HOME", "LANG", "TZ"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    let (port, bind) = (port.to_string(), format!("127.0.0.1:{port}"));
    let redis = format!("redis://127.0.0.1:{redis_port}");
    command.env("HUB_DATA_DIR", OsStr::new(&data)).envs([
        ("HUB_BIND", bind.as_str()),
        ("HOSTNAME", "127.0.0.1"),
        ("PORT", &port),
        ("REDIS_URL", &redis),
        ("DAEMON_JWT_SECRET", SECRET),
        ("ADMIN_API_KEY", SECRET),
        ("RUST_LOG", "warn"),
    ]);
    command.envs(extra.iter().copied());
    command.envs(args.hub_env.iter().map(|variable| (&variable.name, &variable.value)));
    Ok(command)
}

/// The program as it is found from any directory; a bare name is looked up in `PATH`.
fn program(path: &Path) -> Result<PathBuf> {
    if path.components().count() == 1 && !path.is_absolute() && !path.exists() {
        return Ok(path.to_owned());
    }
    path.canonicalize().with_context(|| format!("there is no program at {}", path.display()))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

fn wait_for(process: &mut Process, mut is_up: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while !is_up() {
        process.check()?;
        interrupt::check()?;
        if Instant::now() > deadline {
            bail!("it did not become ready in {} seconds{}", START_LIMIT.as_secs(), process.last_words());
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.check()
}

/// Asks `GET /ready`.
fn is_ready(hub: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect_timeout(&hub, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {hub}\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

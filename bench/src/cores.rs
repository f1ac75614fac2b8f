//! Who runs where: the servers on one core, the generator on another, so that neither takes the
//! other's time and a figure means the same on a laptop and on a large machine.

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// How the system calls name the calling thread.
const CALLER: Pid = Pid::from_raw(0);

/// The cores in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// Where the hub and Redis run.
    pub(crate) servers: usize,
    /// Where the clients and the publisher run.
    pub(crate) generator: usize,
    /// Whether anything is pinned; not when there is only one core.
    pub(crate) pinned: bool,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    /// When the system does not say which those are.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(CALLER).context("cannot read the CPU affinity")?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true));
        let servers = cores.next().context("no core is allowed")?;
        let generator = cores.next();
        Ok(Self { servers, generator: generator.unwrap_or(servers), pinned: generator.is_some() })
    }

    /// Moves the calling thread to the generator's core.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn enter_generator(self) -> Result<()> {
        if self.pinned { pin_to(self.generator) } else { Ok(()) }
    }

    /// Calls `start` on the servers' core: a child process inherits the core of the thread that
    /// starts it.
    ///
    /// # Errors
    /// When the system refuses, or `start` fails.
    pub(crate) fn start_on_servers<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.pinned {
            return start();
        }
        pin_to(self.servers)?;
        let started = start();
        self.enter_generator()?;
        started
    }
}

/// Moves the calling thread to one core.
///
/// # Errors
/// When the system refuses.
pub(crate) fn pin_to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("there is no core {core}"))?;
    sched_setaffinity(CALLER, &set).with_context(|| format!("cannot move to core {core}"))
}

//! Child processes: started, accounted for, and always ended by process id.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use crate::cores::Cores;

/// How long a child has for an orderly end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running child. Dropping it ends it, however the drop came about.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` on the servers' core, with its output in a file below `directory`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        cores: Cores,
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).context("cannot create a log file")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir(directory);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = cores.start_on_servers(|| {
            command.spawn().with_context(|| format!("cannot start {name} ({program})"))
        })?;
        Ok(Self { name, child, log })
    }

    /// # Errors
    /// When the process is gone, with the end of what it printed.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}{}", self.name, self.last_words()),
        }
    }

    /// The last lines that the process printed.
    #[must_use]
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
        if last.is_empty() { String::new() } else { format!("\n--- {}\n{}\n---", self.name, last.join("\n")) }
    }

    /// User and system time of all threads so far, those that ended included.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        // The clock has the sum that /proc/PID/stat has, but not rounded to ticks of 10 ms.
        let clock = clock_getcpuclockid(self.pid()).with_context(|| format!("{} is gone", self.name))?;
        Ok(clock_gettime(clock)?.into())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .with_context(|| format!("{} is gone", self.name))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

/// User and system time of this process so far.
///
/// # Errors
/// When the system has no such clock.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(self.pid(), Signal::SIGTERM);
            let deadline = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_child_says_what_proc_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let cores = Cores::choose().expect("cores");
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 600"]);
        let child = Process::start("sh", command, cores, directory.path()).expect("started");
        let mut last = child.cpu().expect("running");
        // It has slept for a while when its clock stands still.
        loop {
            thread::sleep(Duration::from_millis(50));
            let now = child.cpu().expect("running");
            if now == last && now > Duration::from_millis(20) {
                break;
            }
            last = now;
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.child.id())).expect("running");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().expect("ticks")).sum();
        let difference = Duration::from_millis(ticks * 10).abs_diff(last);
        assert!(difference <= Duration::from_millis(20), "{ticks} ticks, {last:?}");
    }

    #[test]
    fn a_child_ends_with_its_handle_and_its_end_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let cores = Cores::choose().expect("cores");
        let mut command = Command::new("sleep");
        command.arg("600");
        let mut sleeper = Process::start("sleep", command, cores, directory.path()).expect("started");
        sleeper.check().expect("running");
        assert!(sleeper.resident().expect("running") > 0);
        let proc = format!("/proc/{}", sleeper.child.id());
        drop(sleeper);
        assert!(!Path::new(&proc).exists());

        let mut short =
            Process::start("true", Command::new("true"), cores, directory.path()).expect("started");
        short.child.wait().expect("ended");
        assert!(short.check().is_err());
    }
}

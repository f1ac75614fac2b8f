//! A real PostgreSQL server in a scratch directory.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::{eventually::eventually, ports, process::Process};

const MISSING: &str = "PostgreSQL is not installed: run scripts/install-test-deps.sh";

/// A PostgreSQL of the test's own, on a port of its own. Stopped when dropped.
pub(crate) struct PostgresServer {
    process: Option<Process>,
    port: u16,
    directory: TempDir,
}

impl PostgresServer {
    /// A running server with an empty database.
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.path().join("data");
        let initdb = command("initdb", &data)
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"])
            .output()
            .expect(MISSING);
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));

        let mut server = Self { process: None, port: ports::free(), directory };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        let output = Arc::<Mutex<String>>::default();
        let mut postgres = command("postgres", &self.directory.path().join("data"));
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p"]);
        postgres.arg(self.port.to_string()).arg("-k").arg(self.directory.path());
        let process = self.process.insert(Process::start(postgres, &output).expect(MISSING));
        let ready = || process.output().contains("ready to accept connections");
        eventually(ready, "PostgreSQL accepts connections");
        assert!(TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Stops it at once; open connections break.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(rustix::process::Signal::INT);
            process.wait(super::eventually::DEADLINE);
        }
    }

    /// What to set `DATABASE_URL` to.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PostgresServer {
    /// An orderly stop, because children of a killed server outlive it.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(rustix::process::Signal::QUIT);
            if !std::thread::panicking() {
                process.wait(super::eventually::DEADLINE);
            }
        }
    }
}

/// One of the server's programs on `data`, as another user when the tests run as root, whom
/// PostgreSQL refuses.
fn command(program: &str, data: &Path) -> Command {
    let program = program_path(program);
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(data.parent().unwrap()).arg("-D").arg(data);
    command
}

/// Where Debian keeps the newest one, else wherever `PATH` finds it.
fn program_path(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists());
    found.max().unwrap_or_else(|| name.into())
}

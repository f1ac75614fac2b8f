//! `serve`: the socket, the signals and the log, around the application.

use std::net::{TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{CliError, address, output};
use crate::{
    app,
    config::{Config, Overrides, executable, secrets},
    telemetry::logs,
};

/// How many connections may wait to be accepted: a whole fleet that reconnects at once.
const BACKLOG: i32 = 4096;
/// The length from which a signing secret cannot be guessed from a token, in bytes.
const STRONG_SECRET_BYTES: usize = 32;

pub(super) fn run(config: Config, overrides: &Overrides) -> Result<(), CliError> {
    logs::init(&config.log).map_err(|error| CliError::failed(error.to_string()))?;
    // Each connection is a file descriptor, and the usual soft limit is 1024.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        log::warn!(error:% = error; "the limit of open files stays as it is");
    }
    if config.auth.jwt_secret.expose().len() < STRONG_SECRET_BYTES {
        log::warn!("DAEMON_JWT_SECRET is short; replace it with the output of `openssl rand -hex 32`");
    }
    secrets::ensure_data_dir(&config.server.data_dir)?;
    // Queues and accounts hold what is said between tenants: no other local user may read them.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let listener = bind(&config.server.bind)?;
    let local = listener.local_addr()?.to_string();
    if config.is_self_contained() {
        output::line(&welcome(&config, overrides, &local))?;
    }
    log::info!(address = local.as_str(), database:% = config.database; "the hub listens");
    actix_web::rt::System::new().block_on(async {
        let (stop, stopped) = oneshot::channel();
        let (hurry, hurried) = oneshot::channel();
        let signals = Signals::new()?;
        actix_web::rt::spawn(signals.watch(stop, hurry));
        app::run(config, listener, asked(stopped), asked(hurried))
            .await
            .map_err(|error| CliError::failed(error.to_string()))
    })
}

/// Resolves when the watcher asks. A watcher that is gone can never ask.
async fn asked(signal: oneshot::Receiver<()>) {
    if signal.await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// The first signal asks for an orderly stop, the second one for a quick one, the third one ends
    /// the process.
    async fn watch(mut self, stop: oneshot::Sender<()>, hurry: oneshot::Sender<()>) {
        let first = self.next().await;
        log::info!(signal = first; "stopping; a second signal cuts the drain short");
        let _listening = stop.send(());
        let second = self.next().await;
        log::warn!(signal = second; "stopping now; a third signal ends the process at once");
        let _listening = hurry.send(());
        let third = self.next().await;
        log::warn!(signal = third; "ending at once");
        std::process::exit(1);
    }
}

fn bind(address: &str) -> Result<TcpListener, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!(
            "cannot listen on {address}: {error}; set HUB_BIND to an address:port that is free"
        ))
    };
    let mut candidates: Vec<_> = address.to_socket_addrs().map_err(failed)?.collect();
    // "localhost" names both; people and examples reach it as 127.0.0.1.
    candidates.sort_by_key(|candidate| candidate.is_ipv6());
    let mut last = std::io::Error::other("the name has no address");
    for candidate in candidates {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise a restart has to wait for the connections of the one before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What a newcomer sees: where everything is, and lines to paste into other terminals.
fn welcome(config: &Config, overrides: &Overrides, local: &str) -> String {
    let reachable = address::reachable(local);
    let data_dir = &config.server.data_dir;
    let mut program = address::shell_word(&executable().to_string_lossy());
    if let Some(file) = overrides.config_file.as_deref().and_then(|file| std::path::absolute(file).ok()) {
        program = format!("{program} --config {}", address::shell_word(&file.to_string_lossy()));
    }
    program = format!("{program} --data-dir {}", address::shell_word(&data_dir.to_string_lossy()));
    let http = format!("--url http://{reachable}");
    let websocket = format!("--url ws://{reachable}{}", config.server.ws_path);
    let stored = |name: &str, secret: Option<&str>| {
        let kept = secrets::read(data_dir, name).ok().flatten();
        match kept.as_ref().map(|kept| Some(kept.expose()) == secret) {
            Some(true) => data_dir.join(name).display().to_string(),
            _ => "from the configuration; give it to the commands below as well".to_owned(),
        }
    };
    let jwt_secret = stored(secrets::JWT_SECRET_FILE, Some(config.auth.jwt_secret.expose()));
    let admin_key = config.auth.admin_api_key.as_ref().map(|key| key.expose());
    let admin_key = stored(secrets::ADMIN_API_KEY_FILE, admin_key);
    format!(
        "The hub listens on ws://{reachable}{path} and http://{reachable}
  data            {data}
  signing secret  {jwt_secret}
  admin key       {admin_key}

To see an event arrive, paste these into other terminals:
  {program} listen --orchestrator demo {websocket}
  {program} publish --orchestrator demo --data '{{\"content\":\"hello\"}}' {http}
  {program} health {http}
",
        path = config.server.ws_path,
        data = data_dir.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn the_lines_to_paste_name_everything_absolutely() {
        let root = tempfile::tempdir().expect("a directory");
        let overrides = Overrides { config_file: None, data_dir: Some(root.path().join("my data")) };
        let config = Config::from_sources(&overrides, [], Secrets::Create).expect("a configuration");
        let text = welcome(&config, &overrides, "0.0.0.0:4000");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("--data-dir")).collect();
        assert_eq!(lines.len(), 3, "{text}");
        for line in lines {
            assert!(line.trim_start().starts_with('/'), "{line}");
            assert!(line.contains(&format!("--data-dir '{}/my data'", root.path().display())), "{line}");
            assert!(line.contains("//127.0.0.1:4000"), "{line}");
        }
        assert!(
            text.contains("my data/daemon_jwt_secret") && text.contains("my data/admin_api_key"),
            "{text}"
        );
        assert!(!text.contains(config.auth.jwt_secret.expose()));
    }

    #[test]
    fn an_address_in_use_is_refused_with_what_to_do() {
        let taken = bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address").to_string();
        let error = bind(&address).expect_err("refused").to_string();
        assert!(error.contains(&address) && error.contains("HUB_BIND"), "{error}");
    }
}

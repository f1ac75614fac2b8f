//! Many clients on one thread and one poll.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use mio::{Events, Poll};

use crate::{
    client::{Client, Habits, State},
    event::{self, Clock},
    interrupt,
    ledger::{Audience, Ledger},
    token::Issuer,
};

/// Longer without any progress means that something is lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const READ_BUFFER: usize = 64 * 1024;

/// The clients of one run.
pub(crate) struct Swarm {
    hub: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    /// The `auth` frames of those that are still to connect, the next one last.
    waiting: Vec<Vec<u8>>,
    clients: Vec<Option<Client>>,
    ready: usize,
    closed: usize,
    /// Clients that became ready in this turn.
    arrived: Vec<usize>,
    /// What clients do.
    pub(crate) habits: Habits,
    /// What they received.
    pub(crate) ledger: Ledger,
}

impl Swarm {
    /// Prepares `count` clients, tokens included; none connects yet. With [`Audience::Everyone`]
    /// they belong to one orchestrator, else each has its own.
    ///
    /// # Errors
    /// When the system has no poll.
    pub(crate) fn prepare(
        hub: SocketAddr,
        secret: &str,
        clock: Clock,
        audience: Audience,
        count: usize,
    ) -> Result<Self> {
        let issuer = Issuer::new(secret)?;
        let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let now = event::iso(u64::try_from(millis)?);
        let auth = |index: usize| {
            let owner = match audience {
                Audience::InTurn => index,
                Audience::Everyone => 0,
            };
            let orchestrator = event::orchestrator(owner);
            let token = issuer.access(&orchestrator, index);
            let frame = format!(
                r#"{{"type":"auth","id":"00000000-0000-4000-8000-000000000000","timestamp":"{now}","payload":{{"accessToken":"{token}","daemonId":"daemon_{index:05}","orchestratorId":"{orchestrator}"}}}}"#
            );
            frame.into_bytes()
        };
        Ok(Self {
            hub,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            waiting: (0..count).rev().map(auth).collect(),
            clients: Vec::with_capacity(count),
            ready: 0,
            closed: 0,
            arrived: Vec::new(),
            habits: Habits::new(hub, clock, &now),
            ledger: Ledger::new(audience, count),
        })
    }

    /// Waits at most `timeout` for sockets, and lets their clients advance.
    ///
    /// # Errors
    /// When a client met with something that should not happen.
    pub(crate) fn turn(&mut self, timeout: Duration) -> Result<()> {
        interrupt::check()?;
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error).context("polling");
        }
        self.arrived.clear();
        for event in &self.events {
            let index = event.token().0;
            let Some(slot) = self.clients.get_mut(index) else { continue };
            let Some(client) = slot else { continue };
            let before = client.state;
            client
                .advance(&mut self.buffer, &self.habits, &mut self.ledger)
                .with_context(|| format!("client {index}"))?;
            if client.state == before {
                continue;
            }
            if client.state == State::Ready {
                self.ready += 1;
                self.arrived.push(index);
            } else if client.state == State::Closed {
                self.closed += 1;
                *slot = None;
            }
        }
        Ok(())
    }

    /// Connects all prepared clients, `at_once` at a time, until all are ready.
    ///
    /// # Errors
    /// When one of them does not get there.
    pub(crate) fn connect(&mut self, at_once: usize) -> Result<()> {
        let all = self.clients.len() + self.waiting.len();
        self.until(|swarm| {
            swarm.open(at_once, swarm.ready)?;
            Ok((swarm.ready == all).then_some(()))
        })
        .with_context(|| format!("{} of {all} clients came to be ready", self.ready))
    }

    /// Connects all prepared clients, and closes each as soon as it is ready.
    ///
    /// # Errors
    /// When one of them does not get there.
    pub(crate) fn churn(&mut self, at_once: usize) -> Result<()> {
        let all = self.clients.len() + self.waiting.len();
        self.until(|swarm| {
            for index in std::mem::take(&mut swarm.arrived) {
                if let Some(Some(client)) = swarm.clients.get_mut(index) {
                    client.close()?;
                }
            }
            swarm.open(at_once, swarm.closed)?;
            Ok((swarm.closed == all).then_some(()))
        })
        .with_context(|| format!("{} of {all} clients came and went", self.closed))
    }

    /// Closes every client, `at_once` at a time, and waits for the hub's answers.
    ///
    /// # Errors
    /// When the hub does not answer one of them.
    pub(crate) fn close(&mut self, at_once: usize) -> Result<()> {
        let (all, mut next) = (self.clients.len(), 0);
        self.until(|swarm| {
            while next < all && next < swarm.closed + at_once {
                if let Some(Some(client)) = swarm.clients.get_mut(next) {
                    client.close()?;
                }
                next += 1;
            }
            Ok((swarm.closed == all).then_some(()))
        })
        .with_context(|| format!("{} of {all} clients were closed", self.closed))
    }

    /// Turns until `step` has an answer. Every change in the counts renews the patience.
    ///
    /// # Errors
    /// When nothing happens for [`PATIENCE`], or `step` or a client fails.
    pub(crate) fn until<T>(&mut self, mut step: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        let mut progress = (self.progress(), Instant::now());
        loop {
            if let Some(answer) = step(self)? {
                return Ok(answer);
            }
            self.turn(Duration::from_millis(1))?;
            let reached = self.progress();
            if reached != progress.0 {
                progress = (reached, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                bail!("nothing happened for {} seconds", PATIENCE.as_secs());
            }
        }
    }

    /// Turns for a while, whatever comes.
    ///
    /// # Errors
    /// When a client fails.
    pub(crate) fn linger(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    fn progress(&self) -> (usize, usize, u64) {
        (self.ready, self.closed, self.ledger.deliveries)
    }

    fn open(&mut self, at_once: usize, finished: usize) -> Result<()> {
        while self.clients.len() < finished + at_once
            && let Some(auth) = self.waiting.pop()
        {
            let client = Client::connect(self.hub, self.poll.registry(), self.clients.len(), auth)?;
            self.clients.push(Some(client));
        }
        Ok(())
    }
}

//! The platform's part: pipelined `PUBLISH` or `XADD` commands on one connection to Redis.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    event::{Clock, Template, Way},
    interrupt,
};

/// Publishes events and never waits for an answer; the answers are read on the way.
pub(crate) struct Publisher {
    stream: TcpStream,
    template: Template,
    clock: Clock,
    outbound: Vec<u8>,
    inbound: Box<[u8]>,
    way: Way,
    /// Whether the next byte begins a line.
    at_start: bool,
    /// Whether the line being read says that the event was taken: a number of subscribers other than 0,
    /// or the length of an entry's id.
    heard: bool,
    /// How many events were published; the next one has this number.
    pub(crate) published: u64,
    /// How many of them Redis has confirmed.
    pub(crate) confirmed: u64,
}

impl Publisher {
    /// Connects to the Redis on `port`.
    ///
    /// # Errors
    /// When nobody answers there.
    pub(crate) fn connect(port: u16, clock: Clock, requires_ack: bool, way: Way) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("no connection to Redis")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            template: Template::new(requires_ack, way),
            clock,
            outbound: Vec::with_capacity(1 << 20),
            inbound: vec![0; 16 * 1024].into_boxed_slice(),
            way,
            at_start: true,
            heard: false,
            published: 0,
            confirmed: 0,
        })
    }

    /// Queues the next event, for the orchestrator with this index. Its time of sending is now, so
    /// [`Publisher::flush`] belongs right behind.
    pub(crate) fn publish(&mut self, orchestrator: usize) {
        self.template.write(&mut self.outbound, self.published, orchestrator, self.clock);
        self.published += 1;
    }

    /// Sends what is queued, as far as the socket takes it, and reads the answers that are there.
    ///
    /// # Errors
    /// When Redis is gone, or when it had no subscriber for an event.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while !self.outbound.is_empty() {
            match self.stream.write(&self.outbound) {
                Ok(sent) => drop(self.outbound.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("publishing"),
            }
        }
        if self.confirmed == self.published {
            return Ok(());
        }
        loop {
            match self.stream.read(&mut self.inbound) {
                Ok(0) => bail!("Redis closed the publisher's connection"),
                Ok(count) => {
                    self.confirm(count)?;
                    if count < self.inbound.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("publishing"),
            }
        }
    }

    /// Reads `:1\r\n` and the like, the number of subscribers that an event had; or `$15\r\n` with an
    /// entry's id on the next line.
    fn confirm(&mut self, count: usize) -> Result<()> {
        for byte in self.inbound.get(..count).unwrap_or_default() {
            let first = std::mem::replace(&mut self.at_start, *byte == b'\n');
            match (self.way, byte) {
                (_, b'-') if first => bail!("Redis refused to publish"),
                (Way::Channel, b'1'..=b'9') => self.heard = true,
                (Way::Stream, b'$') if first => self.heard = true,
                (_, b'\n') if self.heard => {
                    self.heard = false;
                    self.confirmed += 1;
                }
                (Way::Channel, b'\n') => bail!("the hub was not subscribed to daemon:events"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Publishes `rate` events per second for `duration`, evenly spaced, to the orchestrators in turn.
/// Blocks; meant for a thread of its own. Answers how late the latest event was.
///
/// # Errors
/// When publishing fails, or the benchmark was interrupted.
pub(crate) fn publish_evenly(
    publisher: &mut Publisher,
    orchestrators: u64,
    rate: u32,
    duration: Duration,
) -> Result<Duration> {
    let clock = publisher.clock;
    let (start, first) = (clock.nanos(), publisher.published);
    let total = u64::from(rate) * duration.as_secs();
    let mut latest = 0;
    for number in 0..total {
        let due = start + number * 1_000_000_000 / u64::from(rate.max(1));
        let mut now = clock.nanos();
        if now < due {
            publisher.flush()?;
            interrupt::check()?;
            now = clock.nanos();
            thread::sleep(Duration::from_nanos(due.saturating_sub(now)));
            now = clock.nanos();
        }
        latest = latest.max(now.saturating_sub(due));
        publisher.publish(usize::try_from((first + number) % orchestrators.max(1))?);
    }
    while publisher.confirmed < publisher.published {
        publisher.flush()?;
        interrupt::check()?;
        thread::sleep(Duration::from_micros(100));
    }
    Ok(Duration::from_nanos(latest))
}

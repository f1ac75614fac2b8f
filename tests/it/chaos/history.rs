//! What happened, in the order in which it was seen from outside.

use std::{
    fmt,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// How an event is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// `POST /api/events`, asked again until there is an answer.
    Http,
    /// `XADD hub:ingress`, asked again until there is an answer.
    Stream,
    /// `PUBLISH`, once: it promises nothing while no hub listens.
    Channel,
}

/// An event as it was published; its number is its place among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// Whom it is for.
    pub(super) orchestrator: usize,
    /// The only daemon that it is for, if it is for one.
    pub(super) daemon: Option<usize>,
    /// Whether one daemon is enough (`delivery: "any"`).
    pub(super) any: bool,
    /// How long it may wait, in milliseconds, if it says so.
    pub(super) ttl: Option<u64>,
    /// How it comes in.
    pub(super) way: Way,
}

/// A daemon, and which of its connections, counted over all daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) daemon: usize,
    pub(super) connection: usize,
}

/// Something that was seen.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// The publisher was told that an event is accepted, or, of the channel, that a hub hears it.
    Accepted(usize),
    /// The publisher was told that it is not.
    Rejected(usize),
    /// A daemon is authenticated at a hub.
    Connected(At, usize),
    /// A connection is over.
    Disconnected(At),
    /// A daemon got an event, for the time that the frame says.
    Received {
        event: usize,
        at: At,
        attempt: u64,
        /// When the hub wrote the frame, in ms since 1970, by the hub's clock.
        written: i64,
    },
    /// A daemon is about to acknowledge an event.
    Acknowledged(usize, At),
    /// The hub said that the acknowledgement is durable, and when.
    Confirmed { event: usize, at: At, written: i64 },
    /// A daemon is about to refuse an event, for now or, if `terminal`, for ever.
    Refused { event: usize, at: At, terminal: bool },
    /// Something was done to the servers.
    Fault(&'static str),
}

impl What {
    /// The event that it is about.
    pub(super) fn event(&self) -> Option<usize> {
        match *self {
            Self::Accepted(event)
            | Self::Rejected(event)
            | Self::Acknowledged(event, _)
            | Self::Received { event, .. }
            | Self::Confirmed { event, .. }
            | Self::Refused { event, .. } => Some(event),
            Self::Connected(..) | Self::Disconnected(_) | Self::Fault(_) => None,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "daemon {} (connection {})", self.daemon, self.connection)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => write!(f, "accepted"),
            Self::Rejected(_) => write!(f, "rejected"),
            Self::Connected(at, hub) => write!(f, "{at} connected to hub {hub}"),
            Self::Disconnected(at) => write!(f, "{at} is disconnected"),
            Self::Received { at, attempt, written, .. } => {
                write!(f, "{at} received attempt {attempt}, written at {written}")
            }
            Self::Acknowledged(_, at) => write!(f, "{at} acknowledges"),
            Self::Confirmed { at, written, .. } => write!(f, "{at} has a confirmation, written at {written}"),
            Self::Refused { at, terminal: false, .. } => write!(f, "{at} refuses for now"),
            Self::Refused { at, .. } => write!(f, "{at} refuses for ever"),
            Self::Fault(what) => write!(f, "*** {what}"),
        }
    }
}

/// Something that was seen, and when, since the beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) after: Duration,
    pub(super) what: What,
}

/// All of it.
#[derive(Default)]
pub(super) struct Account {
    /// Every event, by number.
    pub(super) subjects: Vec<Subject>,
    /// What was seen, in order.
    pub(super) entries: Vec<Entry>,
}

/// The account while it is written, by several threads.
pub(super) struct History {
    began: Instant,
    /// What the ids of this run begin with.
    prefix: String,
    account: Mutex<Account>,
}

impl History {
    pub(super) fn new(seed: u64) -> Self {
        Self { began: Instant::now(), prefix: format!("chaos-{seed:x}-"), account: Mutex::default() }
    }

    /// A new event; its number.
    pub(super) fn publish(&self, subject: Subject) -> usize {
        let mut account = self.account();
        account.subjects.push(subject);
        account.subjects.len() - 1
    }

    pub(super) fn record(&self, what: What) {
        let mut account = self.account();
        account.entries.push(Entry { after: self.began.elapsed(), what });
    }

    /// The id of an event.
    pub(super) fn id(&self, event: usize) -> String {
        format!("{}{event}", self.prefix)
    }

    /// The event with an id; `None` for one that is not of this run.
    pub(super) fn event(&self, id: &str) -> Option<usize> {
        id.strip_prefix(&self.prefix)?.parse().ok()
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }
}

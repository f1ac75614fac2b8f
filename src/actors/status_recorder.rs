//! StatusRecorder: keeps the status of orchestrators in the accounts, and their uptime history.
//!
//! Responsibilities: write a status when it changed, and only then; let heartbeats not overwrite what a
//! daemon said explicitly (contract C20); tell the daemons of a change. Does not: make anybody wait for
//! the database. What it could not write it tries again; after a crash the next heartbeat says it again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, Supervised};
use actix_web::web;
use quick_cache::unsync::Cache;

use super::{
    event_router::EventRouter,
    messages::{Origin, Publish},
    services::Shared,
    supervised::spawn_guarded,
};
use crate::{
    backplane::status::Statuses as _,
    domain::{
        clock::{Monotonic, Timestamp, monotonic, now},
        ids::{OrchestratorId, OrganizationId},
        notice::status_changed,
    },
    store::{StoreError, database::Database},
};

/// How long notes are collected before they are written.
const WRITE_INTERVAL: Duration = Duration::from_millis(100);
/// How long to leave a database alone that did not answer.
const REST: Duration = Duration::from_secs(5);
/// How many notes wait at most; the next heartbeat of the others says it again.
const MAX_WAITING: usize = 50_000;
/// How many are written in one go.
const PAGE: usize = 500;
/// How many orchestrators are remembered with what was written last.
const REMEMBERED: usize = 100_000;
/// For how long that is believed: another hub may have written something else.
const BELIEVED: Duration = Duration::from_secs(60);

/// Why a status is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// A daemon said so.
    Stated,
    /// A daemon logged in or registered, which says that it is there and no more: what its next
    /// heartbeat says counts at once.
    Arrived,
    /// A heartbeat said so, which gives way to what was stated.
    Heartbeat,
    /// A connection came or went; daemons are told of that by whoever saw it.
    Connection,
}

/// To the recorder: this is the status now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct NoteStatus {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// Its tenant, when it is known.
    pub organization: Option<OrganizationId>,
    /// `ONLINE`, `AWAY`, `BUSY` or `OFFLINE`.
    pub status: &'static str,
    /// Why.
    pub because: Because,
}

/// See the [module](self).
pub struct StatusRecorder {
    shared: Arc<Shared>,
    database: Arc<Database>,
    router: Addr<EventRouter>,
    waiting: HashMap<OrchestratorId, (NoteStatus, Timestamp)>,
    written: Cache<OrchestratorId, (&'static str, Monotonic)>,
    rests_until: Monotonic,
    writing: bool,
}

/// To the recorder: a batch was written, with those that changed something.
#[derive(Message)]
#[rtype(result = "()")]
struct Recorded {
    batch: Vec<(NoteStatus, Timestamp)>,
    outcome: Result<Vec<Outcome>, StoreError>,
}

/// What became of one note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Changed,
    Same,
    /// A daemon has said otherwise, and that still holds.
    Overruled,
}

impl StatusRecorder {
    /// A recorder that has written nothing yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>, database: Arc<Database>, router: Addr<EventRouter>) -> Self {
        Self {
            shared,
            database,
            router,
            waiting: HashMap::new(),
            written: Cache::new(REMEMBERED),
            rests_until: Monotonic(0),
            writing: false,
        }
    }

    fn is_news(&self, note: &NoteStatus) -> bool {
        if let Some((waiting, _)) = self.waiting.get(&note.orchestrator) {
            return waiting.status != note.status;
        }
        let written = self.written.peek(&note.orchestrator);
        written.is_none_or(|(status, believed)| *status != note.status || *believed <= monotonic())
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        if self.writing || self.waiting.is_empty() || monotonic() < self.rests_until {
            return;
        }
        self.writing = true;
        let page: Vec<OrchestratorId> = self.waiting.keys().take(PAGE).cloned().collect();
        let batch: Vec<_> = page.iter().filter_map(|id| self.waiting.remove(id)).collect();
        let (shared, database, me) = (self.shared.clone(), self.database.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            let overruled = overruled(&shared, &batch).await;
            let (notes, held) = (batch.clone(), overruled);
            let asked = web::block(move || {
                let record = |((note, at), overruled): (&(NoteStatus, Timestamp), &bool)| {
                    if *overruled { Ok(Outcome::Overruled) } else { record(&database, note, *at) }
                };
                notes.iter().zip(&held).map(record).collect()
            });
            let outcome = asked.await;
            let outcome =
                outcome.unwrap_or_else(|_| Err(StoreError::Unavailable("the hub is stopping".to_owned())));
            me.do_send(Recorded { batch, outcome });
        });
    }
}

/// For each note whether an explicit word stands against it.
async fn overruled(shared: &Shared, batch: &[(NoteStatus, Timestamp)]) -> Vec<bool> {
    let mut overruled = Vec::with_capacity(batch.len());
    for (note, _) in batch {
        overruled.push(match note.because {
            Because::Stated | Because::Arrived | Because::Connection => false,
            Because::Heartbeat => {
                let choice = shared.backplane.explicit_choice(&note.orchestrator).await;
                // Nobody to ask: then what was said must not be lost.
                choice.map_or(true, |choice| choice.is_some())
            }
        });
    }
    overruled
}

fn record(database: &Database, note: &NoteStatus, at: Timestamp) -> Result<Outcome, StoreError> {
    let id = note.orchestrator.as_str();
    let changed = database.set_status(id, note.status, at)?;
    // Orchestrators without an account are taken at their word everywhere else; here there is nothing
    // to write to.
    match database.note_status(id, note.status, at) {
        Ok(_) | Err(StoreError::Missing(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(if changed { Outcome::Changed } else { Outcome::Same })
}

impl Actor for StatusRecorder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.writing = false;
        ctx.run_interval(WRITE_INTERVAL, |recorder, ctx| recorder.write(ctx));
    }
}

impl Supervised for StatusRecorder {}

impl Handler<NoteStatus> for StatusRecorder {
    type Result = ();

    fn handle(&mut self, note: NoteStatus, _: &mut Self::Context) {
        let has_room = self.waiting.len() < MAX_WAITING || self.waiting.contains_key(&note.orchestrator);
        if has_room && self.is_news(&note) {
            // A heartbeat does not take the place of something stated that waits to be written.
            let waiting = self.waiting.get(&note.orchestrator);
            let gives_way = note.because == Because::Heartbeat
                && waiting.is_some_and(|(waiting, _)| waiting.because == Because::Stated);
            if !gives_way {
                self.waiting.insert(note.orchestrator.clone(), (note, now().wall));
            }
        }
    }
}

impl Handler<Recorded> for StatusRecorder {
    type Result = ();

    fn handle(&mut self, Recorded { batch, outcome }: Recorded, _: &mut Self::Context) {
        self.writing = false;
        let outcomes = match outcome {
            Ok(outcomes) => outcomes,
            Err(error) => {
                log::warn!(error:% = error; "statuses are written later");
                self.rests_until = monotonic().plus(REST);
                for (note, at) in batch {
                    self.waiting.entry(note.orchestrator.clone()).or_insert((note, at));
                }
                return;
            }
        };
        let believed = monotonic().plus(BELIEVED);
        let mut events = Vec::new();
        for ((note, at), outcome) in batch.into_iter().zip(outcomes) {
            if outcome != Outcome::Overruled {
                self.written.insert(note.orchestrator.clone(), (note.status, believed));
            }
            if outcome == Outcome::Changed && note.because != Because::Connection {
                events.extend(status_changed(
                    &note.orchestrator,
                    note.organization.as_ref(),
                    note.status,
                    at,
                ));
            }
        }
        if !events.is_empty() {
            self.router.do_send(Publish { events, origin: Origin::Ephemeral });
        }
    }
}

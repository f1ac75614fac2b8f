//! StatusRecorder: keeps the status of orchestrators in the accounts, and their uptime history.
//!
//! Responsibilities: write a status when it changed, and only then; let heartbeats not overwrite what a
//! daemon said explicitly (contract C20); tell the daemons of a change. Does not: make anybody wait for
//! the database. What it could not write it tries again; after a crash the next heartbeat says it again.

mod silence;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, Supervised};
use quick_cache::unsync::Cache;

use self::silence::Silence;
use super::{
    blocking::ask,
    event_router::EventRouter,
    messages::{Origin, Publish},
    services::Shared,
    supervised::spawn_guarded,
};
use crate::{
    backplane::status::{ExplicitChoice, OperationalStatus, Statuses as _},
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
    /// A heartbeat said so, which gives way to what was stated.
    Heartbeat,
    /// A daemon registered, logged in or connected, which says that it is there and no more: it gives
    /// way to what was stated, and what its next heartbeat says counts at once.
    Arrival,
    /// Nothing was heard for long; nobody is there to be told.
    Silence,
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
    /// The status is this now, and was another one.
    Changed(&'static str),
    /// It was that already.
    Same,
    /// A daemon has said otherwise, and that still holds, or nobody can say whether it does.
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

    /// Whether a note has to be looked at. Heartbeats say the same again and again; everything else is
    /// rare, and another hub may have written something else since.
    fn is_news(&self, note: &NoteStatus) -> bool {
        if note.because != Because::Heartbeat || self.waiting.contains_key(&note.orchestrator) {
            return true;
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
            let outcome = record_all(&shared, &database, &batch).await;
            me.do_send(Recorded { batch, outcome });
        });
    }
}

type Batch = Vec<(NoteStatus, Timestamp)>;

/// Writes what differs from the accounts and is not overruled; most of a batch does neither.
async fn record_all(
    shared: &Shared,
    database: &Arc<Database>,
    batch: &Batch,
) -> Result<Vec<Outcome>, StoreError> {
    let ids: Vec<String> = batch.iter().map(|(note, _)| note.orchestrator.to_string()).collect();
    let known: HashMap<String, String> = ask(database, move |database| database.statuses(&ids)).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for (note, at) in batch {
        // Orchestrators without an account are taken at their word everywhere else; here there is
        // nothing to write to.
        let known = known.get(note.orchestrator.as_str());
        if known.is_none_or(|status| status == note.status) {
            outcomes.push(Outcome::Same);
            continue;
        }
        let Some(status) = overruled(shared, note).await else {
            outcomes.push(Outcome::Overruled);
            continue;
        };
        if known.is_some_and(|known| known == status) {
            outcomes.push(Outcome::Overruled);
            continue;
        }
        let (note, at) = (NoteStatus { status, ..note.clone() }, *at);
        outcomes.push(ask(database, move |database| record(database, &note, at)).await?);
    }
    Ok(outcomes)
}

/// What the status is when what a daemon said explicitly is heeded; `None` while nobody can tell what it
/// said, for that must not be lost.
async fn overruled(shared: &Shared, note: &NoteStatus) -> Option<&'static str> {
    match note.because {
        Because::Stated | Because::Silence => Some(note.status),
        Because::Heartbeat | Because::Arrival => {
            let choice = shared.backplane.explicit_choice(&note.orchestrator).await.ok()?;
            Some(match choice {
                None | Some(ExplicitChoice::Status(OperationalStatus::Active)) => note.status,
                Some(ExplicitChoice::Presence(presence)) => presence.as_upper(),
                Some(ExplicitChoice::Status(OperationalStatus::Paused)) => "AWAY",
                Some(ExplicitChoice::Status(OperationalStatus::Error)) => "OFFLINE",
            })
        }
    }
}

fn record(database: &Database, note: &NoteStatus, at: Timestamp) -> Result<Outcome, StoreError> {
    let id = note.orchestrator.as_str();
    let changed = database.set_status(id, note.status, at)?;
    match database.note_status(id, note.status, at) {
        // Deleted a moment ago.
        Ok(_) | Err(StoreError::Missing(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(if changed { Outcome::Changed(note.status) } else { Outcome::Same })
}

impl Actor for StatusRecorder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.writing = false;
        ctx.run_interval(WRITE_INTERVAL, |recorder, ctx| recorder.write(ctx));
        let after = self.shared.limits.heartbeat_interval * 3;
        let watch = Silence { shared: self.shared.clone(), database: self.database.clone(), after };
        spawn_guarded(ctx, watch.listen(ctx.address()));
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
            let gives_way = matches!(note.because, Because::Heartbeat | Because::Arrival)
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
            match outcome {
                Outcome::Changed(status) if status != note.status => {}
                Outcome::Changed(_) | Outcome::Same => {
                    self.written.insert(note.orchestrator.clone(), (note.status, believed));
                }
                Outcome::Overruled => {}
            }
            let told = matches!(note.because, Because::Stated | Because::Heartbeat);
            if let Outcome::Changed(status) = outcome
                && told
            {
                events.extend(status_changed(&note.orchestrator, note.organization.as_ref(), status, at));
            }
        }
        if !events.is_empty() {
            self.router.do_send(Publish { events, origin: Origin::Ephemeral });
        }
    }
}

//! DeadLetterKeeper: brings events that were given up from the backplane into the database.
//!
//! Responsibilities: file what waits, say that it is filed, and forget what is too old. Several hubs may
//! do so at once: the database knows each letter by its key. Does not: decide what is given up, or put
//! anything back. A database that is away delays it and loses nothing.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext as _, Context, Handler, Message as ActixMessage, Supervised};

use super::{blocking::ask, ingress_rules::Trust, services::Shared, supervised::spawn_guarded};
use crate::{
    backplane::dead_letters::{DeadLetters as _, Unfiled},
    domain::{attempt::Cause, clock::now, event::Event},
    store::{StoreError, accounts::dead_letter_changes::NewDeadLetter, database::Database},
};

/// How often it is looked for letters.
const INTERVAL: Duration = Duration::from_secs(2);
/// How many letters are filed at once; one may be a megabyte.
const PAGE: usize = 32;
/// How long a letter is kept.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often letters that are too old are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// See the [module](self).
pub struct DeadLetterKeeper {
    desk: Arc<Desk>,
    busy: bool,
}

struct Desk {
    shared: Arc<Shared>,
    database: Arc<Database>,
}

impl DeadLetterKeeper {
    /// A keeper that files into `database`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, database: Arc<Database>) -> Self {
        Self { desk: Arc::new(Desk { shared, database }), busy: false }
    }

    fn file(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.busy, true) {
            return;
        }
        let (desk, me) = (self.desk.clone(), ctx.address());
        spawn_guarded(ctx, async move {
            desk.file().await;
            me.do_send(Filed);
        });
    }
}

/// To the keeper: a round is over.
#[derive(ActixMessage)]
#[rtype(result = "()")]
struct Filed;

impl Actor for DeadLetterKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.busy = false;
        self.file(ctx);
        ctx.run_interval(INTERVAL, Self::file);
        ctx.run_interval(FORGET_INTERVAL, |keeper, ctx| {
            let desk = keeper.desk.clone();
            spawn_guarded(ctx, async move { desk.forget().await });
        });
    }
}

impl Supervised for DeadLetterKeeper {}

impl Handler<Filed> for DeadLetterKeeper {
    type Result = ();

    fn handle(&mut self, _: Filed, _: &mut Self::Context) {
        self.busy = false;
    }
}

impl Desk {
    /// Files what waits, page by page.
    async fn file(&self) {
        if !self.shared.state.is_backplane_up() {
            return;
        }
        loop {
            let letters = match self.shared.backplane.unfiled(PAGE).await {
                Ok(letters) => letters,
                Err(error) => {
                    log::warn!(error:% = error; "dead letters cannot be read; trying again");
                    return;
                }
            };
            let waiting = &self.shared.metrics.dead_letters_unfiled;
            waiting.set(i64::try_from(letters.len()).unwrap_or(i64::MAX));
            if letters.is_empty() {
                return;
            }
            if let Err(error) = self.keep(&letters).await {
                log::warn!(error:% = error, count = letters.len(); "dead letters wait for the database");
                return;
            }
            if let Err(error) = self.shared.backplane.filed(&letters).await {
                log::warn!(error:% = error; "dead letters are filed once more; that does no harm");
                return;
            }
        }
    }

    /// Puts letters into the database; together if that is possible, else one by one, so that one that
    /// it will never take holds up no other.
    async fn keep(&self, letters: &[Unfiled]) -> Result<(), StoreError> {
        match self.insert(letters).await {
            Ok(()) => Ok(()),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Configuration(_))) => Err(error),
            Err(_) => {
                for letter in letters {
                    match self.insert(std::slice::from_ref(letter)).await {
                        Ok(()) => {}
                        Err(error @ StoreError::Unavailable(_)) => return Err(error),
                        Err(error) => {
                            let (event, orchestrator) = (letter.id.as_str(), letter.orchestrator.as_str());
                            log::error!(event, orchestrator, reason = letter.reason.as_str(), error:% = error;
                                "a dead letter cannot be kept in the database and is lost");
                        }
                    }
                }
                Ok(())
            }
        }
    }

    async fn insert(&self, letters: &[Unfiled]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(letters.len());
        for letter in letters {
            let reason = self.reason(letter).await?;
            rows.push(row(letter, reason));
        }
        let new = ask(&self.database, move |database| database.file_dead_letters(&rows)).await?;
        self.shared.metrics.dead_letters_filed.inc_by(u64::try_from(new).unwrap_or_default());
        Ok(())
    }

    /// Why a letter was given up. What no hub had taken in was written by somebody else, who may well say
    /// that it died of something else; that matters where its owner wants to know.
    async fn reason(&self, letter: &Unfiled) -> Result<String, StoreError> {
        let Shared { rules, resolver, connections, .. } = &*self.shared;
        let orchestrator = &letter.orchestrator;
        let event = Event::from_body(&letter.body, orchestrator, letter.at);
        let Some(event) = event.ok().filter(|_| rules.are_active()) else { return Ok(letter.reason.clone()) };
        let mut connected = None;
        connections.for_orchestrator(orchestrator, |handle| {
            let organization = handle.identity().and_then(|identity| identity.organization.clone());
            connected = connected.take().or(organization);
        });
        resolver.learn_home(orchestrator, connected.as_ref()).await;
        let named = || event.organization.or_else(|| letter.organization.clone());
        let owner = rules.owner_of_queue(orchestrator, connected.as_ref(), named);
        match rules.trust(orchestrator, &owner, &letter.body, now()) {
            Trust::Yes => Ok(letter.reason.clone()),
            Trust::No => Ok(Cause::Unsealed.as_str().to_owned()),
            Trust::Undecided => Err(StoreError::Unavailable("the directory does not answer".to_owned())),
        }
    }

    async fn forget(&self) {
        let before = now().wall.minus(RETENTION);
        match ask(&self.database, move |database| database.forget_dead_letters(before)).await {
            Ok(0) => {}
            Ok(count) => log::info!(count; "dead letters were too old and are forgotten"),
            Err(error) => log::warn!(error:% = error; "old dead letters are forgotten later"),
        }
    }
}

/// A letter as the database keeps it. What the event itself says about its organization goes before
/// what the queue knew.
fn row(letter: &Unfiled, reason: String) -> NewDeadLetter {
    let event = Event::from_body(&letter.body, &letter.orchestrator, letter.at).ok();
    let named = event.as_ref().and_then(|event| event.organization.as_ref());
    NewDeadLetter {
        key: letter.key.clone(),
        orchestrator_id: letter.orchestrator.to_string(),
        organization_id: named.or(letter.organization.as_ref()).map(ToString::to_string),
        event_id: letter.id.to_string(),
        event_type: event.map(|event| event.kind.to_string()),
        reason,
        attempts: letter.attempts,
        daemon_id: letter.daemon.as_ref().map(ToString::to_string),
        history: letter.history.clone(),
        body: letter.body.to_vec(),
        died_at: letter.at,
    }
}

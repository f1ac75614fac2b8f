//! Reads the rules again and again, and whose the connected orchestrators are.
//!
//! A database that is away changes nothing: the last rules stay, also over a restart of the hub.

use std::{sync::Arc, time::Duration};

use actix::{Actor, Context, Handler, Message, Supervised};
use tokio::sync::Mutex;

use super::memory::RuleMemory;
use crate::{
    actors::{blocking::ask, services::Shared, supervised::spawn_guarded},
    domain::{
        clock::now,
        ids::{OrchestratorId, OrganizationId},
    },
    store::database::Database,
};

/// How often the rules are read again.
const REFRESH: Duration = Duration::from_secs(5);
/// How often it is tried while they were never read.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is read again whose the connected orchestrators are.
const HOMES_REFRESH: Duration = Duration::from_secs(60);
/// Of how many at once.
const HOMES_CHUNK: usize = 500;

/// See the [module](self).
pub struct RuleKeeper {
    office: Arc<Office>,
}

struct Office {
    shared: Arc<Shared>,
    database: Arc<Database>,
    memory: RuleMemory,
    /// One at a time: an older answer must not replace a newer one.
    turn: Mutex<()>,
}

/// To the keeper: the rules were changed, here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReadRules;

impl RuleKeeper {
    /// A keeper of the rules in `database`, who writes them into `memory`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, database: Arc<Database>, memory: RuleMemory) -> Self {
        Self { office: Arc::new(Office { shared, database, memory, turn: Mutex::default() }) }
    }
}

impl Office {
    async fn read_rules(&self) {
        let _turn = self.turn.lock().await;
        let memory = self.memory.clone();
        let read = ask(&self.database, move |database| {
            let rules = database.ingress_rules()?;
            memory.keep(&rules);
            Ok(rules)
        });
        let rules = &self.shared.rules;
        match read.await {
            Ok(read) => rules.replace(read, now()),
            Err(error) if rules.are_known() => {
                log::log!(self.shared.first_of_its_kind("ingress_rules"), error:% = error;
                    "the rules of signed events cannot be read; the last ones stay");
            }
            Err(error) => {
                log::log!(self.shared.first_of_its_kind("ingress_rules_unknown"), error:% = error;
                    "nobody knows yet who wants signed events; until the database answers all are taken");
            }
        }
        self.shared.metrics.ingress.rules_known.set(i64::from(rules.are_known()));
    }

    async fn read_homes(&self) {
        let rules = &self.shared.rules;
        if !rules.are_active() {
            return;
        }
        for chunk in self.shared.connections.orchestrators().chunks(HOMES_CHUNK) {
            let asked: Vec<OrchestratorId> = chunk.to_vec();
            let homes = ask(&self.database, move |database| {
                let names: Vec<&str> = asked.iter().map(OrchestratorId::as_str).collect();
                database.organizations_of(&names)
            });
            let Ok(homes) = homes.await else { return };
            for orchestrator in chunk {
                let home = homes.get(orchestrator.as_str()).map(|home| OrganizationId::parse(home));
                match home.transpose() {
                    Ok(home) => rules.note_home(orchestrator, home.as_ref()),
                    // Whose it was before.
                    Err(_) => continue,
                }
            }
        }
    }
}

impl Actor for RuleKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let office = self.office.clone();
        spawn_guarded(ctx, async move {
            loop {
                office.read_rules().await;
                let is_known = office.shared.rules.are_known();
                tokio::time::sleep(if is_known { REFRESH } else { RETRY }).await;
            }
        });
        let office = self.office.clone();
        spawn_guarded(ctx, async move {
            loop {
                tokio::time::sleep(HOMES_REFRESH).await;
                office.read_homes().await;
            }
        });
    }
}

impl Supervised for RuleKeeper {}

impl Handler<ReadRules> for RuleKeeper {
    type Result = actix::ResponseFuture<()>;

    fn handle(&mut self, _: ReadRules, _: &mut Self::Context) -> Self::Result {
        let office = self.office.clone();
        Box::pin(async move { office.read_rules().await })
    }
}

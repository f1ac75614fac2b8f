//! Announcer: brings messages that were written down to the daemons that must hear of them (contract
//! 1.12, 9.10).
//!
//! Responsibilities: make the events of a message and hand them to the router; mark the message when
//! they are stored; find those that nobody announced, because a hub died or the backplane was away.
//! Does not: write messages. Announcing one twice delivers it once, for its events' ids follow from it.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext as _, Context, Handler, Message as ActixMessage, Supervised};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    blocking::ask,
    intake::{Intake, Status},
    services::Shared,
    supervised::spawn_guarded,
};
use crate::{
    backplane::bus::EventBus as _,
    domain::{
        clock::{Timestamp, now},
        event::Event,
        ids::{ChannelId, OrchestratorId, OrganizationId},
        mention::{Names, mentions},
        notice::Notice,
    },
    store::{
        accounts::{feed::Recipient, messages::Message, page::Cursor},
        database::Database,
    },
};

/// How often forgotten messages are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3);
/// How old a message is before it counts as forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);
/// How many forgotten messages are taken at once.
const SWEEP_PAGE: i64 = 200;
/// How many messages are announced at once; the others are found by the sweep.
const CONCURRENT: usize = 16;
/// The most letters of a message that other programs are shown.
const PREVIEW_CHARS: usize = 100;

/// To the announcer: this message was just written down.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Announce(pub Box<Message>);

/// See the [module](self).
pub struct Announcer {
    office: Arc<Office>,
    sweeping: bool,
}

/// What announcing takes; shared by all that is under way.
struct Office {
    shared: Arc<Shared>,
    database: Arc<Database>,
    intake: Intake,
    turns: Arc<Semaphore>,
}

impl Announcer {
    /// An announcer of the messages in `database`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, database: Arc<Database>, intake: Intake) -> Self {
        let turns = Arc::new(Semaphore::new(CONCURRENT));
        Self { office: Arc::new(Office { shared, database, intake, turns }), sweeping: false }
    }
}

/// To the announcer: the sweep is over.
#[derive(ActixMessage)]
#[rtype(result = "()")]
struct Swept;

impl Actor for Announcer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sweeping = false;
        ctx.run_interval(SWEEP_INTERVAL, |announcer, ctx| {
            if std::mem::replace(&mut announcer.sweeping, true) {
                return;
            }
            let (office, me) = (announcer.office.clone(), ctx.address());
            spawn_guarded(ctx, async move {
                office.sweep().await;
                me.do_send(Swept);
            });
        });
    }
}

impl Supervised for Announcer {}

impl Handler<Announce> for Announcer {
    type Result = ();

    fn handle(&mut self, Announce(message): Announce, ctx: &mut Self::Context) {
        let office = self.office.clone();
        // Too many at once wait for the sweep instead of in memory.
        let Ok(turn) = office.turns.clone().try_acquire_owned() else { return };
        spawn_guarded(ctx, async move {
            let _turn = turn;
            if let Err(problem) = office.announce(*message).await {
                log::warn!(problem:%; "a message is announced later");
            }
        });
    }
}

impl Handler<Swept> for Announcer {
    type Result = ();

    fn handle(&mut self, _: Swept, _: &mut Self::Context) {
        self.sweeping = false;
    }
}

impl Office {
    /// Announces what was forgotten. A message that cannot be announced holds up no other one.
    async fn sweep(&self) {
        if !self.shared.state.is_backplane_up() {
            return;
        }
        let before = now().wall.minus(FORGOTTEN_AFTER);
        let mut after: Option<Cursor> = None;
        let mut failed = 0_usize;
        loop {
            let from = after.clone();
            let page =
                ask(&self.database, move |database| database.unannounced(before, from.as_ref(), SWEEP_PAGE));
            let Ok(page) = page.await else { break };
            let Some(last) = page.last() else { break };
            after = Some(Cursor { at: last.created_at, id: last.id.clone() });
            for message in page {
                failed += usize::from(self.announce(message).await.is_err());
            }
        }
        if failed > 0 {
            log::warn!(count = failed; "messages are announced later");
        }
    }

    async fn announce(&self, message: Message) -> Result<(), String> {
        let asked = message.clone();
        let recipients = ask(&self.database, move |database| database.recipients(&asked)).await;
        let recipients = recipients.map_err(|error| error.to_string())?;
        let events: Vec<Event> =
            recipients.iter().flat_map(|recipient| events(&message, recipient)).collect();
        if !events.is_empty() {
            let verdicts = self.intake.store(events).await.map_err(|error| error.to_string())?;
            if verdicts.iter().any(|verdict| matches!(verdict.status, Status::Rejected(_))) {
                return Err("its events could not be stored for everybody".to_owned());
            }
        }
        self.tell_programs(&message).await;
        let id = message.id.clone();
        let marked = ask(&self.database, move |database| database.mark_announced(&id)).await;
        marked.map(drop).map_err(|error| error.to_string())
    }

    /// What runs beside the hub and shows channels to people is told too; it reads again anyhow, so
    /// that a loss does no harm.
    async fn tell_programs(&self, message: &Message) {
        let Ok(channel) = ChannelId::parse(&message.channel_id) else { return };
        let preview: String = message.content.chars().take(PREVIEW_CHARS).collect();
        let news = json!({
            "type": "new_message",
            "channelId": channel,
            "messageId": message.id,
            "authorId": message.author.id,
            "authorName": message.author.display_name.as_ref().unwrap_or(&message.author.name),
            "preview": preview,
            "timestamp": message.created_at,
        });
        if let Err(error) = self.shared.backplane.announce_message(&channel, &news.to_string()).await {
            log::warn!(error:% = error; "a message was not shown to other programs");
        }
    }
}

/// The events that a message means for one orchestrator.
fn events(message: &Message, recipient: &Recipient) -> Vec<Event> {
    let ids = (
        OrchestratorId::parse(&recipient.orchestrator_id),
        OrganizationId::parse(&recipient.organization_id),
    );
    let (Ok(orchestrator), Ok(organization)) = ids else { return Vec::new() };
    let channel = ChannelId::parse(&message.channel_id).ok();
    let notice = |kind: &'static str, at: Timestamp| Notice {
        kind,
        orchestrator: &orchestrator,
        organization: Some(&organization),
        channel: channel.as_ref(),
        payload: payload(message),
        at,
    };
    let at = message.created_at;
    let received = notice("message.received", at).lasting(&format!("evt_message_{}", message.id), 1);
    let shown: Vec<&str> =
        [&recipient.name, &recipient.display_name].into_iter().flatten().map(String::as_str).collect();
    let names = Names { ids: &[&recipient.user_id, &recipient.orchestrator_id], names: &shown };
    let mentioned = mentions(&message.content, &message.metadata, names)
        .then(|| notice("vp.mentioned", at).lasting(&format!("evt_mention_{}", message.id), 1))
        .flatten();
    received.into_iter().chain(mentioned).collect()
}

fn payload(message: &Message) -> Value {
    let mut payload = json!({
        "messageId": message.id,
        "channelId": message.channel_id,
        "content": message.content,
        "authorId": message.author.id,
        "authorName": message.author.display_name.as_ref().unwrap_or(&message.author.name),
        "timestamp": message.created_at,
    });
    if let (Some(parent), Some(members)) = (&message.parent_id, payload.as_object_mut()) {
        members.insert("threadId".to_owned(), json!(parent));
    }
    payload
}

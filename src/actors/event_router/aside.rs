//! Events whose target must be looked up: they stand aside in order, and others pass.

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, fut::wrap_future};

use super::EventRouter;
use crate::{
    actors::{
        ingress_rules::admission::Provenance,
        messages::Origin,
        reception::let_in,
        resolver::{Answer, Question, Resolver},
        supervised::guarded,
    },
    domain::envelope::Published,
};

/// How many events may wait for their target to be looked up.
const MAX_UNRESOLVED: usize = 10_000;
/// How many bytes of them.
const MAX_UNRESOLVED_BYTES: usize = 64 * 1024 * 1024;

/// An event whose target is not known yet.
pub(super) struct Incoming {
    pub(super) published: Published,
    pub(super) origin: Origin,
    pub(super) provenance: Provenance,
}

/// To the router: the target of events that stand aside.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Resolved(Question, Answer);

impl EventRouter {
    /// Looks the target of an event up, unless that is under way.
    pub(super) fn stand_aside(&mut self, question: Question, incoming: Incoming, ctx: &mut Context<Self>) {
        let published = &incoming.published;
        let size = published.event.body.len();
        if self.unresolved_count >= MAX_UNRESOLVED || self.unresolved_bytes + size > MAX_UNRESOLVED_BYTES {
            self.shared.metrics.malformed("unresolved_overflow");
            let event = published.event.id.as_str();
            log::log!(self.shared.first_of_its_kind("unresolved_overflow"), event;
                "too many events wait for their target; this one is dropped");
            return;
        }
        self.unresolved_count += 1;
        self.unresolved_bytes += size;
        let asked = self.unresolved.contains_key(&question.name);
        self.unresolved.entry(question.name.clone()).or_default().push(incoming);
        if !asked {
            self.ask(question, ctx);
        }
    }

    fn ask(&self, question: Question, ctx: &mut Context<Self>) {
        let shared = self.shared.clone();
        let lookup = async move { (shared.resolver.resolve(&question, &shared.connections).await, question) };
        ctx.spawn(wrap_future::<_, Self>(lookup).map(|(answer, question), _, ctx| {
            ctx.notify(Resolved(question, answer));
        }));
    }

    /// Lets those go on who waited for an answer, in order. The first one that waits for another answer
    /// makes the others behind it wait too.
    fn go_on(&mut self, question: &Question, answer: &Answer, ctx: &mut Context<Self>) {
        let mut waiting = self.unresolved.remove(&question.name).unwrap_or_default().into_iter();
        while let Some(incoming) = waiting.next() {
            let next = Resolver::question(&incoming.published);
            let known = if next == *question {
                Some(answer.clone())
            } else {
                self.shared.resolver.cached(&next, &self.shared.connections)
            };
            let Some(answer) = known else {
                let rest = std::iter::once(incoming).chain(waiting).collect();
                self.unresolved.insert(next.name.clone(), rest);
                self.ask(next, ctx);
                return;
            };
            self.unresolved_count -= 1;
            self.unresolved_bytes -= incoming.published.event.body.len();
            self.addressed(incoming, answer);
        }
    }

    /// Takes in an event whose target is known.
    pub(super) fn addressed(&mut self, incoming: Incoming, answer: Answer) {
        let Incoming { published, origin, provenance } = incoming;
        // Nobody waits for the verdict on what comes on a channel.
        if let Ok(event) = let_in(&self.shared, published, answer, &provenance) {
            self.route(event, origin);
        }
    }

    /// Lookups that were under way died with the old context.
    pub(super) fn give_up_unresolved(&mut self) {
        if self.unresolved_count > 0 {
            log::error!(count = self.unresolved_count; "events whose target was being looked up are lost");
        }
        self.unresolved.clear();
        (self.unresolved_count, self.unresolved_bytes) = (0, 0);
    }
}

impl Handler<Resolved> for EventRouter {
    type Result = ();

    fn handle(&mut self, Resolved(question, answer): Resolved, ctx: &mut Self::Context) {
        guarded(ctx, |ctx| self.go_on(&question, &answer, ctx));
        self.look_once_stored();
    }
}

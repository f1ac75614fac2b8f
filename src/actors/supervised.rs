//! How an actor on the main thread survives its own mistakes.
//!
//! `actix::Supervisor` brings an actor back that has stopped, but a panic would take the supervisor
//! along. So the long-running futures of an actor run guarded: a panic is logged and becomes a stop.

use std::{any::type_name, future::Future, panic::AssertUnwindSafe};

use actix::{Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, fut::wrap_future};
use futures_util::FutureExt as _;

/// Runs `task` for as long as the actor runs. When it panics, the actor stops, and its supervisor
/// starts it anew.
pub(super) fn spawn_guarded<A>(ctx: &mut Context<A>, task: impl Future<Output = ()> + 'static)
where
    A: Actor<Context = Context<A>>,
{
    let guarded = wrap_future::<_, A>(AssertUnwindSafe(task).catch_unwind());
    ctx.spawn(guarded.map(|outcome, _, ctx| {
        if outcome.is_err() {
            log::error!(actor = type_name::<A>(); "an actor failed and is started again");
            ctx.stop();
        }
    }));
}

/// Runs one handler of an actor; a panic stops the actor instead of ending its supervisor.
pub(super) fn guarded<A>(ctx: &mut Context<A>, handler: impl FnOnce(&mut Context<A>))
where
    A: Actor<Context = Context<A>>,
{
    if std::panic::catch_unwind(AssertUnwindSafe(|| handler(ctx))).is_err() {
        log::error!(actor = type_name::<A>(); "an actor failed and is started again");
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use actix::{Handler, Message, Supervised, Supervisor};

    use super::*;

    /// Counts how often it was started, and fails when it is told to.
    struct Fragile {
        starts: Arc<AtomicUsize>,
        fail_in_task: bool,
    }

    #[derive(Message)]
    #[rtype(result = "usize")]
    struct Starts;

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Fail;

    impl Actor for Fragile {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            let first = self.starts.fetch_add(1, Ordering::SeqCst) == 0;
            let fail = self.fail_in_task && first;
            spawn_guarded(ctx, async move {
                assert!(!fail, "a mistake in a task");
                std::future::pending::<()>().await;
            });
        }
    }

    impl Supervised for Fragile {}

    impl Handler<Starts> for Fragile {
        type Result = usize;

        fn handle(&mut self, _: Starts, _: &mut Self::Context) -> usize {
            self.starts.load(Ordering::SeqCst)
        }
    }

    impl Handler<Fail> for Fragile {
        type Result = ();

        fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
            guarded(ctx, |_| panic!("a mistake in a handler"));
        }
    }

    #[actix::test]
    async fn an_actor_whose_task_panics_is_started_again() {
        let starts = Arc::new(AtomicUsize::new(0));
        let fragile = Fragile { starts: starts.clone(), fail_in_task: true };
        let actor = Supervisor::start(|_| fragile);
        while starts.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(actor.send(Starts).await, Ok(2), "and answers under the same address");
    }

    #[actix::test]
    async fn an_actor_whose_handler_panics_is_started_again() {
        let starts = Arc::new(AtomicUsize::new(0));
        let fragile = Fragile { starts, fail_in_task: false };
        let actor = Supervisor::start(|_| fragile);
        assert_eq!(actor.send(Starts).await, Ok(1));
        actor.send(Fail).await.expect("answered");
        assert_eq!(actor.send(Starts).await, Ok(2));
    }
}

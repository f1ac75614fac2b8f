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

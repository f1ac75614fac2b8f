//! The thread that owns everything the embedded backplane knows.
//!
//! One thread, because SQLite has one writer anyway: whatever it does is atomic to everybody else,
//! in the order of asking, and no lock is needed.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::state::State;
use crate::backplane::{BackplaneError, Result};

/// How many calls wait at most; those beyond wait for room.
const CALLS: usize = 1024;

type Call = Box<dyn FnOnce(&mut State) + Send>;

/// A handle to the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Worker {
    /// `None` only while the handle is dropped.
    calls: Option<mpsc::Sender<Call>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and hands it `state`.
    pub(super) fn start(mut state: State) -> Result<Self> {
        let (calls, mut queue) = mpsc::channel::<Call>(CALLS);
        let thread = thread::Builder::new()
            .name("backplane".to_owned())
            .spawn(move || {
                while let Some(call) = queue.blocking_recv() {
                    call(&mut state);
                }
            })
            .map_err(|error| BackplaneError::Unavailable(format!("its thread did not start: {error}")))?;
        Ok(Self { calls: Some(calls), thread: Some(thread) })
    }

    /// Does `work` on the thread. A caller that stops waiting does not stop work that has been handed
    /// over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |state| {
            // Whoever asked may have gone away meanwhile.
            let _ = answer.send(work(state));
        });
        let Some(calls) = &self.calls else { return Err(gone()) };
        calls.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// A thread that panicked answers nobody any more: better than an answer from a state that is half
/// changed. The file itself is whole, and the next start reads it.
fn gone() -> BackplaneError {
    BackplaneError::Unavailable("its thread has ended".to_owned())
}

impl Drop for Worker {
    /// Waits until everything that was handed over is done, so that the file is closed afterwards.
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the embedded backplane panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(directory: &tempfile::TempDir) -> Worker {
        Worker::start(State::open(&directory.path().join("queue.db")).expect("opened")).expect("started")
    }

    #[tokio::test]
    async fn what_was_handed_over_is_done_although_nobody_waits_for_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let (done, mut seen) = mpsc::channel(1);
        let worker = worker(&directory);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let blocked = worker.run(move |_| {
            let _ = held.recv();
            Ok(())
        });
        let abandoned = worker.run(move |_| {
            let _ = done.blocking_send(());
            Ok(())
        });
        // Both are handed over; neither is waited for.
        assert!(futures_util::future::FutureExt::now_or_never(blocked).is_none());
        assert!(futures_util::future::FutureExt::now_or_never(abandoned).is_none());
        release.send(()).expect("it waits");
        drop(worker);
        assert_eq!(seen.recv().await, Some(()));
    }

    #[tokio::test]
    async fn after_a_panic_every_call_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let worker = worker(&directory);
        let panicked: Result<()> = worker.run(|_| panic!("as a test")).await;
        assert_eq!(panicked, Err(gone()));
        assert_eq!(worker.run(|_| Ok(())).await, Err(gone()));
    }
}

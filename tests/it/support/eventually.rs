//! Waiting for a condition: the only place in the tests that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test calls it broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; panics with `what` after [`DEADLINE`].
#[track_caller]
pub(crate) fn eventually(condition: impl FnMut() -> bool, what: &str) {
    eventually_within(DEADLINE, condition, what);
}

/// Waits until `condition` holds; panics with `what` after `limit`.
#[track_caller]
pub(crate) fn eventually_within(limit: Duration, mut condition: impl FnMut() -> bool, what: &str) {
    eventually_some_within(limit, || condition().then_some(()), what);
}

/// Waits until `attempt` has an answer, and returns it; panics with `what` after [`DEADLINE`].
#[track_caller]
pub(crate) fn eventually_some<T>(attempt: impl FnMut() -> Option<T>, what: &str) -> T {
    eventually_some_within(DEADLINE, attempt, what)
}

#[track_caller]
fn eventually_some_within<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>, what: &str) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(Instant::now() < deadline, "after {limit:?} still not true: {what}");
        thread::sleep(POLL);
    }
}

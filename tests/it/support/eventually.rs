//! Waiting for a condition. Elsewhere in the tests a thread sleeps only to behave: as a daemon that takes
//! its time, or a fault that lasts.

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

/// Whether `condition` comes to hold within `limit`; it is asked at most `every` so often.
pub(crate) fn comes_true(limit: Duration, every: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(every);
    }
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

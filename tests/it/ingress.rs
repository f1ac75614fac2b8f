//! The durable ways in: what is appended or posted is there until it is taken, whoever dies.

mod idempotency;
mod sealed;
mod signed;
mod stream;
mod stream_failures;
mod verdicts;

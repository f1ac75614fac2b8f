//! The frames, their limits, and what happens to those who break the rules.

mod heartbeats;
mod limits;
mod malformed;
mod transport;

//! What daemons that speak protocol 1.1 can say about their events, and what publishers can ask for.

mod any_daemon;
mod expiry;
mod flow;
mod losses;
mod refusal;

//! What breaks, and what nobody notices of it.

mod database;
mod drain;
mod hub_death;
mod redis_outage;
mod stalled_peer;

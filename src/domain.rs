//! The vocabulary that every other room speaks: ids, events, subscriptions, scopes and time.
//!
//! Pure: nothing here knows actix, Redis, diesel or the wire of the WebSocket.

pub mod attempt;
pub mod authorship;
pub mod canary;
pub mod clock;
pub mod envelope;
pub mod event;
pub mod gap;
pub mod health;
pub mod ids;
pub mod ingress;
pub mod mention;
pub(crate) mod mutant;
pub mod notice;
pub mod queued_message;
pub mod recent_ids;
pub mod reported;
pub mod scope;
pub mod slug;
pub mod subscription;

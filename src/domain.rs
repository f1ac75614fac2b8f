//! The vocabulary that every other room speaks: ids, events, subscriptions, scopes and time.
//!
//! Pure: nothing here knows actix, Redis, diesel or the wire of the WebSocket.

pub mod clock;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod recent_ids;
pub mod scope;
pub mod status;
pub mod subscription;

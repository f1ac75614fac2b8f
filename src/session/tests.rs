//! The state machine on virtual time: no socket, no clock, no sleep.

mod auth;
mod drain;
mod feed;
mod fixtures;
mod frames;
mod life;
mod mailbox;
mod model;
mod properties;
mod redelivery;
mod subscriptions;
mod window;

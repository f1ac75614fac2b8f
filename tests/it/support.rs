//! What the tests stand on: real servers in scratch directories, a client that speaks the raw
//! protocol, and waiting that ends as soon as its condition holds.

pub(crate) mod call;
pub(crate) mod description;
pub(crate) mod event;
pub(crate) mod eventually;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod identity;
pub(crate) mod metrics;
pub(crate) mod platform;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod publisher;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod settings;
pub(crate) mod signing;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod token;
pub(crate) mod world;

/// Runs each promise, a `fn(Mode)`, once against the embedded backplane and once against Redis.
macro_rules! in_both_modes {
    ($($promise:ident),+ $(,)?) => {
        mod embedded {
            $(#[test] fn $promise() { super::$promise(crate::support::world::Mode::Embedded); })+
        }
        mod redis {
            $(#[test] fn $promise() { super::$promise(crate::support::world::Mode::Redis); })+
        }
    };
}
pub(crate) use in_both_modes;

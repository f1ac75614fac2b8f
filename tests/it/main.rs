//! The hub's promises, kept or broken by the real binary. One module per behaviour; a test's name
//! says what is promised, and `embedded` or `redis` in its path says on which backplane.
#![cfg(test)]

mod support;

mod accounts;
mod admin;
mod api_description;
mod architecture;
mod attacks;
mod authentication;
mod backplane_contract;
mod backplane_contract_redis;
mod bad_days;
mod chaos;
mod daemon_api;
mod delivery;
mod fleet;
mod framework;
mod http;
mod ingress;
mod isolation;
mod mailbox;
mod mistakes;
mod operations;
mod protocol;
mod redis_layout;
mod revocation;
mod routing;
mod secrecy;

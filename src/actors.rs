//! The actors: thin shells around what is pure, and around the backplane.
//!
//! | Actor | It does |
//! |---|---|
//! | [`connection::Connection`] | decodes frames, drives its session, carries out the effects |
//! | [`connection_manager::ConnectionManager`] | admits, registers, takes over, evicts, drains |
//! | [`event_router::EventRouter`] | takes events in, matches them, hands them out |
//! | [`heartbeat_monitor::HeartbeatMonitor`] | watches over connections, writes heartbeats and presence |
//! | [`announcer::Announcer`] | brings new messages of channels to the daemons in them |
//! | [`status_recorder::StatusRecorder`] | keeps the status of orchestrators and their uptime in the accounts |
//! | [`canary::Canary`] | sends this hub an event now and then, and sees whether it comes back |
//! | [`dead_letter_keeper::DeadLetterKeeper`] | brings what was given up into the database |
//! | [`ledger_check::LedgerCheck`] | looks whether the books of the queues balance |
//! | [`ingress::IngressReader`] | takes what publishers append to the stream |
//! | [`ingress_rules::keeper::RuleKeeper`] | reads who must sign what |
//! | [`offline_queue::OfflineQueue`] | group-commits, reads queues, drains legacy lists, expires |
//!
//! A connection lives on the worker thread of its socket; the others live on the main thread under a
//! supervisor, and keep nothing that a restart would lose: what they share is in [`services`].

pub mod announcer;
pub mod blocking;
pub mod canary;
mod claims;
pub mod connection;
pub mod connection_manager;
pub mod connections;
pub mod dead_letter_keeper;
pub mod event_router;
mod forwarding;
pub mod heartbeat_monitor;
pub mod inbound;
pub mod ingress;
pub mod ingress_rules;
pub mod intake;
pub mod ledger_check;
pub mod messages;
pub mod offline_queue;
pub mod queue_access;
mod reception;
pub mod redrive;
pub mod resolver;
pub mod revocation;
pub mod routing;
pub mod services;
pub mod status_recorder;
mod supervised;

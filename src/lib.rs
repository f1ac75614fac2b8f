//! neolith-hub: the connection hub between the Neolith platform and fleets of agent daemons.
//!
//! ```text
//!  daemon socket ─► http/ws ─► actors/connection ─ decode ─► session (pure) ─ effects ─► OfflineQueue, backplane
//!                                                                 │
//!  Neolith ─► Redis pub/sub, lists ────────┐                      ▼
//!  Neolith/admin ─► HTTP publish ──────────┴► EventRouter ─► matching connections ─► daemon socket
//!                                                 └► OfflineQueue (group commit) ─► backplane: queue, acks
//! ```
//!
//! The queue is the truth; a push to a live socket is the fast path. Whatever a lost wake-up, a dead
//! node or a slow store does, the next look at the queue heals it.
//!
//! Imports go one way, and a test holds them to it:
//! [`domain`] ← [`protocol`], [`config`] ← [`session`], [`auth`], [`store`], [`backplane`],
//! [`telemetry`], [`client`] ← [`actors`] ← [`http`] ← [`app`] ← [`cli`] ← `main`.

pub mod actors;
pub mod app;
pub mod auth;
pub mod backplane;
pub mod cli;
pub mod client;
pub mod config;
pub mod domain;
pub mod http;
pub mod protocol;
pub mod session;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod telemetry;

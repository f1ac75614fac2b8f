//! The WebSocket wire between hub and daemon (contract section 9): frames, error and close codes.
//!
//! Pure: text in, typed frames out, and the other way round.

pub mod client_frame;
pub mod codes;
pub mod event_frame;
pub mod schemas;
pub mod server_frame;

/// The largest WebSocket message that a client may send, in bytes; more closes with 1009.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

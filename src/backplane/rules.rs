//! The rules of the queue: how changes move events, books, claims and receipts. Pure.
//!
//! They work on any [`Shelf`]: the file of the embedded backplane, or plain memory
//! ([`memory::MemoryShelf`]). The scripts of the Redis backplane follow the same rules in their own
//! words, and a test compares all three.

mod claims;
mod commit;
mod expiry;
mod gap;
pub mod memory;
mod shelf;

pub use claims::{Asking, claim, release};
pub use commit::{commit, note_acknowledged};
pub use expiry::{due, expire, purge};
pub use gap::tell;
pub use shelf::{Books, Claimed, Entry, Losses, Shelf};

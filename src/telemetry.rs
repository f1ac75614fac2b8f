//! What the hub tells its operators.

pub mod canary;
pub mod logs;
pub mod metrics;

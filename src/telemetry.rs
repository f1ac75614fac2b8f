//! What the hub tells its operators.

pub mod logs;
pub mod metrics;

//! An accepted event is delivered, or still queued, or its loss was announced.

mod acknowledgement;
mod addressing;
mod arrival;
mod fan_out;
mod legacy_lists;
mod publishing_twice;
mod queueing;
mod redelivery;

//! What publishers, probes and Prometheus are answered.

mod errors;
mod observability;
mod publishing;

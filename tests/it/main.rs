//! Everything that is tested through the doors of the crate, in one binary.

mod backplane_contract;

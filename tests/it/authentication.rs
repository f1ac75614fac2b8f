//! Who gets in, who stays in, and how everybody else is turned away.

mod admission;
mod lifetime;
mod paths;
mod refusal;

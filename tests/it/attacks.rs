//! What somebody tries who means harm. Whatever it is, the answer is short, says nothing about what
//! exists, and leaves everything as it was.

mod headers;
mod ids;
mod races;
mod tenants;
mod tokens;

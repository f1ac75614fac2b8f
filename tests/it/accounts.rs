//! The accounts store keeps the same promises on SQLite and on PostgreSQL.

mod channels;
mod credentials;
mod dead_letters;
mod ingress;
mod records;
mod schema;
mod support;
mod tenants;

//! Organizations and what belongs to them, as the REST API knows it.
//!
//! All of it is methods of [`Database`](super::database::Database), one file per noun. Rules that
//! hold for each of them:
//!
//! * A method that takes a `scope` answers as if rows of other organizations did not exist. Callers
//!   that serve a tenant always give one; only the operator of the hub has none.
//! * Lists are newest first, by a cursor over time and id, so a page costs the same wherever it is.
//! * Digests, hashes and secrets are in no type that can be serialized.
//! * A transaction begins with a statement that writes: SQLite then waits for the writer before it,
//!   where a transaction that has read already would fail.

pub mod audit;
pub mod channel_changes;
pub mod channels;
pub mod credential_changes;
pub mod credentials;
pub mod daemons;
pub mod dead_letter_changes;
pub mod dead_letters;
pub mod feed;
pub mod ingress;
pub mod legacy_keys;
pub mod members;
pub mod messages;
pub mod orchestrator_changes;
pub mod orchestrators;
pub mod organizations;
pub mod page;
pub mod uptime;
pub mod users;
pub mod workspaces;

mod columns;
mod write;

pub use columns::public_capabilities;

use uuid::Uuid;

/// The backend of a query that is put together at run time.
type Multi = <super::connection::AccountsConnection as diesel::Connection>::Backend;

diesel::define_sql_function! {
    /// The text in lower case.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>)
        -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// What a row is called that was given no id.
fn fresh_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

/// How an object of settings is kept; an empty one when there is none.
fn object_text(object: Option<serde_json::Value>) -> String {
    object.map_or_else(|| "{}".to_owned(), |object| object.to_string())
}

/// The pattern, with `\` as its escape, of lower-case texts that contain `text`.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_searched_for_stands_for_itself() {
        assert_eq!(containing("50%_A\\"), "%50\\%\\_a\\\\%");
    }
}

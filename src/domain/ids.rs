//! Identifiers as newtypes, checked once where they enter the hub.
//!
//! Ids become parts of Redis key names, log fields and metric-free hash keys, so their alphabet is
//! narrow: printable, no white space, no braces (a brace would move a key to another Redis Cluster
//! slot). Cloning one is a reference count.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The longest id of a platform object, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The longest event id, in bytes: publishers compose theirs from a time and a UUID.
pub const MAX_EVENT_ID_BYTES: usize = 256;

/// Why a string is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The string was empty.
    #[error("must not be empty")]
    Empty,
    /// The string was longer than the limit given, in bytes.
    #[error("must be at most {0} bytes long")]
    TooLong(usize),
    /// The string contained a character that ids cannot have.
    #[error("must not contain {0:?}")]
    Character(char),
    /// The id is one that hubs keep for themselves; see [`super::canary`].
    #[error("must not begin with {0}, which hubs keep for themselves")]
    Reserved(&'static str),
}

fn check(text: &str, max: usize, forbidden: &[char]) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max {
        return Err(IdError::TooLong(max));
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || forbidden.contains(&c);
    match text.chars().find(|c| bad(*c)) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $forbidden:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it an id.
            ///
            /// # Errors
            /// The rule that the text breaks: empty, too long, or a forbidden character.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $max, $forbidden)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as the platform spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

string_id!(
    /// An orchestrator, also called VP: whom events are addressed to (`vps.id`).
    ///
    /// A colon is refused: `daemon:events:{orchestrator}:data` must never be the queue of an
    /// orchestrator called `x:data`.
    OrchestratorId,
    MAX_ID_BYTES,
    &['{', '}', ':']
);
string_id!(
    /// The tenant that an orchestrator belongs to.
    OrganizationId,
    MAX_ID_BYTES,
    &['{', '}', ':']
);
string_id!(
    /// A daemon instance, as the process names itself.
    DaemonId,
    MAX_ID_BYTES,
    &['{', '}']
);
string_id!(
    /// An authentication session, usable in the HTTP API as well.
    SessionId,
    MAX_ID_BYTES,
    &['{', '}']
);
string_id!(
    /// A channel of the platform.
    ChannelId,
    MAX_ID_BYTES,
    &[]
);
string_id!(
    /// An event, unique by its publisher's word; what acknowledgements and duplicates are known by.
    EventId,
    MAX_EVENT_ID_BYTES,
    &[]
);
string_id!(
    /// One running hub process.
    NodeId,
    MAX_ID_BYTES,
    &['{', '}', ':']
);

/// One WebSocket connection, drawn by the hub.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(Uuid);

impl ConnectionId {
    /// Draws a fresh id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads an id that [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// When `text` is no UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_documents_are_accepted() {
        for id in ["vp_456", "clx0v9z1w0000qwerty", "user-1", "d290f1ee-6c54-4b01-90e6-d701748f0851"] {
            assert!(OrchestratorId::parse(id).is_ok(), "{id}");
        }
        assert!(DaemonId::parse("build-7.example:8080").is_ok());
    }

    #[test]
    fn an_id_that_could_reach_another_key_is_refused() {
        assert_eq!(OrchestratorId::parse(""), Err(IdError::Empty));
        assert_eq!(OrchestratorId::parse("vp_1:data"), Err(IdError::Character(':')));
        assert_eq!(OrchestratorId::parse("{vp_1}"), Err(IdError::Character('{')));
        assert_eq!(DaemonId::parse("a b"), Err(IdError::Character(' ')));
        assert_eq!(DaemonId::parse("a\u{0}"), Err(IdError::Character('\u{0}')));
        assert_eq!(EventId::parse(&"x".repeat(257)), Err(IdError::TooLong(256)));
    }
}

//! The orchestrator ids that hubs keep for themselves, to send themselves an event now and then.
//!
//! Nobody can register one, connect with one, or publish to one.

use super::ids::{IdError, OrchestratorId};

/// What every reserved id begins with.
pub const RESERVED_PREFIX: &str = "hub_canary_";

/// The id under which the hub called `name` sends itself events.
///
/// # Errors
/// When the name is too long, or cannot be part of an id.
pub fn canary_of(name: &str) -> Result<OrchestratorId, IdError> {
    OrchestratorId::parse(&format!("{RESERVED_PREFIX}{name}"))
}

/// Whether an id is reserved for a hub.
#[must_use]
pub fn is_reserved(id: &OrchestratorId) -> bool {
    id.as_str().starts_with(RESERVED_PREFIX)
}

/// Reads an id that somebody chose.
///
/// # Errors
/// When it is no id, or is reserved.
pub fn parse_unreserved(text: &str) -> Result<OrchestratorId, IdError> {
    let id = OrchestratorId::parse(text)?;
    if is_reserved(&id) { Err(IdError::Reserved(RESERVED_PREFIX)) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_canary_is_reserved_and_others_are_not() {
        assert!(is_reserved(&canary_of("6f1c").expect("an id")));
        assert!(!is_reserved(&OrchestratorId::parse("hub_canar").expect("an id")));
        assert!(canary_of("a:b").is_err());
        assert_eq!(parse_unreserved("hub_canary_x"), Err(IdError::Reserved(RESERVED_PREFIX)));
        assert!(parse_unreserved("vp_1").is_ok());
    }
}

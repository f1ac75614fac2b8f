//! The `X-API-Key` of administrators and publishers.

use subtle::ConstantTimeEq;

use crate::config::Secret;

/// Whether `presented` is the configured key. Takes as long for a nearly right key as for a wrong
/// one; only the length of the key can be told from the time.
#[must_use]
pub fn matches(configured: &Secret, presented: &str) -> bool {
    let configured = configured.expose().as_bytes();
    // An empty key would let in everybody who sends an empty header.
    !configured.is_empty() && bool::from(configured.ct_eq(presented.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_matches() {
        let key = Secret::new("k3y");
        assert!(matches(&key, "k3y"));
        for wrong in ["", "k3", "k3yy", "K3Y", "k3y "] {
            assert!(!matches(&key, wrong), "{wrong:?}");
        }
        assert!(!matches(&Secret::new(""), ""));
    }
}

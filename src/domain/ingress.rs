//! Whether an organization's events must be signed by their publishers.

/// What the hub makes of an event that is not signed, or not rightly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IngressPolicy {
    /// Nobody looks at signatures.
    #[default]
    Off,
    /// They are checked, and what is wrong is counted and logged, but taken.
    Observe,
    /// What is not rightly signed is refused.
    Require,
}

impl IngressPolicy {
    /// Every policy there is.
    pub const ALL: [Self; 3] = [Self::Off, Self::Observe, Self::Require];

    /// The word for it, in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Require => "require",
        }
    }

    /// The policy that a word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_known_by_its_word() {
        for policy in IngressPolicy::ALL {
            assert_eq!(IngressPolicy::parse(policy.as_str()), Some(policy));
        }
        assert_eq!(IngressPolicy::parse("Require"), None);
    }
}

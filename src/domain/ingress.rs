//! Whether an organization's events must be signed by their publishers, and how a signed one looks.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest name of a key, in bytes.
const MAX_KEY_BYTES: usize = 128;
/// What every wrapper has in it.
const MARK: &[u8] = br#""sig""#;
/// The longest signature, in bytes.
const MAX_SIGNATURE_BYTES: usize = 256;

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

/// What a publisher says to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The name of its key.
    pub key: Box<str>,
    /// The signature, as it is written.
    pub signature: Box<str>,
}

impl Signed {
    /// A claim of a publisher's; `None` when it is longer than any true one.
    #[must_use]
    pub fn new(key: &str, signature: &str) -> Option<Self> {
        let fits = key.len() <= MAX_KEY_BYTES && signature.len() <= MAX_SIGNATURE_BYTES;
        fits.then(|| Self { key: key.into(), signature: signature.into() })
    }
}

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(borrow)]
    sig: Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Takes a signed event out of its wrapper `{"kid", "sig", "event"}`, byte for byte, where there is no
/// other place for a signature. `None` when it is no wrapper.
#[must_use]
pub fn unwrap(json: &Bytes) -> Option<(Bytes, Signed)> {
    let wrapper: Wrapper<'_> = serde_json::from_slice(json).ok()?;
    let signed = Signed::new(&wrapper.kid, &wrapper.sig)?;
    Some((json.slice_ref(wrapper.event.get().as_bytes()), signed))
}

/// The event, and its signature if it comes in a wrapper.
#[must_use]
pub fn unwrap_signed(json: Bytes) -> (Bytes, Option<Signed>) {
    // Most come without, and are not read twice for it.
    let may_be_wrapped = json.windows(MARK.len()).any(|window| window == MARK);
    match Some(&json).filter(|_| may_be_wrapped).and_then(unwrap) {
        Some((event, signed)) => (event, Some(signed)),
        None => (json, None),
    }
}

/// What is wrong with a signature, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFault {
    /// There is none.
    Unsigned,
    /// It is none, or was made for something else or with another key.
    BadSignature,
    /// It was made too long ago, or too far in the future.
    Expired,
    /// Nobody has a key of that name.
    UnknownKey,
    /// The key is another organization's than the orchestrator, or the event names another one.
    WrongOrganization,
}

impl SignatureFault {
    /// A word for metrics and publishers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired_signature",
            Self::UnknownKey => "unknown_key",
            Self::WrongOrganization => "wrong_organization",
        }
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

    #[test]
    fn a_signed_event_comes_out_of_its_wrapper_as_it_was_sent() {
        let json = Bytes::from_static(br#"{"sig":"t=1,v1=00", "event": {"id" : "e"}, "kid":"k1"}"#);
        let (event, signed) = unwrap(&json).expect("a wrapper");
        assert_eq!(event, r#"{"id" : "e"}"#);
        assert_eq!((&*signed.key, &*signed.signature), ("k1", "t=1,v1=00"));
        assert_eq!(unwrap(&Bytes::from_static(br#"{"id":"e","type":"a"}"#)), None);
        let long = format!(r#"{{"kid":"{}","sig":"","event":{{}}}}"#, "k".repeat(129));
        assert_eq!(unwrap(&Bytes::from(long)), None);
    }
}

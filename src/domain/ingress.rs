//! Whether an organization's events must be signed by their publishers, and how a signed one looks.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest name of a key, in bytes.
const MAX_KEY_BYTES: usize = 128;
/// The members of a wrapper, one of which it begins with.
const MEMBERS: [&[u8]; 3] = [br#""kid""#, br#""sig""#, br#""event""#];
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
#[serde(deny_unknown_fields)]
struct Wrapper<'a> {
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(borrow)]
    sig: Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Takes a signed event out of its wrapper `{"kid", "sig", "event"}`, byte for byte, where there is no
/// other place for a signature. `None` when it is no wrapper, or has anything else in it.
fn unwrap(json: &Bytes) -> Option<(Bytes, Signed)> {
    let wrapper: Wrapper<'_> = serde_json::from_slice(json).ok()?;
    let signed = Signed::new(&wrapper.kid, &wrapper.sig)?;
    Some((json.slice_ref(wrapper.event.get().as_bytes()), signed))
}

/// The event, and its signature if it comes in a wrapper.
#[must_use]
pub fn unwrap_signed(json: Bytes) -> (Bytes, Option<Signed>) {
    // Most come without, and are not read twice for it.
    let inside = json.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let may_be_wrapped = inside.is_some_and(|inside| MEMBERS.iter().any(|name| inside.starts_with(name)));
    match may_be_wrapped.then(|| unwrap(&json)).flatten() {
        Some((event, signed)) => (event, Some(signed)),
        None => (json, None),
    }
}

/// What is wrong with a signature, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFault {
    /// There is none.
    Unsigned,
    /// It came as if from another hub, which has not sealed it.
    Unsealed,
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
            Self::Unsealed => "unsealed",
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
        let (event, signed) = unwrap_signed(json);
        let signed = signed.expect("a wrapper");
        assert_eq!(event, r#"{"id" : "e"}"#);
        assert_eq!((&*signed.key, &*signed.signature), ("k1", "t=1,v1=00"));
    }

    #[test]
    fn what_is_no_wrapper_stays_as_it_is() {
        let long = format!(r#"{{"kid":"{}","sig":"","event":{{}}}}"#, "k".repeat(129));
        for text in [
            r#"{"id":"e","type":"a"}"#,
            r#"{"event":{"id":"e"},"type":"a"}"#,
            r#"{"kid":"k","sig":"s","event":{},"id":"e"}"#,
            r#"["k","s",{}]"#,
            "",
            &long,
        ] {
            let json = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(unwrap_signed(json.clone()), (json, None), "{text}");
        }
    }
}

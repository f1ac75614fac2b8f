//! The signatures by which publishers prove who they are: HMAC-SHA256 over a text that names the version,
//! the time and the event as it was sent.

use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{config::Secret, domain::clock::Timestamp};

/// What the signed text begins with.
const VERSION: &str = "neolith-hub-ingress-v1";

/// A signature as it is written: `t={milliseconds},v1={hex}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// When it was made, by its publisher's clock.
    pub at: Timestamp,
    code: [u8; 32],
}

impl Signature {
    /// Reads a signature.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (time, code) = text.split_once(',')?;
        let digits = time.strip_prefix("t=")?;
        // One spelling per number: what is signed is written again from it.
        let at: i64 = digits.parse().ok().filter(|at: &i64| at.to_string() == digits)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(code.strip_prefix("v1=")?, &mut bytes).ok()?;
        Some(Self { at: Timestamp(at), code: bytes })
    }

    /// Whether it was made within `window` of `now`, before or after.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, window: Duration) -> bool {
        u128::from(self.at.0.abs_diff(now.0)) <= window.as_millis()
    }

    /// Whether `secret` made it for `event`. Takes as long for a nearly right code as for a wrong one.
    #[must_use]
    pub fn is_of(&self, secret: &Secret, event: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
        mac.update(format!("{VERSION}\n{}\n", self.at.0).as_bytes());
        mac.update(event);
        mac.verify_slice(&self.code).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `printf 'neolith-hub-ingress-v1\n1700000000000\n{"id":"e"}' | openssl dgst -sha256 -hmac key`.
    const KNOWN: &str = "80e9abe71f49c48bbf125b9d2087b3aebde24c82565dab1ffe73363d0f55a8c7";

    #[test]
    fn a_signature_is_what_openssl_makes() {
        let signature = Signature::parse(&format!("t=1700000000000,v1={KNOWN}")).expect("a signature");
        let key = Secret::new("key");
        assert!(signature.is_of(&key, br#"{"id":"e"}"#));
        assert!(!signature.is_of(&key, br#"{"id":"f"}"#), "another event");
        assert!(!signature.is_of(&Secret::new("yek"), br#"{"id":"e"}"#), "another key");
        let later = Signature { at: Timestamp(1_700_000_000_001), ..signature };
        assert!(!later.is_of(&key, br#"{"id":"e"}"#), "another time");
    }

    #[test]
    fn a_signature_is_fresh_for_a_while_before_and_after() {
        let signature = Signature { at: Timestamp(10_000), code: [0; 32] };
        let window = Duration::from_secs(5);
        for (now, fresh) in
            [(5_000, true), (15_000, true), (4_999, false), (15_001, false), (i64::MIN, false)]
        {
            assert_eq!(signature.is_fresh(Timestamp(now), window), fresh, "{now}");
        }
    }

    #[test]
    fn what_is_no_signature_is_not_read() {
        let code = "0".repeat(64);
        for text in [
            String::new(),
            format!("t=1,v1={}", "0".repeat(63)),
            format!("t=01,v1={code}"),
            format!("t=+1,v1={code}"),
            format!("v1={code},t=1"),
            format!("t=1, v1={code}"),
            format!("t=1,v1={code},"),
        ] {
            assert_eq!(Signature::parse(&text), None, "{text}");
        }
    }
}

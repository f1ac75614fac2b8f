//! The seal on what this fleet of hubs has taken in: whoever can write into Redis cannot make one.
//!
//! It is the last member of a sealed object, so that the object without it can be had by cutting. The key
//! follows from the secret that hubs share.

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{config::Secret, domain::ids::OrchestratorId};

/// What the key is made for.
const PURPOSE: &[u8] = b"neolith-hub seal v1";
/// What stands before the code.
const OPENING: &[u8] = br#","seal":""#;
/// What stands behind it.
const CLOSING: &[u8] = br#""}"#;
/// How many letters the code has.
const CODE_LETTERS: usize = 64;
/// By how much a sealed object is longer, in bytes.
pub const SEAL_BYTES: usize = OPENING.len() + CODE_LETTERS + CLOSING.len() - 1;

/// Makes and checks seals.
#[derive(Clone)]
pub struct Sealer(Hmac<Sha256>);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer whose key follows from the secret that tokens are signed with. `None` never happens: a
    /// key of any length will do.
    #[must_use]
    pub fn new(jwt_secret: &Secret) -> Option<Self> {
        let mut derive = Hmac::<Sha256>::new_from_slice(jwt_secret.expose().as_bytes()).ok()?;
        derive.update(PURPOSE);
        Hmac::new_from_slice(&derive.finalize().into_bytes()).ok().map(Self)
    }

    /// `object`, which is JSON, with a seal for `orchestrator`. One that is sealed rightly stays as it is.
    #[must_use]
    pub fn seal(&self, orchestrator: &OrchestratorId, object: &Bytes) -> Bytes {
        let object = object.trim_ascii();
        let Some(inner) = object.strip_suffix(b"}").filter(|_| !self.is_sealed(orchestrator, object)) else {
            return Bytes::copy_from_slice(object);
        };
        let code = hex::encode(self.code(orchestrator, inner).finalize().into_bytes());
        [inner, OPENING, code.as_bytes(), CLOSING].concat().into()
    }

    /// Whether a hub of this fleet has sealed `object` for `orchestrator`.
    #[must_use]
    pub fn is_sealed(&self, orchestrator: &OrchestratorId, object: &[u8]) -> bool {
        let Some((rest, code)) = object
            .strip_suffix(CLOSING)
            .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(CODE_LETTERS)?))
        else {
            return false;
        };
        let mut bytes = [0; CODE_LETTERS / 2];
        let (Some(inner), Ok(())) = (rest.strip_suffix(OPENING), hex::decode_to_slice(code, &mut bytes))
        else {
            return false;
        };
        self.code(orchestrator, inner).verify_slice(&bytes).is_ok()
    }

    fn code(&self, orchestrator: &OrchestratorId, inner: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // An id has no line break.
        mac.update(orchestrator.as_str().as_bytes());
        mac.update(b"\n");
        mac.update(inner);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&Secret::new(secret)).expect("a sealer")
    }

    fn orchestrator(name: &str) -> OrchestratorId {
        OrchestratorId::parse(name).expect("an id")
    }

    #[test]
    fn a_seal_is_for_one_orchestrator_and_one_text() {
        let (sealer, vp) = (sealer("secret"), orchestrator("vp_1"));
        let object = Bytes::from_static(b" {\"id\":\"e\"} ");
        let sealed = sealer.seal(&vp, &object);
        assert!(sealer.is_sealed(&vp, &sealed));
        assert_eq!(sealed.len(), object.trim_ascii().len() + SEAL_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&sealed).expect("still JSON");
        assert_eq!(json["id"], "e");
        assert!(!sealer.is_sealed(&orchestrator("vp_2"), &sealed));
        assert!(!self::sealer("other").is_sealed(&vp, &sealed));
        let forged = String::from_utf8_lossy(&sealed).replace("\"e\"", "\"f\"");
        assert!(!sealer.is_sealed(&vp, forged.as_bytes()));
        assert!(!sealer.is_sealed(&vp, &object));
        assert!(!sealer.is_sealed(&vp, b"") && !sealer.is_sealed(&vp, CLOSING));
        assert_eq!(sealer.seal(&vp, &sealed), sealed, "once is enough");
    }

    #[test]
    fn a_seal_that_a_publisher_wrote_counts_for_nothing() {
        let (sealer, vp) = (sealer("secret"), orchestrator("vp_1"));
        let object = Bytes::from(format!(r#"{{"id":"e","seal":"{}"}}"#, "0".repeat(64)));
        assert!(!sealer.is_sealed(&vp, &object));
        assert!(sealer.is_sealed(&vp, &sealer.seal(&vp, &object)));
    }
}

//! The seal on what this fleet of hubs has taken in: whoever can write into Redis cannot make one.
//!
//! It is the last member of a sealed object, so that the object without it can be had by cutting. The key
//! follows from the secret that hubs share.

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{
    config::Secret,
    domain::ids::{OrchestratorId, OrganizationId},
};

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

    /// `object`, which is JSON, with a seal for `orchestrator`, good for the organization of the `signer`,
    /// or without one for all. One that is sealed rightly stays as it is.
    #[must_use]
    pub fn seal(
        &self,
        orchestrator: &OrchestratorId,
        signer: Option<&OrganizationId>,
        object: &Bytes,
    ) -> Bytes {
        let object = object.slice_ref(object.trim_ascii());
        let Some(inner) = object.strip_suffix(b"}") else { return object };
        if self.is_sealed(orchestrator, signer, &object) {
            return object;
        }
        let code = hex::encode(self.code(orchestrator, signer, inner).finalize().into_bytes());
        [inner, OPENING, code.as_bytes(), CLOSING].concat().into()
    }

    /// Whether a hub of this fleet has sealed `object` for `orchestrator`, for all organizations or for
    /// this one.
    #[must_use]
    pub fn is_sealed(
        &self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        object: &[u8],
    ) -> bool {
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
        let is_by = |signer| self.code(orchestrator, signer, inner).verify_slice(&bytes).is_ok();
        is_by(None) || organization.is_some_and(|organization| is_by(Some(organization)))
    }

    fn code(
        &self,
        orchestrator: &OrchestratorId,
        signer: Option<&OrganizationId>,
        inner: &[u8],
    ) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // No id has a line break, and none is empty.
        mac.update(orchestrator.as_str().as_bytes());
        mac.update(b"\n");
        mac.update(signer.map_or("", OrganizationId::as_str).as_bytes());
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
        let sealed = sealer.seal(&vp, None, &object);
        assert!(sealer.is_sealed(&vp, None, &sealed));
        assert_eq!(sealed.len(), object.trim_ascii().len() + SEAL_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&sealed).expect("still JSON");
        assert_eq!(json["id"], "e");
        assert!(!sealer.is_sealed(&orchestrator("vp_2"), None, &sealed));
        assert!(!self::sealer("other").is_sealed(&vp, None, &sealed));
        let forged = String::from_utf8_lossy(&sealed).replace("\"e\"", "\"f\"");
        assert!(!sealer.is_sealed(&vp, None, forged.as_bytes()));
        assert!(!sealer.is_sealed(&vp, None, &object));
        assert!(!sealer.is_sealed(&vp, None, b"") && !sealer.is_sealed(&vp, None, CLOSING));
        assert_eq!(sealer.seal(&vp, None, &sealed), sealed, "once is enough");
    }

    #[test]
    fn a_seal_for_one_organization_is_none_for_another() {
        let (sealer, vp) = (sealer("secret"), orchestrator("vp_1"));
        let [one, other] = ["one", "other"].map(|id| OrganizationId::parse(id).expect("an id"));
        let object = Bytes::from_static(br#"{"id":"e"}"#);
        let sealed = sealer.seal(&vp, Some(&one), &object);
        assert!(sealer.is_sealed(&vp, Some(&one), &sealed));
        assert!(!sealer.is_sealed(&vp, Some(&other), &sealed) && !sealer.is_sealed(&vp, None, &sealed));
        assert!(
            sealer.is_sealed(&vp, Some(&other), &sealer.seal(&vp, None, &object)),
            "the hub's own is for all"
        );
        let both = sealer.seal(&vp, None, &sealed);
        assert!(sealer.is_sealed(&vp, Some(&other), &both), "what was signed may be vouched for");
    }

    #[test]
    fn a_seal_that_a_publisher_wrote_counts_for_nothing() {
        let (sealer, vp) = (sealer("secret"), orchestrator("vp_1"));
        let object = Bytes::from(format!(r#"{{"id":"e","seal":"{}"}}"#, "0".repeat(64)));
        assert!(!sealer.is_sealed(&vp, None, &object));
        assert!(sealer.is_sealed(&vp, None, &sealer.seal(&vp, None, &object)));
    }
}

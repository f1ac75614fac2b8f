//! From JSON that somebody published to an event that may come in: read, judged, addressed, sealed.
//!
//! The same for every way in. Whatever is refused is counted, and logged aloud once of each kind.

use bytes::Bytes;

use super::{
    ingress_rules::admission::{Provenance, admit},
    intake::Rejection,
    resolver::{Answer, address},
    services::Shared,
};
use crate::domain::{
    clock::Timestamp,
    envelope::{Context, EnvelopeError, Published},
    event::Event,
};

/// Why an event is refused whose seal makes it longer than an event may be.
pub(super) const TOO_LARGE_SEALED: &str = "it is too large with its seal";

/// Reads one event that was found in the place that `found` describes. Of one that comes with a signature,
/// the place says nothing but the organization: whom it is for is not signed there, and whoever has seen
/// it could bring it to another daemon or orchestrator.
///
/// # Errors
/// What makes it no event; see [`malformed`].
pub(super) fn read(
    json: &Bytes,
    found: &Context,
    provenance: &Provenance,
    now: Timestamp,
) -> Result<Published, EnvelopeError> {
    if matches!(provenance, Provenance::Open { signed: Some(_), .. }) {
        let signed = Context { organization: found.organization.clone(), ..Context::default() };
        return Published::parse(json, &signed, now);
    }
    let by_itself = Context { orchestrator: None, ..found.clone() };
    match Published::parse(json, &by_itself, now) {
        // One that names nobody belongs to the owner of the place; one that names a daemon to whom that is.
        Err(EnvelopeError::Missing("orchestratorId")) if found.orchestrator.is_some() => {
            Published::parse(json, found, now)
        }
        read => read,
    }
}

/// Notes that something is no event.
pub(super) fn malformed(shared: &Shared, error: &EnvelopeError) -> Rejection {
    shared.metrics.malformed(error.kind());
    log::log!(shared.first_of_its_kind(error.kind()), kind = error.kind(), error:% = error;
        "a publish is no event and is refused");
    Rejection::Malformed(error.to_string())
}

/// Notes that an event is for nobody.
pub(super) fn for_nobody(shared: &Shared, event: &str, reason: &'static str) -> Rejection {
    shared.metrics.malformed("unresolved");
    log::log!(shared.first_of_its_kind("unresolved"), event, reason; "an event is for nobody and is refused");
    Rejection::ForNobody(reason)
}

/// Lets an event in whose target is known: addressed, and sealed if somebody answers for it.
///
/// # Errors
/// Why it may not come in.
pub(super) fn let_in(
    shared: &Shared,
    published: Published,
    answer: Answer,
    provenance: &Provenance,
) -> Result<Event, Rejection> {
    let proof = admit(shared, &published.event, &answer, provenance).map_err(Rejection::Signature)?;
    let id = published.event.id.clone();
    let mut event = address(published, answer).map_err(|reason| for_nobody(shared, id.as_str(), reason))?;
    if shared.rules.seal(&mut event, &proof) {
        return Ok(event);
    }
    malformed(shared, &EnvelopeError::TooLarge);
    Err(Rejection::Refused(TOO_LARGE_SEALED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{DaemonId, OrchestratorId},
        ingress::Signed,
    };

    fn read_in_the_thiefs_place(json: &'static str, signed: bool) -> Result<Event, EnvelopeError> {
        let found = Context {
            orchestrator: OrchestratorId::parse("vp_thief").ok(),
            daemon: DaemonId::parse("daemon_thief").ok(),
            organization: None,
        };
        let json = Bytes::from_static(json.as_bytes());
        let signed = Signed::new("key", "signature").filter(|_| signed);
        let provenance = Provenance::Open { signed, text: json.clone() };
        read(&json, &found, &provenance, Timestamp(1)).map(|published| published.event)
    }

    #[test]
    fn the_place_redirects_nothing_that_is_signed() {
        let named = r#"{"id":"e","type":"a","orchestratorId":"vp_1","timestamp":1}"#;
        let daemon = |signed| read_in_the_thiefs_place(named, signed).expect("an event").daemon;
        assert_eq!(daemon(false), DaemonId::parse("daemon_thief").ok());
        assert_eq!(daemon(true), None);
        let nameless = r#"{"id":"e","type":"a","timestamp":1}"#;
        assert!(read_in_the_thiefs_place(nameless, false).is_ok());
        let refused = read_in_the_thiefs_place(nameless, true).expect_err("refused");
        assert_eq!(refused, EnvelopeError::Missing("orchestratorId"));
    }
}

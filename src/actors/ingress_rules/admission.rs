//! The door: whether an event may come in, and who answers for it.

use bytes::Bytes;

use super::{Finding, Owner, Proof, Trust};
use crate::{
    actors::{
        connections::Connections,
        resolver::{Answer, Home},
        services::Shared,
    },
    domain::{
        canary::is_reserved,
        clock::now,
        event::Event,
        ids::OrchestratorId,
        ingress::{SignatureFault, Signed},
    },
};

/// Where an event comes from, as far as trust goes.
#[derive(Debug, Clone)]
pub enum Provenance {
    /// From somebody who has proved who they are, or from the hub itself.
    Vouched,
    /// From a place where anybody may write who reaches Redis.
    Open {
        /// What its publisher says to prove who it is.
        signed: Option<Signed>,
        /// What must be signed.
        text: Bytes,
    },
    /// From another hub, or from somebody who pretends to be one.
    Peer {
        /// What must be sealed.
        text: Bytes,
    },
}

/// Whose an event's target is: by the directory, else by the tokens of those who are connected, else by
/// the event's own word.
fn owner_of(home: &Home, target: &OrchestratorId, connections: &Connections, event: &Event) -> Owner {
    if let Home::Listed(organization) = home {
        return Owner { organization: Some(organization.clone()), is_certain: true };
    }
    let mut connected = None;
    connections.for_orchestrator(target, |handle| {
        let organization = handle.identity().and_then(|identity| identity.organization.clone());
        connected = connected.take().or(organization);
    });
    let is_certain = connected.is_some() || *home == Home::Unlisted;
    Owner { organization: connected.or_else(|| event.organization.clone()), is_certain }
}

/// Whether an event may come in, and who answers for it. What is wrong is counted, and logged once of
/// each kind.
///
/// # Errors
/// What is wrong, where that is a reason to refuse it.
pub fn admit(
    shared: &Shared,
    event: &Event,
    answer: &Answer,
    provenance: &Provenance,
) -> Result<Proof, SignatureFault> {
    let rules = &shared.rules;
    let (signed, text) = match provenance {
        Provenance::Vouched => return Ok(Proof::Hub),
        Provenance::Open { signed, text } => (signed.as_ref(), text),
        Provenance::Peer { text } => (None, text),
    };
    let target = answer.target().filter(|(target, _)| rules.are_active() && !is_reserved(target));
    let Some((target, home)) = target else { return Ok(Proof::None) };
    let (owner, now) = (owner_of(home, target, &shared.connections, event), now());
    let (proof, finding) = match provenance {
        // What cannot be decided now is found in the queue once it can.
        Provenance::Peer { .. } => {
            let is_trusted = rules.trust(target, &owner, text, now) == Trust::Yes;
            (Proof::None, (!is_trusted).then_some(Finding { fault: SignatureFault::Unsealed, refused: true }))
        }
        _ => rules.judge(event, &owner, signed, text, now.wall),
    };
    let Some(Finding { fault, refused }) = finding else { return Ok(proof) };
    shared.metrics.ingress.badly_signed(fault);
    let (event, orchestrator) = (event.id.as_str(), target.as_str());
    log::log!(shared.first_of_its_kind(fault.as_str()), event, orchestrator, refused, reason = fault.as_str();
        "an event is not rightly signed");
    if refused { Err(fault) } else { Ok(proof) }
}

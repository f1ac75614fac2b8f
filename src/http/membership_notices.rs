//! Who is told when somebody comes into a channel or leaves it (contract 9.10).

use serde_json::json;

use super::HttpState;
use crate::domain::{
    clock::now,
    ids::{ChannelId, OrchestratorId, OrganizationId},
    notice::Notice,
};

/// What happened to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// Somebody came.
    Begun,
    /// Somebody left.
    Ended,
}

impl Membership {
    /// The events for the one it happened to, and for the other members.
    fn kinds(self) -> [&'static str; 2] {
        match self {
            Self::Begun => ["channel.joined", "channel.member_added"],
            Self::Ended => ["channel.left", "channel.member_removed"],
        }
    }
}

/// Whose membership it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    /// The orchestrator, unless it is a person.
    pub(super) orchestrator: Option<&'a OrchestratorId>,
    /// The tenant.
    pub(super) organization: &'a OrganizationId,
    /// The user.
    pub(super) user: Option<&'a str>,
}

/// Tells the daemons of the one who came or went, and those of the other members. They are told as
/// far as they are there: what a channel looks like now, they can ask.
pub(super) async fn announce(state: &HttpState, who: Who<'_>, channel: &ChannelId, what: Membership) {
    let [own, others] = what.kinds();
    let at = now().wall;
    let event = |kind: &str, orchestrator: &OrchestratorId, payload| {
        let organization = Some(who.organization);
        Notice { kind, orchestrator, organization, channel: Some(channel), payload, at }.event()
    };
    if let Some(orchestrator) = who.orchestrator {
        state.tell(event(own, orchestrator, json!({ "channelId": channel })));
    }
    let id = channel.to_string();
    let Ok(members) = state.database(move |database| database.orchestrators_in(&id)).await else { return };
    let members = members.iter().filter_map(|id| OrchestratorId::parse(id).ok());
    for other in members.filter(|other| Some(other) != who.orchestrator) {
        let payload = json!({ "channelId": channel, "userId": who.user });
        state.tell(event(others, &other, payload));
    }
}

//! The name of every Redis key and channel, in one place (contract section 6).

use crate::{
    backplane::queue::LegacySource,
    domain::ids::{ChannelId, ConnectionId, DaemonId, NodeId, OrchestratorId, OrganizationId, SessionId},
};

/// Channels that publishers use.
pub(super) const EVENTS: &str = "daemon:events";
/// Organization channels that publishers use.
pub(super) const ORGANIZATION_EVENTS: &str = "daemon:events:*";
/// Channels of single daemons that publishers use.
pub(super) const DAEMON_EVENTS: &str = "daemon:*:events";
/// Events that one hub took in, for the others.
pub(super) const FORWARDED: &str = "hub:events";
/// Where a hub that has come says so.
pub(super) const GREETINGS: &str = "hub:greetings";
/// The queues that hold something, scored by when the first of their entries is due, or earlier.
pub(super) const QUEUES: &str = "hub:queues";
/// The ids that were acknowledged last, newest first.
pub(super) const RECENT_ACKS: &str = "hub:acknowledged";
/// The organizations that have receipts; `-` stands for events whose organization nobody knows.
pub(super) const RECEIPTS: &str = "hub:receipts";
/// What the streams of receipts begin with; see [`receipts`].
pub(super) const RECEIPTS_PREFIX: &str = "hub:receipts:";
/// Dead letters that no database has yet: a stream.
pub(super) const UNFILED: &str = "hub:unfiled";
/// The living hubs, scored by their last sign of life.
pub(super) const NODES: &str = "hub:nodes";
/// The orchestrators that were heard of, scored by when.
pub(super) const ALIVE: &str = "hub:alive";
/// The legacy set of revoked token ids.
pub(super) const REVOKED_SET: &str = "daemon:tokens:revoked";
/// Commands to every hub.
pub(super) const COMMANDS: &str = "hub:commands";
/// All counted connections, with equal scores, so that they are ordered by id.
pub(super) const ALL_CONNECTIONS: &str = "hub:connections";
/// The members of the fleet, scored by their last heartbeat.
pub(super) const FLEET: &str = "daemon:fleet:active";
/// The last known state of each member of the fleet.
pub(super) const FLEET_STATES: &str = "hub:fleet";
/// Presence of everybody.
pub(super) const PRESENCE_GLOBAL: &str = "presence:events:global";

/// The stream that publishers append to.
pub(super) const INGRESS: &str = "hub:ingress";
/// The group that all hubs read it as.
pub(super) const INGRESS_GROUP: &str = "hubs";
/// What the names of streams begin with that publishers may ask for verdicts in although the hub's own
/// names begin so.
pub(super) const VERDICTS: &str = "hub:verdicts:";
/// What the names of keys begin with that mean something to the hub or to the platform.
const TAKEN: &[&str] = &["hub:", "daemon:", "ws:", "routing:", "presence:", "channel:", "workspace:"];
/// The longest name of a reply stream, in bytes.
const MAX_REPLY_BYTES: usize = 256;

/// Whether verdicts may be written under this name, which a publisher chose.
pub(super) fn may_hold_replies(name: &str) -> bool {
    let plain = (1..=MAX_REPLY_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    let own = name.strip_prefix(VERDICTS).is_some_and(|rest| !rest.is_empty());
    plain && (own || !TAKEN.iter().any(|prefix| name.starts_with(prefix)))
}

/// A request with a key of its sender's, and its answer.
pub(super) fn idempotency(digest: &str) -> String {
    format!("hub:idempotency:{digest}")
}

pub(super) fn node_channel(node: &NodeId) -> String {
    format!("hub:node:{node}")
}

pub(super) fn queue(orchestrator: &OrchestratorId) -> String {
    format!("daemon:events:{orchestrator}")
}

pub(super) fn queue_data(orchestrator: &OrchestratorId) -> String {
    format!("daemon:events:{orchestrator}:data")
}

pub(super) fn queue_meta(orchestrator: &OrchestratorId) -> String {
    format!("daemon:events:{orchestrator}:meta")
}

/// The priorities that are not zero, by event id.
pub(super) fn queue_priorities(orchestrator: &OrchestratorId) -> String {
    format!("hub:priorities:{orchestrator}")
}

pub(super) fn acknowledged(orchestrator: &OrchestratorId) -> String {
    format!("daemon:ack:{orchestrator}")
}

/// The older generation of acknowledged ids; see `commit.lua`.
pub(super) fn acknowledged_before(orchestrator: &OrchestratorId) -> String {
    format!("hub:ack:{orchestrator}")
}

/// When events are over by their own word, by event id.
pub(super) fn expiries(orchestrator: &OrchestratorId) -> String {
    format!("hub:expiries:{orchestrator}")
}

/// Which connection has an event that only one is to get, by event id; see `grant.lua`.
pub(super) fn claims(orchestrator: &OrchestratorId) -> String {
    format!("hub:claims:{orchestrator}")
}

/// How the way of events ended: a stream per organization, `-` where it is not known.
pub(super) fn receipts(organization: &str) -> String {
    format!("{RECEIPTS_PREFIX}{organization}")
}

/// Which losses a daemon was told of.
pub(super) fn told(orchestrator: &OrchestratorId, daemon: &DaemonId) -> String {
    format!("hub:told:{orchestrator}:{daemon}")
}

pub(super) fn in_flight(daemon: &DaemonId) -> String {
    format!("daemon:pending_ack:{daemon}")
}

/// The list that an original publisher writes to.
pub(super) fn legacy(source: &LegacySource) -> String {
    match source {
        LegacySource::Orchestrator(orchestrator) => queue(orchestrator),
        LegacySource::Daemon(daemon, _) => format!("daemon:events:{daemon}"),
        LegacySource::Routing(orchestrator) => format!("routing:queue:{orchestrator}"),
    }
}

/// Where the hub keeps a legacy list that it has claimed and not stored yet.
pub(super) fn legacy_claim(source: &LegacySource) -> String {
    format!("hub:claimed:{}", legacy(source))
}

pub(super) fn connections(orchestrator: &OrchestratorId) -> String {
    format!("ws:vp:{orchestrator}:connections")
}

pub(super) fn connection(connection: &ConnectionId) -> String {
    format!("ws:connection:{connection}")
}

/// Which connection each daemon instance of an orchestrator has.
pub(super) fn instances(orchestrator: &OrchestratorId) -> String {
    format!("hub:instances:{orchestrator}")
}

pub(super) fn subscriptions(orchestrator: &OrchestratorId, daemon: &DaemonId) -> String {
    format!("hub:subscriptions:{orchestrator}:{daemon}")
}

pub(super) fn session(session: &SessionId) -> String {
    format!("daemon:session:{session}")
}

pub(super) fn orchestrator_sessions(orchestrator: &OrchestratorId) -> String {
    format!("daemon:orchestrator:{orchestrator}:sessions")
}

pub(super) fn instance_sessions(daemon: &DaemonId) -> String {
    format!("daemon:instance:{daemon}:sessions")
}

pub(super) fn revoked(jti: &str) -> String {
    format!("daemon:tokens:revoked:{jti}")
}

/// Tokens of an orchestrator that were issued before the moment kept there are revoked.
pub(super) fn revoked_before(orchestrator: &OrchestratorId) -> String {
    format!("hub:revoked:{orchestrator}")
}

pub(super) fn registration(orchestrator: &OrchestratorId) -> String {
    format!("daemon:registration:{orchestrator}")
}

/// The operational status that a daemon chose.
pub(super) fn status(orchestrator: &OrchestratorId) -> String {
    format!("daemon:status:{orchestrator}")
}

/// The presence that a daemon chose; the presence record is written by connections too.
pub(super) fn presence_choice(orchestrator: &OrchestratorId) -> String {
    format!("hub:choice:{orchestrator}")
}

pub(super) fn fleet_state(daemon: &DaemonId) -> String {
    format!("daemon:state:{daemon}")
}

pub(super) fn heartbeat(orchestrator: &OrchestratorId) -> String {
    format!("daemon:heartbeat:{orchestrator}")
}

pub(super) fn metrics(orchestrator: &OrchestratorId) -> String {
    format!("daemon:metrics:{orchestrator}")
}

pub(super) fn routing_session(orchestrator: &OrchestratorId) -> String {
    format!("routing:session:{orchestrator}")
}

/// That a message was handed to a session.
pub(super) fn routing_delivered(message: &str) -> String {
    format!("routing:delivered:{message}")
}

pub(super) fn presence(orchestrator: &OrchestratorId) -> String {
    format!("presence:orchestrator:{orchestrator}")
}

pub(super) fn presence_hash(orchestrator: &OrchestratorId) -> String {
    format!("presence:vp:{orchestrator}")
}

pub(super) fn presence_heartbeat(orchestrator: &OrchestratorId) -> String {
    format!("presence:heartbeat:vp:{orchestrator}")
}

/// The channel that heartbeats are announced on.
pub(super) fn heartbeat_channel(organization: &OrganizationId) -> String {
    format!("daemon:heartbeats:{organization}")
}

/// The channel that presence changes of an organization are announced on.
pub(super) fn presence_updates(organization: &OrganizationId) -> String {
    format!("presence:updates:{organization}")
}

/// The channel that presence changes of an orchestrator are announced on.
pub(super) fn presence_events(orchestrator: &OrchestratorId) -> String {
    format!("presence:events:vp:{orchestrator}")
}

/// The channel that status changes of an organization are announced on.
pub(super) fn status_updates(organization: &OrganizationId) -> String {
    format!("daemon:status:updates:{organization}")
}

/// The channel that messages of a channel of the platform are announced on.
pub(super) fn channel_messages(channel: &ChannelId) -> String {
    format!("channel:{channel}:messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_written_under_nobody_elses_names() {
        for good in ["replies", "billing:replies:1", "hub:verdicts:billing", "hubs"] {
            assert!(may_hold_replies(good), "{good}");
        }
        let long = "x".repeat(257);
        for bad in ["", "hub:verdicts:", "hub:ingress", "daemon:events:vp_1", "presence:x", "a b", &long] {
            assert!(!may_hold_replies(bad), "{bad}");
        }
    }
}

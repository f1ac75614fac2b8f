//! Who is connected to this hub, counted by orchestrator and daemon instance.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    time::Duration,
};

use quick_cache::unsync::Cache;

use crate::{
    backplane::{
        inspection::ConnectionView,
        records::HeartbeatRecord,
        registry::{Attach, Detach, Replaced},
    },
    domain::{
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, NodeId, OrchestratorId, OrganizationId, SessionId},
    },
};

/// How many instance and session ids are remembered with their owner.
const OWNERS: usize = 50_000;
/// How often the durable records of a living connection are prolonged; they last far longer.
const PROLONG_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Counted connections, and whom an instance or session belongs to.
#[derive(Debug)]
pub(super) struct Connections {
    counted: BTreeMap<ConnectionId, Connection>,
    by_instance: HashMap<OrchestratorId, HashMap<DaemonId, ConnectionId>>,
    owners: Cache<String, Owner>,
}

/// One counted connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// The hub that holds it.
    pub(super) node: NodeId,
    /// Whose it is.
    pub(super) orchestrator: OrchestratorId,
    /// The daemon instance.
    pub(super) daemon: DaemonId,
    session: SessionId,
    organization: Option<OrganizationId>,
    connected_at: Timestamp,
    last_heartbeat: Timestamp,
    prolonged_at: Timestamp,
}

impl Connection {
    fn view(&self, id: ConnectionId) -> ConnectionView {
        ConnectionView {
            id,
            node: self.node.clone(),
            orchestrator: self.orchestrator.clone(),
            daemon: self.daemon.clone(),
            session: self.session.clone(),
            organization: self.organization.clone(),
            connected_at: self.connected_at,
            last_heartbeat: self.last_heartbeat,
        }
    }
}

/// Who claims an id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    One(OrchestratorId),
    Several,
}

impl Default for Connections {
    fn default() -> Self {
        Self { counted: BTreeMap::new(), by_instance: HashMap::new(), owners: Cache::new(OWNERS) }
    }
}

impl Connections {
    /// Whether a connection may be counted. One that takes over needs no room.
    pub(super) fn has_room(&self, request: &Attach) -> bool {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        self.by_instance
            .get(&request.orchestrator)
            .map_or(limit > 0, |instances| instances.len() < limit || instances.contains_key(&request.daemon))
    }

    /// Counts a connection, in place of an older one of the same instance, which is returned.
    pub(super) fn admit(&mut self, request: &Attach) -> Option<Replaced> {
        let instances = self.by_instance.entry(request.orchestrator.clone()).or_default();
        let older = instances.insert(request.daemon.clone(), request.connection);
        let replaced = older
            .filter(|older| *older != request.connection)
            .and_then(|older| self.counted.remove(&older).map(|gone| (older, gone)))
            .map(|(connection, gone)| Replaced { connection, node: gone.node });
        self.counted.insert(
            request.connection,
            Connection {
                node: request.node.clone(),
                orchestrator: request.orchestrator.clone(),
                daemon: request.daemon.clone(),
                session: request.session.clone(),
                organization: request.organization.clone(),
                connected_at: request.now,
                last_heartbeat: request.now,
                prolonged_at: request.now,
            },
        );
        self.claim(request.daemon.as_str(), &request.orchestrator);
        self.claim(request.session.as_str(), &request.orchestrator);
        replaced
    }

    /// Stops counting a connection, unless another one has taken its place.
    pub(super) fn release(&mut self, gone: &Detach) {
        self.counted.remove(&gone.connection);
        let Some(instances) = self.by_instance.get_mut(&gone.orchestrator) else { return };
        if instances.get(&gone.daemon) == Some(&gone.connection) {
            instances.remove(&gone.daemon);
        }
        if instances.is_empty() {
            self.by_instance.remove(&gone.orchestrator);
        }
    }

    /// Stops counting everything that `node` held.
    pub(super) fn release_node(&mut self, node: &NodeId) {
        let held = self.counted.iter().filter(|(_, held)| held.node == *node);
        let gone: Vec<_> = held
            .map(|(connection, held)| Detach {
                connection: *connection,
                orchestrator: held.orchestrator.clone(),
                daemon: held.daemon.clone(),
            })
            .collect();
        gone.iter().for_each(|gone| self.release(gone));
    }

    /// Notes a heartbeat of a counted connection.
    pub(super) fn note_heartbeat(&mut self, beat: &HeartbeatRecord) {
        let connection = beat.via.as_ref().and_then(|via| self.counted.get_mut(&via.id));
        if let Some(connection) = connection {
            connection.last_heartbeat = connection.last_heartbeat.max(beat.at);
        }
    }

    /// One connection.
    pub(super) fn view(&self, id: ConnectionId) -> Option<ConnectionView> {
        self.counted.get(&id).map(|connection| connection.view(id))
    }

    /// At most `limit` connections after `after`, by id, of one orchestrator or of all.
    pub(super) fn page(
        &self,
        orchestrator: Option<&OrchestratorId>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Vec<ConnectionView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |connection: &Connection| orchestrator.is_none_or(|id| connection.orchestrator == *id);
        let range = self.counted.range((from, Bound::Unbounded));
        let range = range.filter(|(_, connection)| wanted(connection));
        range.take(limit).map(|(id, connection)| connection.view(*id)).collect()
    }

    /// The connections of `orchestrator` that count.
    pub(super) fn of(&self, orchestrator: &OrchestratorId) -> Vec<ConnectionId> {
        self.by_instance.get(orchestrator).into_iter().flat_map(HashMap::values).copied().collect()
    }

    /// Whether a connection of `orchestrator` counts.
    pub(super) fn any(&self, orchestrator: &OrchestratorId) -> bool {
        self.by_instance.contains_key(orchestrator)
    }

    /// The connections among `living` whose durable records are due to be prolonged at `now`; they
    /// count as prolonged from here on.
    pub(super) fn due(&mut self, living: &[ConnectionId], now: Timestamp) -> Vec<Connection> {
        let mut due = Vec::new();
        for id in living {
            if let Some(connection) = self.counted.get_mut(id)
                && now.since(connection.prolonged_at) >= PROLONG_EVERY
            {
                connection.prolonged_at = now;
                due.push(connection.clone());
            }
        }
        due
    }

    /// The only orchestrator that ever attached with this instance or session id.
    pub(super) fn owner(&self, id: &str) -> Option<OrchestratorId> {
        match self.owners.get(id) {
            Some(Owner::One(orchestrator)) => Some(orchestrator.clone()),
            Some(Owner::Several) | None => None,
        }
    }

    /// Notes that an id belongs to an orchestrator.
    pub(super) fn claim(&mut self, id: &str, orchestrator: &OrchestratorId) {
        let owner = match self.owners.get(id) {
            Some(Owner::One(owner)) if owner != orchestrator => Owner::Several,
            Some(_) => return,
            None => Owner::One(orchestrator.clone()),
        };
        self.owners.insert(id.to_owned(), owner);
    }
}

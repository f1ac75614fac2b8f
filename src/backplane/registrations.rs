//! Which daemon an orchestrator has registered, and where it can be reached (contract 1.1, 1.3).

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Result, queue::RETENTION};
use crate::domain::{
    clock::Timestamp,
    ids::{DaemonId, OrchestratorId, OrganizationId, SessionId},
};

/// How long a registration is known (contract 6.1).
pub const REGISTRATION_LIFETIME: Duration = RETENTION;

/// A registered daemon (contract 6.1, `daemon:registration`).
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Whose daemon.
    pub orchestrator: OrchestratorId,
    /// Its tenant; empty when a foreign writer did not say.
    pub organization: String,
    /// How the process names itself.
    pub instance: String,
    /// Its version.
    pub version: String,
    /// Where it listens.
    pub host: String,
    /// On which port.
    pub port: u16,
    /// `http`, `https`, `ws` or `wss`.
    pub protocol: String,
    /// When it started, as it said.
    pub started_at: String,
    /// What it can do, when it said so.
    pub capabilities: Option<Vec<String>>,
    /// What else it said.
    pub metadata: Option<Map<String, Value>>,
    /// When it registered.
    pub registered_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    instance_id: &'a str,
    version: &'a str,
    host: &'a str,
    port: u16,
    protocol: &'a str,
    started_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    organization_id: &'a str,
    registered_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    instance_id: String,
    #[serde(default)]
    version: String,
    host: String,
    port: u16,
    protocol: String,
    #[serde(default)]
    started_at: String,
    capabilities: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    organization_id: String,
    #[serde(default)]
    registered_at: String,
}

impl Serialize for Registration {
    /// The documented record.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let written = Written {
            instance_id: &self.instance,
            version: &self.version,
            host: &self.host,
            port: self.port,
            protocol: &self.protocol,
            started_at: &self.started_at,
            capabilities: self.capabilities.as_deref(),
            metadata: self.metadata.as_ref(),
            orchestrator_id: &self.orchestrator,
            vp_id: &self.orchestrator,
            organization_id: &self.organization,
            registered_at: self.registered_at,
        };
        written.serialize(serializer)
    }
}

impl Registration {
    /// Reads the record of `orchestrator`; `None` when it is none.
    #[must_use]
    pub fn read(orchestrator: &OrchestratorId, json: &str) -> Option<Self> {
        let read: Read = serde_json::from_str(json).ok()?;
        Some(Self {
            orchestrator: orchestrator.clone(),
            organization: read.organization_id,
            instance: read.instance_id,
            version: read.version,
            host: read.host,
            port: read.port,
            protocol: read.protocol,
            started_at: read.started_at,
            capabilities: read.capabilities,
            metadata: read.metadata,
            registered_at: Timestamp::parse_iso(&read.registered_at).unwrap_or_default(),
        })
    }
}

/// What came of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is known now.
    Registered,
    /// Another instance is registered, and the orchestrator had a heartbeat in the last 90 s.
    Occupied {
        /// Which instance.
        instance: String,
    },
}

/// A daemon that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unregister {
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// The tenant, to tell its listeners.
    pub organization: Option<OrganizationId>,
    /// The instance or session that leaves, to tell listeners.
    pub daemon: Option<DaemonId>,
    /// The session that ends with it, if it is the orchestrator's.
    pub session: Option<SessionId>,
    /// When.
    pub at: Timestamp,
}

/// Registrations of all hubs.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer.
pub trait Registrations {
    /// Registers a daemon for [`REGISTRATION_LIFETIME`], in one atomic step; again and again the same
    /// instance, but no other one while the orchestrator is alive (contract C35).
    fn register(
        &self,
        registration: &Registration,
        now: Timestamp,
    ) -> impl Future<Output = Result<Registered>> + Send;

    /// The registration of each of `orchestrators` in turn.
    fn registrations(
        &self,
        orchestrators: &[OrchestratorId],
    ) -> impl Future<Output = Result<Vec<Option<Registration>>>> + Send;

    /// Forgets the registration, the heartbeat, the metrics, the routing session, explicit choices and
    /// the session of a daemon that leaves, and announces that it is offline, although sockets may still
    /// be open. Tokens are not revoked: the caller does that first, so that no heartbeat comes after.
    fn unregister(&self, leaving: &Unregister) -> impl Future<Output = Result<()>> + Send;
}

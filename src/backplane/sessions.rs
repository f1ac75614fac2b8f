//! Authentication sessions and those that clients open by themselves (contract 1.4 to 1.9, C12, C13).

mod record;

use std::{future::Future, time::Duration};

use serde_json::{Map, Value};

pub(super) use self::record::{Changed, change};
use super::{Result, queue::RETENTION, words::words};
use crate::domain::{
    clock::Timestamp,
    ids::{DaemonId, OrchestratorId, OrganizationId, SessionId},
    scope::ScopeSet,
};

/// How long a session lives when nobody says otherwise, and what an extension gives it (contract C11).
pub const SESSION_LIFETIME: Duration = RETENTION;
/// How long a token can outlive its session at most: the lifetime of a refresh token (contract C11).
pub const TOKEN_LIFETIME: Duration = RETENTION;
/// How long it is remembered that everything of an orchestrator was revoked: such a revocation stands for
/// an orchestrator that is gone, and tokens that the platform issued may live longer than the hub's own.
pub const ORCHESTRATOR_REVOCATION: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest that a session can live without an extension; what lists sessions lives a little longer.
pub const MAX_SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a session lives on at least after it was changed (contract 1.8).
pub(super) const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

words! {
    /// Who a session is for.
    SessionKind {
        /// A daemon.
        Daemon = "daemon",
        /// A person.
        User = "user",
        /// The platform itself.
        System = "system",
    }
}

words! {
    /// How a session is (contract C14).
    SessionStatus {
        /// In use.
        Active = "active",
        /// Alive without work.
        Idle = "idle",
        /// Its time is over.
        Expired = "expired",
        /// Its owner ended it. No connection is admitted with it.
        Terminated = "terminated",
        /// The hub ended it. No connection is admitted with it; shown to clients as `terminated`.
        Revoked = "revoked",
    }
}

/// One session: the union of what is documented (contract C12).
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub orchestrator: OrchestratorId,
    /// The daemon instance, when one is known.
    pub daemon: Option<DaemonId>,
    /// The tenant, when it is known.
    pub organization: Option<OrganizationId>,
    /// The tenant's workspace, when it is known.
    pub workspace: Option<String>,
    /// Who it is for.
    pub kind: SessionKind,
    /// How it is.
    pub status: SessionStatus,
    /// What its access tokens allow.
    pub scopes: ScopeSet,
    /// The SHA-256 of its refresh token, as lower-case hex; `None` when it has none.
    pub refresh_digest: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_activity_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When its last heartbeat came.
    pub last_heartbeat: Option<Timestamp>,
    /// When it last got a new access token.
    pub last_refresh: Option<Timestamp>,
    /// What its last heartbeat said: `active`, `idle` or `busy`.
    pub last_status: Option<String>,
    /// What its owner keeps there.
    pub metadata: Map<String, Value>,
}

/// What is to change in a session; `None` leaves things as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionChange {
    /// How it is now.
    pub status: Option<SessionStatus>,
    /// Members that replace those of the same name.
    pub metadata: Option<Map<String, Value>>,
    /// Whether it lives for another [`SESSION_LIFETIME`] from now on, whatever its end was.
    pub extend: bool,
    /// When it was last used; `None`: now.
    pub last_activity_at: Option<Timestamp>,
    /// When it got a new access token.
    pub last_refresh: Option<Timestamp>,
    /// The SHA-256 of its new refresh token, as lower-case hex.
    pub refresh_digest: Option<String>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionUpdate {
    /// The session is this now.
    Updated(Box<SessionRecord>),
    /// There is none, or its time was over.
    NotFound,
    /// It is somebody else's, and unchanged.
    Foreign,
}

/// What came of ending a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// It is gone, and its tokens are revoked.
    Ended,
    /// There is none, or its time was over. Nothing was revoked.
    NotFound,
    /// It is somebody else's, and unchanged.
    Foreign,
}

/// Sessions of all hubs.
///
/// Every call fails with [`super::BackplaneError`] when the backplane does not answer; callers then
/// refuse whatever depends on it.
pub trait Sessions {
    /// Writes a session down until its `expires_at`, and lists it under its orchestrator and its
    /// daemon instance. One with the same id is replaced.
    fn create_session(&self, record: &SessionRecord) -> impl Future<Output = Result<()>> + Send;

    /// A session whose time is not over, whoever owns it; `None` too when what lies there is none.
    fn session(&self, id: &SessionId) -> impl Future<Output = Result<Option<SessionRecord>>> + Send;

    /// The sessions of exactly this orchestrator, newest first. Listed ones that are gone are dropped
    /// from the list.
    fn sessions_of(
        &self,
        orchestrator: &OrchestratorId,
    ) -> impl Future<Output = Result<Vec<SessionRecord>>> + Send;

    /// Changes a session of `owner`, in one atomic step: what the change does not name stays, members
    /// that this hub does not know included. The end stays too, unless the change extends it; but the
    /// session can be read for at least another minute.
    fn update_session(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        change: &SessionChange,
        now: Timestamp,
    ) -> impl Future<Output = Result<SessionUpdate>> + Send;

    /// Notes in a session of `owner` that a heartbeat came, with the daemon's word about its activity;
    /// the session's end does not move. Whether there is such a session.
    /// [`super::records::Records::heartbeats`] does this for its sessions too.
    fn note_activity(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        status: &'static str,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Ends a session, of `owner` if one is named: it is deleted and listed no more, and in the same
    /// atomic step its tokens are revoked for [`TOKEN_LIFETIME`]. Its sockets are not closed:
    /// `actors::revocation` does both.
    fn end_session(
        &self,
        id: &SessionId,
        owner: Option<&OrchestratorId>,
        now: Timestamp,
    ) -> impl Future<Output = Result<SessionEnd>> + Send;
}

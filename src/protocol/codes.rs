//! Error codes and close codes, each with its one meaning (contract 9.5, 9.6).

use std::fmt;

/// The code inside an `error` or `auth_error` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The token is not acceptable, or belongs to somebody else.
    AuthFailed,
    /// The token's time is over.
    TokenExpired,
    /// The token lacks a scope.
    InsufficientScope,
    /// The orchestrator has all the connections it may have.
    MaxConnections,
    /// The frame is not a frame of the protocol.
    InvalidMessage,
    /// The frame needs an authenticated connection.
    NotAuthenticated,
    /// The hub cannot do its part right now.
    InternalError,
}

impl ErrorCode {
    /// Every code there is.
    pub const ALL: [Self; 7] = [
        Self::AuthFailed,
        Self::TokenExpired,
        Self::InsufficientScope,
        Self::MaxConnections,
        Self::InvalidMessage,
        Self::NotAuthenticated,
        Self::InternalError,
    ];

    /// Whether the same frame may be answered better later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::MaxConnections | Self::NotAuthenticated | Self::InternalError)
    }

    /// The code on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthFailed => "AUTH_FAILED",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::InsufficientScope => "INSUFFICIENT_SCOPE",
            Self::MaxConnections => "MAX_CONNECTIONS",
            Self::InvalidMessage => "INVALID_MESSAGE",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}

/// Why a connection ends. Every variant has one code and one text; there is no other way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer said good-bye.
    Normal,
    /// The hub stops or drains.
    GoingAway,
    /// Three undecodable frames in a row, or a broken WebSocket frame.
    ProtocolError,
    /// A binary frame.
    UnsupportedData,
    /// A message over [`super::MAX_MESSAGE_BYTES`].
    TooBig,
    /// The hub cannot go on with this connection; reconnecting is right.
    Internal,
    /// Authentication failed.
    AuthFailed,
    /// No successful `auth` in time.
    AuthTimeout,
    /// The token expired, at authentication or while connected.
    TokenExpired,
    /// Persistent rate violation.
    RateLimited,
    /// Too many connections of one orchestrator.
    MaxConnections,
    /// The token opens nothing on the socket.
    InsufficientScope,
    /// The session ended: revoked, unregistered, or replaced by a newer connection of the same daemon.
    SessionTerminated,
    /// The peer does not take what it is sent.
    SlowConsumer,
    /// Three heartbeats are missing.
    HeartbeatTimeout,
    /// The transport ended without a close frame.
    Abnormal,
}

impl CloseReason {
    /// Every reason there is, by code.
    pub const ALL: [Self; 16] = [
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::UnsupportedData,
        Self::Abnormal,
        Self::TooBig,
        Self::Internal,
        Self::AuthFailed,
        Self::AuthTimeout,
        Self::TokenExpired,
        Self::RateLimited,
        Self::MaxConnections,
        Self::InsufficientScope,
        Self::SessionTerminated,
        Self::SlowConsumer,
        Self::HeartbeatTimeout,
    ];

    /// The close code on the wire. [`CloseReason::Abnormal`] is 1006, which is never sent.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::UnsupportedData => 1003,
            Self::Abnormal => 1006,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::AuthFailed => 4001,
            Self::AuthTimeout => 4002,
            Self::TokenExpired => 4003,
            Self::RateLimited | Self::MaxConnections => 4004,
            Self::InsufficientScope => 4005,
            Self::SessionTerminated => 4006,
            Self::SlowConsumer => 4008,
            Self::HeartbeatTimeout => 4009,
        }
    }

    /// The text beside the code.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Normal => "normal closure",
            Self::GoingAway => "server is shutting down",
            Self::ProtocolError => "protocol error",
            Self::UnsupportedData => "binary frames are not supported",
            Self::Abnormal => "connection lost",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::AuthFailed => "authentication failed",
            Self::AuthTimeout => "authentication timeout",
            Self::TokenExpired => "token expired",
            Self::RateLimited => "rate limit exceeded",
            Self::MaxConnections => "too many connections",
            Self::InsufficientScope => "insufficient scope",
            Self::SessionTerminated => "session terminated",
            Self::SlowConsumer => "slow consumer",
            Self::HeartbeatTimeout => "heartbeat timeout",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.text())
    }
}

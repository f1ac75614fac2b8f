//! The codes of failures, each with its status.

use actix_web::http::StatusCode;

/// Declares the codes once: the variant, the name on the wire, the status.
macro_rules! codes {
    ($($variant:ident = $name:literal $status:ident),+ $(,)?) => {
        /// What kind of failure it is, by the name that callers read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::http) enum Code { $($variant),+ }

        impl Code {
            /// The name on the wire.
            pub(in crate::http) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The status that goes with it.
            pub(in crate::http) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }
        }
    };
}

codes! {
    Validation = "VALIDATION_ERROR" BAD_REQUEST,
    RegisterValidation = "REGISTER_VALIDATION_ERROR" BAD_REQUEST,
    UnregisterValidation = "UNREGISTER_VALIDATION_ERROR" BAD_REQUEST,
    Unauthorized = "UNAUTHORIZED" UNAUTHORIZED,
    InvalidCredentials = "INVALID_CREDENTIALS" UNAUTHORIZED,
    CredentialsExpired = "CREDENTIALS_EXPIRED" UNAUTHORIZED,
    InvalidToken = "INVALID_TOKEN" UNAUTHORIZED,
    TokenExpired = "TOKEN_EXPIRED" UNAUTHORIZED,
    TokenRevoked = "TOKEN_REVOKED" UNAUTHORIZED,
    Forbidden = "FORBIDDEN" FORBIDDEN,
    DaemonDisabled = "DAEMON_DISABLED" FORBIDDEN,
    InsufficientScope = "INSUFFICIENT_SCOPE" FORBIDDEN,
    ChannelAccessDenied = "CHANNEL_ACCESS_DENIED" FORBIDDEN,
    ChannelPrivate = "CHANNEL_PRIVATE" FORBIDDEN,
    NotFound = "NOT_FOUND" NOT_FOUND,
    OrchestratorNotFound = "ORCHESTRATOR_NOT_FOUND" NOT_FOUND,
    VpNotFound = "VP_NOT_FOUND" NOT_FOUND,
    SessionNotFound = "SESSION_NOT_FOUND" NOT_FOUND,
    ChannelNotFound = "CHANNEL_NOT_FOUND" NOT_FOUND,
    NotMember = "NOT_MEMBER" NOT_FOUND,
    DaemonNotRegistered = "DAEMON_NOT_REGISTERED" NOT_FOUND,
    MethodNotAllowed = "METHOD_NOT_ALLOWED" METHOD_NOT_ALLOWED,
    DaemonAlreadyRegistered = "DAEMON_ALREADY_REGISTERED" CONFLICT,
    AlreadyMember = "ALREADY_MEMBER" CONFLICT,
    Conflict = "CONFLICT" CONFLICT,
    IdempotencyKeyInUse = "IDEMPOTENCY_KEY_IN_USE" CONFLICT,
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED" UNPROCESSABLE_ENTITY,
    PayloadTooLarge = "PAYLOAD_TOO_LARGE" PAYLOAD_TOO_LARGE,
    RateLimited = "RATE_LIMITED" TOO_MANY_REQUESTS,
    OrchestratorRouting = "ORCHESTRATOR_ROUTING_ERROR" INTERNAL_SERVER_ERROR,
    OrchestratorOffline = "ORCHESTRATOR_OFFLINE" SERVICE_UNAVAILABLE,
    NoActiveSession = "NO_ACTIVE_SESSION" NOT_FOUND,
    Internal = "INTERNAL_ERROR" INTERNAL_SERVER_ERROR,
    ServiceUnavailable = "SERVICE_UNAVAILABLE" SERVICE_UNAVAILABLE,
}

//! The tables of the queue file; what they mean is said in `migrations/embedded`.

diesel::table! {
    queue_entries (arrival) {
        arrival -> BigInt,
        orchestrator -> Text,
        event_id -> Text,
        time_ms -> BigInt,
        priority -> Integer,
        body -> Binary,
    }
}

diesel::table! {
    ledgers (orchestrator) {
        orchestrator -> Text,
        accepted -> BigInt,
        acknowledged -> BigInt,
        expired -> BigInt,
        dropped -> BigInt,
        dead -> BigInt,
        queued -> BigInt,
        remembered -> BigInt,
        dead_letters -> BigInt,
    }
}

diesel::table! {
    acknowledged (sequence) {
        sequence -> BigInt,
        orchestrator -> Text,
        event_id -> Text,
        at_ms -> BigInt,
    }
}

diesel::table! {
    in_flight (orchestrator, event_id, daemon) {
        orchestrator -> Text,
        event_id -> Text,
        daemon -> Text,
        attempts -> BigInt,
        sent_at_ms -> BigInt,
        connection -> Text,
    }
}

diesel::table! {
    dead_letters (sequence) {
        sequence -> BigInt,
        orchestrator -> Text,
        event_id -> Text,
        reason -> Text,
        attempts -> BigInt,
        body -> Binary,
        at_ms -> BigInt,
    }
}

diesel::table! {
    subscriptions (orchestrator, daemon) {
        orchestrator -> Text,
        daemon -> Text,
        body -> Text,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        body -> Text,
        expires_at_ms -> BigInt,
        orchestrator -> Text,
    }
}

diesel::table! {
    revoked_tokens (jti) {
        jti -> Text,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    revoked_before (orchestrator) {
        orchestrator -> Text,
        before_ms -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    registrations (orchestrator) {
        orchestrator -> Text,
        body -> Text,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    idempotency (key) {
        key -> Text,
        content -> Text,
        claim -> Text,
        answer -> Nullable<Binary>,
        expires_at_ms -> BigInt,
    }
}

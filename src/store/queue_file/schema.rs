//! The tables of the queue file; what they mean is said in `migrations/embedded`.

diesel::table! {
    queue_entries (arrival) {
        arrival -> BigInt,
        orchestrator -> Text,
        event_id -> Text,
        time_ms -> BigInt,
        priority -> Integer,
        body -> Binary,
        due_ms -> BigInt,
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
        told_dropped -> BigInt,
        told_expired -> BigInt,
        organization -> Nullable<Text>,
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
        crashes -> BigInt,
        history -> Text,
    }
}

diesel::table! {
    unfiled (sequence) {
        sequence -> BigInt,
        key -> Text,
        orchestrator -> Text,
        organization -> Nullable<Text>,
        event_id -> Text,
        reason -> Text,
        attempts -> BigInt,
        daemon -> Nullable<Text>,
        history -> Text,
        at_ms -> BigInt,
        body -> Binary,
    }
}

diesel::table! {
    told (orchestrator, daemon) {
        orchestrator -> Text,
        daemon -> Text,
        dropped -> BigInt,
        expired -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    claims (orchestrator, event_id) {
        orchestrator -> Text,
        event_id -> Text,
        holder -> Nullable<Text>,
        until_ms -> BigInt,
        grants -> BigInt,
        not_before_ms -> BigInt,
        last -> Nullable<Text>,
    }
}

diesel::table! {
    receipts (sequence) {
        sequence -> BigInt,
        organization -> Text,
        event_id -> Text,
        orchestrator -> Text,
        outcome -> Text,
        at_ms -> BigInt,
        daemon -> Nullable<Text>,
        attempts -> BigInt,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    receipt_counts (organization) {
        organization -> Text,
        kept -> BigInt,
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

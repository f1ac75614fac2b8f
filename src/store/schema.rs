// @generated automatically by Diesel CLI.

diesel::table! {
    audit_log (id) {
        id -> Text,
        at -> Timestamp,
        actor_id -> Text,
        actor_type -> Text,
        organization_id -> Nullable<Text>,
        action -> Text,
        resource_type -> Text,
        resource_id -> Nullable<Text>,
        metadata -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        severity -> Text,
    }
}

diesel::table! {
    channel_members (id) {
        id -> Text,
        channel_id -> Text,
        user_id -> Text,
        role -> Text,
        joined_at -> Timestamp,
        last_read_at -> Nullable<Timestamp>,
        left_at -> Nullable<Timestamp>,
        is_starred -> Bool,
        notification_preference -> Text,
    }
}

diesel::table! {
    channels (id) {
        id -> Text,
        name -> Text,
        slug -> Text,
        description -> Nullable<Text>,
        topic -> Nullable<Text>,
        #[sql_name = "type"]
        type_ -> Text,
        is_archived -> Bool,
        settings -> Text,
        workspace_id -> Text,
        created_by_id -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    credentials (id) {
        id -> Text,
        orchestrator_id -> Text,
        name -> Text,
        key_digest -> Text,
        key_hint -> Text,
        secret_digest -> Nullable<Text>,
        scopes -> Nullable<Text>,
        is_active -> Bool,
        created_by -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    daemons (orchestrator_id, instance_id) {
        orchestrator_id -> Text,
        instance_id -> Text,
        version -> Text,
        host -> Text,
        port -> Integer,
        protocol -> Text,
        started_at -> Timestamp,
        capabilities -> Text,
        metadata -> Text,
        registered_at -> Timestamp,
        unregistered_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    dead_letters (id) {
        id -> Text,
        outbox_key -> Text,
        orchestrator_id -> Text,
        organization_id -> Nullable<Text>,
        event_id -> Text,
        event_type -> Nullable<Text>,
        reason -> Text,
        attempts -> Integer,
        daemon_id -> Nullable<Text>,
        history -> Text,
        body -> Text,
        died_at -> Timestamp,
        redriven_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    ingress_keys (kid) {
        kid -> Text,
        organization_id -> Text,
        secret -> Text,
        created_at -> Timestamp,
        retired_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    messages (id) {
        id -> Text,
        content -> Text,
        #[sql_name = "type"]
        type_ -> Text,
        metadata -> Text,
        is_edited -> Bool,
        is_deleted -> Bool,
        edited_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
        channel_id -> Text,
        author_id -> Text,
        parent_id -> Nullable<Text>,
        announced -> Bool,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    orchestrators (id) {
        id -> Text,
        user_id -> Nullable<Text>,
        organization_id -> Text,
        workspace_id -> Nullable<Text>,
        status -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        discipline -> Text,
        role -> Text,
        capabilities -> Text,
        daemon_endpoint -> Nullable<Text>,
        disabled_at -> Nullable<Timestamp>,
        operational_status -> Nullable<Text>,
        operational_message -> Nullable<Text>,
        last_status_update -> Nullable<Timestamp>,
    }
}

diesel::table! {
    organization_members (id) {
        id -> Text,
        organization_id -> Text,
        user_id -> Text,
        role -> Text,
        joined_at -> Timestamp,
    }
}

diesel::table! {
    organizations (id) {
        id -> Text,
        name -> Text,
        slug -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        avatar_url -> Nullable<Text>,
        description -> Nullable<Text>,
        settings -> Text,
        disabled_at -> Nullable<Timestamp>,
        ingress_policy -> Text,
    }
}

diesel::table! {
    uptime (id) {
        id -> Text,
        orchestrator_id -> Text,
        status -> Text,
        since -> Timestamp,
        until -> Nullable<Timestamp>,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        email -> Nullable<Text>,
        name -> Nullable<Text>,
        display_name -> Nullable<Text>,
        status -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        avatar_url -> Nullable<Text>,
        bio -> Nullable<Text>,
        is_vp -> Bool,
        vp_config -> Nullable<Text>,
        last_active_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    workspace_members (id) {
        id -> Text,
        workspace_id -> Text,
        user_id -> Text,
        role -> Text,
        settings -> Text,
        joined_at -> Timestamp,
    }
}

diesel::table! {
    workspaces (id) {
        id -> Text,
        name -> Text,
        slug -> Text,
        description -> Nullable<Text>,
        avatar_url -> Nullable<Text>,
        visibility -> Text,
        settings -> Text,
        organization_id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::joinable!(channel_members -> channels (channel_id));
diesel::joinable!(channel_members -> users (user_id));
diesel::joinable!(channels -> users (created_by_id));
diesel::joinable!(channels -> workspaces (workspace_id));
diesel::joinable!(credentials -> orchestrators (orchestrator_id));
diesel::joinable!(daemons -> orchestrators (orchestrator_id));
diesel::joinable!(ingress_keys -> organizations (organization_id));
diesel::joinable!(messages -> channels (channel_id));
diesel::joinable!(messages -> users (author_id));
diesel::joinable!(orchestrators -> organizations (organization_id));
diesel::joinable!(orchestrators -> users (user_id));
diesel::joinable!(organization_members -> organizations (organization_id));
diesel::joinable!(organization_members -> users (user_id));
diesel::joinable!(uptime -> orchestrators (orchestrator_id));
diesel::joinable!(workspace_members -> users (user_id));
diesel::joinable!(workspace_members -> workspaces (workspace_id));
diesel::joinable!(workspaces -> organizations (organization_id));

diesel::allow_tables_to_appear_in_same_query!(
    audit_log,
    channel_members,
    channels,
    credentials,
    daemons,
    dead_letters,
    ingress_keys,
    messages,
    orchestrators,
    organization_members,
    organizations,
    uptime,
    users,
    workspace_members,
    workspaces,
);

// @generated automatically by Diesel CLI.

diesel::table! {
    organizations (id) {
        id -> Text,
        name -> Text,
        slug -> Text,
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
    }
}

diesel::joinable!(orchestrators -> organizations (organization_id));
diesel::joinable!(orchestrators -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(organizations, orchestrators, users,);

ALTER TABLE organizations ADD COLUMN avatar_url  TEXT;
ALTER TABLE organizations ADD COLUMN description TEXT;
ALTER TABLE organizations ADD COLUMN settings    TEXT NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN disabled_at TIMESTAMP(3);
CREATE INDEX organizations_by_age ON organizations (created_at, id);

ALTER TABLE users ADD COLUMN avatar_url     TEXT;
ALTER TABLE users ADD COLUMN bio            TEXT;
ALTER TABLE users ADD COLUMN is_vp          BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN vp_config      TEXT;
ALTER TABLE users ADD COLUMN last_active_at TIMESTAMP(3);
CREATE INDEX users_by_age ON users (created_at, id);

-- The operational status has columns of its own: capabilities are an array as often as an object,
-- and a status must not turn one into the other.
ALTER TABLE orchestrators ADD COLUMN discipline          TEXT NOT NULL DEFAULT '';
ALTER TABLE orchestrators ADD COLUMN role                TEXT NOT NULL DEFAULT '';
ALTER TABLE orchestrators ADD COLUMN capabilities        TEXT NOT NULL DEFAULT '[]';
ALTER TABLE orchestrators ADD COLUMN daemon_endpoint     TEXT;
ALTER TABLE orchestrators ADD COLUMN disabled_at         TIMESTAMP(3);
ALTER TABLE orchestrators ADD COLUMN operational_status  TEXT;
ALTER TABLE orchestrators ADD COLUMN operational_message TEXT;
ALTER TABLE orchestrators ADD COLUMN last_status_update  TIMESTAMP(3);
CREATE INDEX orchestrators_by_age ON orchestrators (created_at, id);
CREATE INDEX orchestrators_of_organization ON orchestrators (organization_id, created_at, id);

CREATE TABLE organization_members (
    id              TEXT         NOT NULL PRIMARY KEY,
    organization_id TEXT         NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
    user_id         TEXT         NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    role            TEXT         NOT NULL DEFAULT 'MEMBER',
    joined_at       TIMESTAMP(3) NOT NULL,
    UNIQUE (organization_id, user_id)
);
CREATE INDEX organization_members_by_age ON organization_members (organization_id, joined_at, id);
CREATE INDEX organization_members_user_id ON organization_members (user_id, organization_id);

CREATE TABLE workspaces (
    id              TEXT         NOT NULL PRIMARY KEY,
    name            TEXT         NOT NULL,
    slug            TEXT         NOT NULL,
    description     TEXT,
    avatar_url      TEXT,
    visibility      TEXT         NOT NULL DEFAULT 'PRIVATE',
    settings        TEXT         NOT NULL DEFAULT '{}',
    organization_id TEXT         NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
    created_at      TIMESTAMP(3) NOT NULL,
    updated_at      TIMESTAMP(3) NOT NULL,
    UNIQUE (organization_id, slug)
);
CREATE INDEX workspaces_by_age ON workspaces (created_at, id);
CREATE INDEX workspaces_of_organization ON workspaces (organization_id, created_at, id);

CREATE TABLE workspace_members (
    id           TEXT         NOT NULL PRIMARY KEY,
    workspace_id TEXT         NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE ON UPDATE CASCADE,
    user_id      TEXT         NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    role         TEXT         NOT NULL DEFAULT 'MEMBER',
    settings     TEXT         NOT NULL DEFAULT '{}',
    joined_at    TIMESTAMP(3) NOT NULL,
    UNIQUE (workspace_id, user_id)
);
CREATE INDEX workspace_members_by_age ON workspace_members (workspace_id, joined_at, id);
CREATE INDEX workspace_members_user_id ON workspace_members (user_id, workspace_id);

CREATE TABLE channels (
    id            TEXT         NOT NULL PRIMARY KEY,
    name          TEXT         NOT NULL,
    slug          TEXT         NOT NULL,
    description   TEXT,
    topic         TEXT,
    type          TEXT         NOT NULL DEFAULT 'PUBLIC',
    is_archived   BOOLEAN      NOT NULL DEFAULT FALSE,
    settings      TEXT         NOT NULL DEFAULT '{}',
    workspace_id  TEXT         NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE ON UPDATE CASCADE,
    created_by_id TEXT         REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
    created_at    TIMESTAMP(3) NOT NULL,
    updated_at    TIMESTAMP(3) NOT NULL,
    UNIQUE (workspace_id, slug)
);
CREATE INDEX channels_by_age ON channels (created_at, id);
CREATE INDEX channels_of_workspace ON channels (workspace_id, created_at, id);
CREATE INDEX channels_created_by_id ON channels (created_by_id);

CREATE TABLE channel_members (
    id                      TEXT         NOT NULL PRIMARY KEY,
    channel_id              TEXT         NOT NULL REFERENCES channels (id) ON DELETE CASCADE ON UPDATE CASCADE,
    user_id                 TEXT         NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    role                    TEXT         NOT NULL DEFAULT 'MEMBER',
    joined_at               TIMESTAMP(3) NOT NULL,
    last_read_at            TIMESTAMP(3),
    left_at                 TIMESTAMP(3),
    is_starred              BOOLEAN      NOT NULL DEFAULT FALSE,
    notification_preference TEXT         NOT NULL DEFAULT 'all',
    UNIQUE (channel_id, user_id)
);
CREATE INDEX channel_members_by_age ON channel_members (channel_id, joined_at, id);
CREATE INDEX channel_members_user_id ON channel_members (user_id, channel_id);

CREATE TABLE messages (
    id         TEXT         NOT NULL PRIMARY KEY,
    content    TEXT         NOT NULL,
    type       TEXT         NOT NULL DEFAULT 'TEXT',
    metadata   TEXT         NOT NULL DEFAULT '{}',
    is_edited  BOOLEAN      NOT NULL DEFAULT FALSE,
    is_deleted BOOLEAN      NOT NULL DEFAULT FALSE,
    edited_at  TIMESTAMP(3),
    deleted_at TIMESTAMP(3),
    channel_id TEXT         NOT NULL REFERENCES channels (id) ON DELETE CASCADE ON UPDATE CASCADE,
    author_id  TEXT         NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    parent_id  TEXT         REFERENCES messages (id) ON DELETE SET NULL ON UPDATE CASCADE,
    announced  BOOLEAN      NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP(3) NOT NULL,
    updated_at TIMESTAMP(3) NOT NULL
);
CREATE INDEX messages_of_channel ON messages (channel_id, created_at, id);
CREATE INDEX messages_author_id ON messages (author_id);
CREATE INDEX messages_parent_id ON messages (parent_id);
-- Holds only what still waits to be published, which is next to nothing.
CREATE INDEX messages_unannounced ON messages (created_at, id) WHERE NOT announced;

-- Keys and secrets are kept as digests only. They are drawn at random and long, so one round of
-- SHA-256 is enough, and a digest can be looked up.
CREATE TABLE credentials (
    id              TEXT         NOT NULL PRIMARY KEY,
    orchestrator_id TEXT         NOT NULL REFERENCES orchestrators (id) ON DELETE CASCADE ON UPDATE CASCADE,
    name            TEXT         NOT NULL,
    key_digest      TEXT         NOT NULL UNIQUE,
    key_hint        TEXT         NOT NULL,
    secret_digest   TEXT,
    scopes          TEXT,
    is_active       BOOLEAN      NOT NULL DEFAULT TRUE,
    created_by      TEXT,
    created_at      TIMESTAMP(3) NOT NULL,
    updated_at      TIMESTAMP(3) NOT NULL,
    expires_at      TIMESTAMP(3),
    last_used_at    TIMESTAMP(3),
    revoked_at      TIMESTAMP(3)
);
CREATE INDEX credentials_by_age ON credentials (created_at, id);
CREATE INDEX credentials_of_orchestrator ON credentials (orchestrator_id, created_at, id);

CREATE TABLE daemons (
    orchestrator_id TEXT         NOT NULL REFERENCES orchestrators (id) ON DELETE CASCADE ON UPDATE CASCADE,
    instance_id     TEXT         NOT NULL,
    version         TEXT         NOT NULL,
    host            TEXT         NOT NULL,
    port            INTEGER      NOT NULL,
    protocol        TEXT         NOT NULL,
    started_at      TIMESTAMP(3) NOT NULL,
    capabilities    TEXT         NOT NULL DEFAULT '[]',
    metadata        TEXT         NOT NULL DEFAULT '{}',
    registered_at   TIMESTAMP(3) NOT NULL,
    unregistered_at TIMESTAMP(3),
    PRIMARY KEY (orchestrator_id, instance_id)
);

-- Refers to nothing by foreign key: what was done stays on record when its object is gone.
CREATE TABLE audit_log (
    id              TEXT         NOT NULL PRIMARY KEY,
    at              TIMESTAMP(3) NOT NULL,
    actor_id        TEXT         NOT NULL,
    actor_type      TEXT         NOT NULL,
    organization_id TEXT,
    action          TEXT         NOT NULL,
    resource_type   TEXT         NOT NULL,
    resource_id     TEXT,
    metadata        TEXT,
    ip              TEXT,
    user_agent      TEXT,
    severity        TEXT         NOT NULL DEFAULT 'info'
);
CREATE INDEX audit_log_by_age ON audit_log (at, id);
CREATE INDEX audit_log_of_actor ON audit_log (actor_id, at, id);
CREATE INDEX audit_log_of_action ON audit_log (action, at, id);
CREATE INDEX audit_log_of_organization ON audit_log (organization_id, at, id);
CREATE INDEX audit_log_of_type ON audit_log (resource_type, at, id);
CREATE INDEX audit_log_of_resource ON audit_log (resource_id, at, id);

CREATE TABLE uptime (
    id              TEXT         NOT NULL PRIMARY KEY,
    orchestrator_id TEXT         NOT NULL REFERENCES orchestrators (id) ON DELETE CASCADE ON UPDATE CASCADE,
    status          TEXT         NOT NULL,
    since           TIMESTAMP(3) NOT NULL,
    until           TIMESTAMP(3)
);
CREATE INDEX uptime_of_orchestrator ON uptime (orchestrator_id, since);
-- An orchestrator has one status at a time, however many hubs note it.
CREATE UNIQUE INDEX uptime_open ON uptime (orchestrator_id) WHERE until IS NULL;

CREATE TABLE organizations (
    id         TEXT         NOT NULL PRIMARY KEY,
    name       TEXT         NOT NULL,
    slug       TEXT         NOT NULL UNIQUE,
    created_at TIMESTAMP(3) NOT NULL,
    updated_at TIMESTAMP(3) NOT NULL
);

CREATE TABLE users (
    id           TEXT         NOT NULL PRIMARY KEY,
    email        TEXT         UNIQUE,
    name         TEXT,
    display_name TEXT,
    status       TEXT         NOT NULL DEFAULT 'ACTIVE',
    created_at   TIMESTAMP(3) NOT NULL,
    updated_at   TIMESTAMP(3) NOT NULL
);

-- user_id is looked up for events that name an orchestrator by its user; UNIQUE is that index.
CREATE TABLE orchestrators (
    id              TEXT         NOT NULL PRIMARY KEY,
    user_id         TEXT         UNIQUE REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    organization_id TEXT         NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
    workspace_id    TEXT,
    status          TEXT         NOT NULL DEFAULT 'OFFLINE',
    created_at      TIMESTAMP(3) NOT NULL,
    updated_at      TIMESTAMP(3) NOT NULL
);
CREATE INDEX orchestrators_organization_id ON orchestrators (organization_id);
CREATE INDEX orchestrators_workspace_id ON orchestrators (workspace_id);

-- Whether events of an organization must be signed: off, observe or require.
ALTER TABLE organizations ADD COLUMN ingress_policy TEXT NOT NULL DEFAULT 'off';

-- Secrets are kept as they are: a signature can only be made anew by who has the secret.
CREATE TABLE ingress_keys (
    kid             TEXT         NOT NULL PRIMARY KEY,
    organization_id TEXT         NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
    secret          TEXT         NOT NULL,
    created_at      TIMESTAMP(3) NOT NULL,
    retired_at      TIMESTAMP(3)
);
CREATE INDEX ingress_keys_of_organization ON ingress_keys (organization_id, created_at, kid);

-- Refers to nothing by foreign key: an orchestrator needs no account. The key is what the backplane
-- knows a dead letter by, so that one that is filed twice is there once.
CREATE TABLE dead_letters (
    id              TEXT         NOT NULL PRIMARY KEY,
    outbox_key      TEXT         NOT NULL UNIQUE,
    orchestrator_id TEXT         NOT NULL,
    organization_id TEXT,
    event_id        TEXT         NOT NULL,
    event_type      TEXT,
    reason          TEXT         NOT NULL,
    attempts        INTEGER      NOT NULL,
    daemon_id       TEXT,
    history         TEXT         NOT NULL DEFAULT '[]',
    body            TEXT         NOT NULL,
    died_at         TIMESTAMP(3) NOT NULL,
    redriven_at     TIMESTAMP(3)
);
CREATE INDEX dead_letters_by_age ON dead_letters (died_at, id);
CREATE INDEX dead_letters_of_orchestrator ON dead_letters (orchestrator_id, died_at, id);
CREATE INDEX dead_letters_of_organization ON dead_letters (organization_id, died_at, id);
CREATE INDEX dead_letters_of_event ON dead_letters (event_id, died_at, id);

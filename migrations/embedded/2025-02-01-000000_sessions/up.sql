-- Whose session it is, to list them. What an older version wrote says so in its JSON.
ALTER TABLE sessions ADD COLUMN orchestrator TEXT NOT NULL DEFAULT '';
UPDATE sessions SET orchestrator = COALESCE(json_extract(body, '$.orchestratorId'), '') WHERE json_valid(body);
CREATE INDEX sessions_by_orchestrator ON sessions (orchestrator);

-- Tokens of an orchestrator that were issued before a moment are worth nothing.
CREATE TABLE revoked_before (
    orchestrator  TEXT   NOT NULL PRIMARY KEY,
    before_ms     BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_before_expires_at ON revoked_before (expires_at_ms);

-- A daemon registers once, when it starts, and must be known after a restart of the hub.
CREATE TABLE registrations (
    orchestrator  TEXT   NOT NULL PRIMARY KEY,
    body          TEXT   NOT NULL,
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX registrations_expires_at ON registrations (expires_at_ms);

-- One row per waiting event. `arrival` grows with every append, so it breaks ties inside one
-- millisecond.
CREATE TABLE queue_entries (
    arrival      INTEGER NOT NULL PRIMARY KEY,
    orchestrator TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    time_ms      BIGINT  NOT NULL,
    priority     INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    UNIQUE (orchestrator, event_id)
);
-- Oldest first for overflow and expiry. It also covers the send order: what waits for one
-- orchestrator is bounded, so sorting it by priority is cheaper than a second index on every append.
CREATE INDEX queue_entries_by_age ON queue_entries (orchestrator, time_ms, arrival, priority, event_id);

-- The books of one orchestrator. The last three columns count rows of other tables, so that no
-- bound and no depth needs a scan.
CREATE TABLE ledgers (
    orchestrator TEXT   NOT NULL PRIMARY KEY,
    accepted     BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL,
    expired      BIGINT NOT NULL,
    dropped      BIGINT NOT NULL,
    dead         BIGINT NOT NULL,
    queued       BIGINT NOT NULL,
    remembered   BIGINT NOT NULL,
    dead_letters BIGINT NOT NULL
) WITHOUT ROWID;

-- Ids that were acknowledged, so that a late duplicate is known. `sequence` grows with time.
CREATE TABLE acknowledged (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    orchestrator TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    at_ms        BIGINT  NOT NULL,
    UNIQUE (orchestrator, event_id)
);

-- What was written to a socket and is still in the queue. The event comes before the daemon in the
-- key because an event that leaves the queue takes the records of all daemons with it.
CREATE TABLE in_flight (
    orchestrator TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    daemon       TEXT    NOT NULL,
    attempts     BIGINT  NOT NULL,
    sent_at_ms   BIGINT  NOT NULL,
    connection   TEXT    NOT NULL,
    PRIMARY KEY (orchestrator, event_id, daemon)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    orchestrator TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    attempts     BIGINT  NOT NULL,
    body         BLOB    NOT NULL,
    at_ms        BIGINT  NOT NULL,
    UNIQUE (orchestrator, event_id)
);
CREATE INDEX dead_letters_by_age ON dead_letters (orchestrator, sequence);

CREATE TABLE subscriptions (
    orchestrator TEXT   NOT NULL,
    daemon       TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    PRIMARY KEY (orchestrator, daemon)
) WITHOUT ROWID;
CREATE INDEX subscriptions_expires_at ON subscriptions (expires_at_ms);

CREATE TABLE sessions (
    id            TEXT   NOT NULL PRIMARY KEY,
    body          TEXT   NOT NULL,
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_expires_at ON sessions (expires_at_ms);

CREATE TABLE revoked_tokens (
    jti           TEXT   NOT NULL PRIMARY KEY,
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at_ms);

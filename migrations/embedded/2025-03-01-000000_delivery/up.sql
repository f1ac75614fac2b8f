-- After when an event has waited for too long: by its own word, or two minutes before seven days.
ALTER TABLE queue_entries ADD COLUMN due_ms BIGINT NOT NULL DEFAULT 0;
UPDATE queue_entries SET due_ms = time_ms + 604680000;
CREATE INDEX queue_entries_by_due ON queue_entries (due_ms);

-- How earlier deliveries ended, as JSON, and how often the connection broke.
ALTER TABLE in_flight ADD COLUMN crashes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE in_flight ADD COLUMN history TEXT NOT NULL DEFAULT '[]';

-- Dead letters on their way into the accounts database. `key` is what both know a letter by;
-- `sequence` grows with time.
CREATE TABLE unfiled (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    key          TEXT    NOT NULL UNIQUE,
    orchestrator TEXT    NOT NULL,
    organization TEXT,
    event_id     TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    attempts     BIGINT  NOT NULL,
    daemon       TEXT,
    history      TEXT    NOT NULL,
    at_ms        BIGINT  NOT NULL,
    body         BLOB    NOT NULL
);
INSERT INTO unfiled (key, orchestrator, event_id, reason, attempts, history, at_ms, body)
    SELECT lower(hex(randomblob(16))), orchestrator, event_id, reason, attempts, '[]', at_ms, body
    FROM dead_letters ORDER BY sequence;
-- What was given up is known by the same memory as what was taken.
INSERT OR IGNORE INTO acknowledged (orchestrator, event_id, at_ms)
    SELECT orchestrator, event_id, at_ms FROM dead_letters ORDER BY sequence;
UPDATE ledgers SET remembered =
    (SELECT count(*) FROM acknowledged WHERE acknowledged.orchestrator = ledgers.orchestrator);
DROP TABLE dead_letters;

-- Whose orchestrator it is, where that is known, and which losses a daemon was told of last.
ALTER TABLE ledgers DROP COLUMN dead_letters;
ALTER TABLE ledgers ADD COLUMN told_dropped BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledgers ADD COLUMN told_expired BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledgers ADD COLUMN organization TEXT;

-- The losses that each daemon instance was told of.
CREATE TABLE told (
    orchestrator  TEXT   NOT NULL,
    daemon        TEXT   NOT NULL,
    dropped       BIGINT NOT NULL,
    expired       BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    PRIMARY KEY (orchestrator, daemon)
) WITHOUT ROWID;
CREATE INDEX told_expires_at ON told (expires_at_ms);

-- Which connection has an event that only one is to get. Goes with its event.
CREATE TABLE claims (
    orchestrator  TEXT   NOT NULL,
    event_id      TEXT   NOT NULL,
    holder        TEXT,
    until_ms      BIGINT NOT NULL,
    grants        BIGINT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    last          TEXT,
    PRIMARY KEY (orchestrator, event_id)
) WITHOUT ROWID;

-- How the way of each event ended, the last ones of each organization ('' where it is not known).
-- `sequence` grows with time.
CREATE TABLE receipts (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    organization TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    orchestrator TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    at_ms        BIGINT  NOT NULL,
    daemon       TEXT,
    attempts     BIGINT  NOT NULL,
    reason       TEXT
);
CREATE INDEX receipts_by_event ON receipts (event_id);
CREATE INDEX receipts_by_organization ON receipts (organization, sequence);
-- How many receipts of each organization there are, so that their bound needs no scan.
CREATE TABLE receipt_counts (
    organization TEXT   NOT NULL PRIMARY KEY,
    kept         BIGINT NOT NULL
) WITHOUT ROWID;

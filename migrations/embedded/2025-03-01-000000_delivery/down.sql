DROP TABLE receipt_counts;
DROP TABLE receipts;
DROP TABLE claims;
DROP TABLE told;
ALTER TABLE ledgers DROP COLUMN organization;
ALTER TABLE ledgers DROP COLUMN told_expired;
ALTER TABLE ledgers DROP COLUMN told_dropped;
ALTER TABLE ledgers ADD COLUMN dead_letters BIGINT NOT NULL DEFAULT 0;
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
INSERT OR REPLACE INTO dead_letters (orchestrator, event_id, reason, attempts, body, at_ms)
    SELECT orchestrator, event_id, reason, attempts, body, at_ms FROM unfiled ORDER BY sequence;
UPDATE ledgers SET dead_letters =
    (SELECT count(*) FROM dead_letters WHERE dead_letters.orchestrator = ledgers.orchestrator);
DROP TABLE unfiled;
ALTER TABLE in_flight DROP COLUMN history;
ALTER TABLE in_flight DROP COLUMN crashes;
DROP INDEX queue_entries_by_due;
ALTER TABLE queue_entries DROP COLUMN due_ms;

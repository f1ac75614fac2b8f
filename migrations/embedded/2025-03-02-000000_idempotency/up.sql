-- Requests that are sent twice and must take effect once. Without an answer the request is under way.
CREATE TABLE idempotency (
    key           TEXT   NOT NULL PRIMARY KEY,
    content       TEXT   NOT NULL,
    claim         TEXT   NOT NULL,
    answer        BLOB,
    expires_at_ms BIGINT NOT NULL
);
CREATE INDEX idempotency_expires_at ON idempotency (expires_at_ms);

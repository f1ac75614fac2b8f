DROP TABLE revoked_tokens;
DROP TABLE sessions;
DROP TABLE subscriptions;
DROP TABLE dead_letters;
DROP TABLE in_flight;
DROP TABLE acknowledged;
DROP TABLE ledgers;
DROP TABLE queue_entries;

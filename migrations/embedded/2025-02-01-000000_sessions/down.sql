DROP TABLE registrations;
DROP TABLE revoked_before;
DROP INDEX sessions_by_orchestrator;
ALTER TABLE sessions DROP COLUMN orchestrator;

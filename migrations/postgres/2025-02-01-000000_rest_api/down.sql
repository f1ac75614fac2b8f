DROP TABLE uptime;
DROP TABLE audit_log;
DROP TABLE daemons;
DROP TABLE credentials;
DROP TABLE messages;
DROP TABLE channel_members;
DROP TABLE channels;
DROP TABLE workspace_members;
DROP TABLE workspaces;
DROP TABLE organization_members;

DROP INDEX orchestrators_of_organization;
DROP INDEX orchestrators_by_age;
ALTER TABLE orchestrators DROP COLUMN last_status_update;
ALTER TABLE orchestrators DROP COLUMN operational_message;
ALTER TABLE orchestrators DROP COLUMN operational_status;
ALTER TABLE orchestrators DROP COLUMN disabled_at;
ALTER TABLE orchestrators DROP COLUMN daemon_endpoint;
ALTER TABLE orchestrators DROP COLUMN capabilities;
ALTER TABLE orchestrators DROP COLUMN role;
ALTER TABLE orchestrators DROP COLUMN discipline;

DROP INDEX users_by_age;
ALTER TABLE users DROP COLUMN last_active_at;
ALTER TABLE users DROP COLUMN vp_config;
ALTER TABLE users DROP COLUMN is_vp;
ALTER TABLE users DROP COLUMN bio;
ALTER TABLE users DROP COLUMN avatar_url;

DROP INDEX organizations_by_age;
ALTER TABLE organizations DROP COLUMN disabled_at;
ALTER TABLE organizations DROP COLUMN settings;
ALTER TABLE organizations DROP COLUMN description;
ALTER TABLE organizations DROP COLUMN avatar_url;

DROP TABLE dead_letters;
DROP TABLE ingress_keys;
ALTER TABLE organizations DROP COLUMN ingress_policy;

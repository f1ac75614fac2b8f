DROP TABLE orchestrators;
DROP TABLE users;
DROP TABLE organizations;

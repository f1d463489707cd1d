-- The published views of ops that this package reads; each statement is read by its name.

-- name: current
SELECT DISTINCT ON (name) name, revision, yaml, case_sensitive FROM ops_pub.definitions ORDER BY name, revision DESC;

-- name: revision
SELECT yaml, case_sensitive FROM ops_pub.definitions WHERE name = $1 AND revision = $2;

-- name: org
SELECT yaml FROM ops_pub.orgs WHERE name = $1;

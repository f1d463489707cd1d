-- The published views that this package reads; each statement is read by its name.

-- name: current
SELECT DISTINCT ON (name) name, revision, yaml, case_sensitive FROM ops_pub.definitions ORDER BY name, revision DESC;

-- name: revision
SELECT yaml, case_sensitive FROM ops_pub.definitions WHERE name = $1 AND revision = $2;

-- name: org
SELECT o.yaml, coalesce((SELECT s.org_id FROM submitter_pub.orgs s WHERE s.name = o.name), '') AS known FROM ops_pub.orgs o WHERE o.name = $1;

-- Which Salesforce org stands behind a name.

-- name: SeeOrg :exec
INSERT INTO submitter.orgs (name, org_id) VALUES (sqlc.arg(name), sqlc.arg(org_id)) ON CONFLICT (name) DO NOTHING;

-- name: OrgIDOf :one
SELECT org_id FROM submitter.orgs WHERE name = sqlc.arg(name);

-- name: MoveOrg :exec
-- The org's document names the org: that is a person's word, and outweighs what was seen before.
INSERT INTO submitter.orgs (name, org_id) VALUES (sqlc.arg(name), sqlc.arg(org_id))
ON CONFLICT (name) DO UPDATE SET org_id = excluded.org_id, seen_at = now() WHERE submitter.orgs.org_id <> excluded.org_id;

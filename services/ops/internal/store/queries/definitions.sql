-- One apply at a time, over all instances: what is checked between definitions must still hold when the revision is stored.
-- name: LockDefinitions :exec
SELECT pg_advisory_xact_lock(hashtext('ops.definitions'));

-- name: CurrentDefinitions :many
SELECT DISTINCT ON (name) name, revision, yaml, sha256, applied_by, applied_at, case_sensitive
FROM ops.definitions
ORDER BY name, revision DESC;

-- name: CurrentDefinition :one
SELECT name, revision, yaml, sha256, applied_by, applied_at, case_sensitive
FROM ops.definitions
WHERE name = @name
ORDER BY revision DESC
LIMIT 1;

-- name: DefinitionRevision :one
SELECT name, revision, yaml, sha256, applied_by, applied_at, case_sensitive
FROM ops.definitions
WHERE name = @name AND revision = @revision;

-- The newest revisions of a pipeline; texts come with them until together they are larger than @most_bytes.
-- name: Revisions :many
SELECT name, revision, sha256, applied_by, applied_at, case_sensitive,
       (CASE WHEN sum(octet_length(yaml)) OVER (ORDER BY revision DESC) <= @most_bytes::bigint THEN yaml ELSE '' END)::text AS yaml
FROM ops.definitions
WHERE name = @name
ORDER BY revision DESC
LIMIT @most;

-- name: InsertDefinition :exec
INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by, applied_at, case_sensitive)
VALUES (@name, @revision, @yaml, @sha256, @applied_by, @applied_at, @case_sensitive);

-- name: Orgs :many
SELECT name, yaml, applied_by, applied_at FROM ops.orgs ORDER BY name;

-- name: PutOrg :execrows
INSERT INTO ops.orgs (name, yaml, applied_by) VALUES (@name, @yaml, @applied_by)
ON CONFLICT (name) DO UPDATE SET yaml = excluded.yaml, applied_by = excluded.applied_by, applied_at = now()
WHERE orgs.yaml <> excluded.yaml;

-- Records of an entity space that are on their way: its number of lanes may not change while there are any. Waiting are those that are sent again:
-- they wait to be due, or the retrier has not taken them yet (failures, decisions that something did not land, letters ordered to be sent again).
-- name: SpaceBusy :one
SELECT ((SELECT count(*) FROM extractor_pub.chunks c
        WHERE c.space = @space AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk))
     + (SELECT count(*) FROM retrier_pub.chunks c
        WHERE c.space = @space AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)))::bigint AS chunks,
       ((SELECT count(*) FROM retrier_pub.waiting w WHERE w.pipeline = ANY (@pipelines::text[]))
     + (SELECT coalesce(sum(r.retrying + r.waiting_for_parent), 0) FROM reconciler_pub.outcome_runs r
        WHERE r.pipeline = ANY (@pipelines::text[]) AND r.retrying + r.waiting_for_parent > 0 AND NOT EXISTS (SELECT 1 FROM retrier_pub.taken t WHERE t.chunk = r.chunk))
     + (SELECT count(*) FROM reconciler_pub.resolutions v
        WHERE v.pipeline = ANY (@pipelines::text[]) AND v.decision = 'not_landed'
          AND NOT EXISTS (SELECT 1 FROM retrier_pub.resolutions_taken t WHERE t.failure_id = v.failure_id))
     + (SELECT count(*) FROM ops.letters l
        WHERE l.pipeline = ANY (@pipelines::text[]) AND l.state = 'replaying' AND l.taker = 'retrier'
          AND NOT EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)))::bigint AS waiting;

-- Records of one pipeline that are on their way, in whatever entity space: its key field may not change while there are any.
-- name: PipelineBusy :one
SELECT ((SELECT count(*) FROM extractor_pub.chunks c
        WHERE c.pipeline = @pipeline AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk))
     + (SELECT count(*) FROM retrier_pub.chunks c
        WHERE c.pipeline = @pipeline AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)))::bigint AS chunks,
       ((SELECT count(*) FROM retrier_pub.waiting w WHERE w.pipeline = @pipeline)
     + (SELECT coalesce(sum(r.retrying + r.waiting_for_parent), 0) FROM reconciler_pub.outcome_runs r
        WHERE r.pipeline = @pipeline AND r.retrying + r.waiting_for_parent > 0 AND NOT EXISTS (SELECT 1 FROM retrier_pub.taken t WHERE t.chunk = r.chunk))
     + (SELECT count(*) FROM reconciler_pub.resolutions v
        WHERE v.pipeline = @pipeline AND v.decision = 'not_landed'
          AND NOT EXISTS (SELECT 1 FROM retrier_pub.resolutions_taken t WHERE t.failure_id = v.failure_id))
     + (SELECT count(*) FROM ops.letters l
        WHERE l.pipeline = @pipeline AND l.state = 'replaying' AND l.taker = 'retrier'
          AND NOT EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)))::bigint AS waiting;

-- name: InsertAudit :exec
INSERT INTO ops.audit (by, action, target, reason, detail) VALUES (@by, @action, @target, @reason, @detail);

-- Pauses that hold: stated by a service and not lifted.
-- name: Pauses :many
SELECT p.id, p.service::text AS service, p.pipeline::text AS pipeline, p.class::text AS class, p.code::text AS code, p.message::text AS message, p.since::timestamptz AS since
FROM (
    SELECT id, 'submitter' AS service, pipeline, class, code, message, since FROM submitter_pub.pauses
    UNION ALL SELECT id, 'reconciler', pipeline, class, code, message, since FROM reconciler_pub.pauses
    UNION ALL SELECT id, 'retrier', pipeline, class, code, message, since FROM retrier_pub.pauses
    UNION ALL SELECT id, 'ops', pipeline, class, code, message, since FROM ops.pauses
) p
WHERE NOT EXISTS (SELECT 1 FROM ops.lifts l WHERE l.pause_id = p.id)
ORDER BY since, id;

-- name: Lift :execrows
INSERT INTO ops.lifts (pause_id, by, reason)
SELECT unnest(@pause_ids::uuid[]), @by, @reason
ON CONFLICT (pause_id) DO NOTHING;

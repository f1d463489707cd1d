-- name: NextDecisions :many
-- What was decided of unresolved records and is not taken over yet, the oldest first.
SELECT f.id AS failure_id, f.letter_id, f.chunk, f.pipeline, f.revision, f.run, f.key_hash, f.generation, d.decision, d.sf_id, d.reason, d.by,
       d.decided_at
FROM ops_pub.decisions d
JOIN reconciler.failures f ON f.letter_id = d.letter_id AND f.disposition = 'unresolved'
WHERE NOT EXISTS (SELECT FROM reconciler.resolutions r WHERE r.letter_id = d.letter_id)
ORDER BY d.decided_at, f.id LIMIT @max_rows;

-- name: InsertResolution :execrows
-- Zero rows: another instance took it over first.
INSERT INTO reconciler.resolutions (failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by, decided_at)
VALUES (@failure_id, @letter_id, @chunk, @pipeline, @run, @key_hash, @generation, @decision, @sf_id, @reason, @by, @decided_at)
ON CONFLICT DO NOTHING;

-- name: Unresolved :one
-- Records without an end that nobody has decided on.
SELECT count(*)::bigint FROM reconciler.failures f
WHERE f.disposition = 'unresolved' AND NOT EXISTS (SELECT FROM reconciler.resolutions r WHERE r.failure_id = f.id);

-- name: LandedSince :many
-- Ids of rows that landed in an org since a time, by chunk; 18 bytes a row. Of other pipelines than the one that asks only chunks that made rows
-- count: what merely updates a row does not say whose it is.
SELECT chunk, row_ids FROM reconciler.outcomes
WHERE org = @org AND reconciled_at >= @since AND (pipeline = @pipeline OR created_rows > 0) AND chunk > @after
ORDER BY chunk LIMIT @max_rows;

-- name: ResolvedIDs :many
-- Ids of an org's records that were decided to have landed.
SELECT r.sf_id FROM reconciler.resolutions r JOIN reconciler.outcomes o ON o.chunk = r.chunk
WHERE o.org = @org AND r.sf_id = ANY(@ids::text[]);

-- name: OldUnreconciled :many
-- Jobs that were submitted long ago, or bound and so may have been, and are not reconciled, by pipeline: Salesforce keeps their results for seven days.
SELECT s.pipeline, s.org, count(*)::bigint AS chunks, min(coalesce(s.submitted_at, s.bound_at))::timestamptz AS oldest
FROM submitter_pub.submissions s
WHERE s.ended_at IS NULL AND coalesce(s.submitted_at, s.bound_at) < @before::timestamptz
  AND NOT EXISTS (SELECT FROM reconciler.outcomes o WHERE o.chunk = s.chunk)
GROUP BY s.pipeline, s.org ORDER BY s.pipeline, s.org;

-- name: Overdue :many
-- Orgs with jobs that may have been closed longer ago than the bound and have no outcome.
SELECT s.org, count(*)::bigint AS jobs, min(coalesce(s.submitted_at, s.bound_at))::timestamptz AS oldest,
       max(coalesce(s.submitted_at, s.bound_at))::timestamptz AS newest
FROM submitter_pub.submissions s
WHERE s.ended_at IS NULL AND coalesce(s.submitted_at, s.bound_at) < @before::timestamptz
  AND NOT EXISTS (SELECT FROM reconciler.outcomes o WHERE o.chunk = s.chunk)
GROUP BY s.org ORDER BY s.org;

-- name: OldestJob :one
-- The job of an org that has waited for its outcome longest, and what keeps it, as far as this service knows.
SELECT s.pipeline, s.chunk, s.job_id, coalesce(k.state, '') AS state, coalesce(nullif(k.last_error, ''), k.reason, '') AS trouble
FROM submitter_pub.submissions s
LEFT JOIN reconciler.work k ON k.chunk = s.chunk
WHERE s.org = @org AND s.ended_at IS NULL AND (s.submitted_at IS NOT NULL OR s.bound_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM reconciler.outcomes o WHERE o.chunk = s.chunk)
ORDER BY coalesce(s.submitted_at, s.bound_at), s.chunk LIMIT 1;

-- name: PipelinesWithWork :many
-- Pipelines that have chunks for an org on their way, whatever their definition says now.
SELECT DISTINCT s.pipeline FROM submitter_pub.submissions s WHERE s.org = @org AND s.ended_at IS NULL ORDER BY s.pipeline;

-- name: Stops :many
-- The stops of orgs that are stated, and when a person lifted each.
SELECT p.id, p.org, p.pipeline, l.at AS lifted_at
FROM reconciler.pauses p LEFT JOIN ops_pub.lifts l ON l.pause_id = p.id
WHERE p.org <> '' ORDER BY p.org, p.pipeline, p.id;

-- name: LockStops :exec
-- Stops of one org are stated one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('reconciler.stops/' || @org::text, 0));

-- name: StateStop :execrows
-- Stated once, by whoever holds the org's lock: another instance may have been first, and a person may have lifted its stop since.
INSERT INTO reconciler.pauses (id, pipeline, class, code, message, org)
SELECT @id::uuid, @pipeline::text, @class::text, @code::text, @message::text, @org::text
WHERE NOT EXISTS (
    SELECT 1 FROM reconciler.pauses p
    WHERE p.pipeline = @pipeline::text AND p.org = @org::text AND NOT EXISTS (SELECT 1 FROM ops_pub.lifts l WHERE l.pause_id = p.id AND l.at < @newest::timestamptz));

-- name: EndStop :execrows
-- What it waited for is there. A stop that a person lifted goes with the others of its org.
DELETE FROM reconciler.pauses WHERE id = @id AND org <> '';

-- Taking work, keeping it and giving it back. The database's clock decides every lease.

-- name: Claim :many
-- Bound submissions first, and those of which calls were sent (they are driven to their end, paused or not), then what is sent again, then fresh chunks
-- in the order of sealing: the head of each lane and the one behind it, which may be uploaded ahead unless something has to be asked about its rows
-- under the lane.
-- What waits for a lane that somebody else holds is left alone, and so is what was sent while it may still land.
WITH stated AS (
    SELECT id, pipeline FROM submitter.pauses
    UNION ALL SELECT id, pipeline FROM reconciler_pub.pauses
    UNION ALL SELECT id, pipeline FROM retrier_pub.pauses
    UNION ALL SELECT id, pipeline FROM ops_pub.pauses
), paused AS (
    SELECT p.pipeline FROM stated p WHERE NOT EXISTS (SELECT 1 FROM ops_pub.lifts l WHERE l.pause_id = p.id)
), ahead AS (
    SELECT f.chunk FROM (
        SELECT o.chunk, o.resolves OR o.versioned AS asked, row_number() OVER (PARTITION BY o.pipeline, o.lane ORDER BY o.seal_no) AS n
        FROM submitter.submissions o WHERE o.kind = 'fresh' AND o.ended_at IS NULL) f
    WHERE f.n <= CASE WHEN f.asked THEN 1 ELSE 2 END
), due AS (
    SELECT s.chunk FROM submitter.submissions s
    JOIN submitter.lanes l ON l.space = s.space AND l.lane = s.lane
    WHERE (s.state IN ('claimed', 'created', 'bound') OR s.state = 'sent' AND s.answered_at IS NULL)
      AND s.ended_at IS NULL AND s.lease_until < now() AND s.next_try_at <= now()
      AND (s.state = 'bound' OR s.state = 'sent' AND s.landing_until <= now()
           OR s.state IN ('claimed', 'created') AND (s.pipeline NOT IN (SELECT p.pipeline FROM paused p)
               AND CASE WHEN s.kind = 'fresh'
                        THEN s.chunk IN (SELECT chunk FROM ahead) AND (s.uploaded_at IS NULL AND NOT (s.resolves OR s.versioned) OR l.holder IS NULL OR l.holder = s.chunk)
                        ELSE l.holder IS NULL OR l.holder = s.chunk END))
    ORDER BY s.state IN ('bound', 'sent') DESC, s.kind = 'fresh', s.seal_no
    LIMIT sqlc.arg(max)::int
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE submitter.submissions s
SET owner = sqlc.arg(owner), epoch = s.epoch + 1, lease_until = now() + make_interval(secs => sqlc.arg(lease_seconds)::float8), waiting_for = ''
FROM due WHERE s.chunk = due.chunk
RETURNING s.chunk, s.pipeline, s.revision, s.kind, s.org, s.space, s.lane, s.seal_no, s.state, s.epoch, s.tries, s.job_id,
          s.upload_rows, s.upload_bytes, s.upload_sha256, s.close_refused, s.resolves, s.versioned, s.by_job,
          (s.checked_at IS NOT NULL)::bool AS checked, (s.uploaded_at IS NOT NULL)::bool AS uploaded;

-- name: Renew :execrows
-- What was given back is not renewed: a renewal that comes late would keep the next one waiting for a whole lease.
UPDATE submitter.submissions SET lease_until = now() + make_interval(secs => sqlc.arg(lease_seconds)::float8)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND ended_at IS NULL AND lease_until > '-infinity';

-- name: Park :execrows
-- tries counts failures in a row, which the waits grow with; standing at a gate is none.
UPDATE submitter.submissions
SET owner = '', lease_until = '-infinity', next_try_at = now() + make_interval(secs => sqlc.arg(wait_seconds)::float8),
    tries = sqlc.arg(tries), last_error = sqlc.arg(last_error), waiting_for = sqlc.arg(waiting_for)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND ended_at IS NULL;

-- name: Release :execrows
-- Given back untouched, by a worker that is told to stop.
UPDATE submitter.submissions SET owner = '', lease_until = '-infinity'
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND ended_at IS NULL;

-- name: HasOpen :one
-- Whether anything waits to be claimed, now or later, by this instance or another.
SELECT (EXISTS (SELECT 1 FROM submitter.submissions WHERE state IN ('claimed', 'created', 'bound'))
        OR EXISTS (SELECT 1 FROM submitter.submissions WHERE state = 'sent' AND answered_at IS NULL))::bool AS open;

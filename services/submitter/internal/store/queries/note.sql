-- Noting work that others sealed, and its end. Both serve the facts (a list of chunks) and the sweep (all that is open).

-- name: NoteChunks :execrows
-- A chunk is noted once; its row is the work. lanes gets its row here so that later moves only update.
WITH sealed AS (
    SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, operation, external_id_field, versioned FROM extractor_pub.chunks
    WHERE chunk = ANY(sqlc.arg(chunks)::uuid[]) AND reconciled_at IS NULL
    UNION ALL
    SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, operation, external_id_field, false FROM retrier_pub.chunks
    WHERE chunk = ANY(sqlc.arg(chunks)::uuid[]) AND reconciled_at IS NULL
), slots AS (
    INSERT INTO submitter.lanes (space, lane) SELECT DISTINCT space, lane FROM sealed ON CONFLICT DO NOTHING
)
INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, resolves, versioned)
SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, 'claimed', operation IN ('update', 'delete', 'hardDelete') AND external_id_field <> 'Id',
       versioned AND operation <> 'insert' FROM sealed
ON CONFLICT (chunk) DO NOTHING;

-- name: OpenChunksNotNoted :many
SELECT c.chunk FROM extractor_pub.chunks c
WHERE c.reconciled_at IS NULL AND NOT EXISTS (SELECT 1 FROM submitter.submissions s WHERE s.chunk = c.chunk)
UNION ALL
SELECT c.chunk FROM retrier_pub.chunks c
WHERE c.reconciled_at IS NULL AND NOT EXISTS (SELECT 1 FROM submitter.submissions s WHERE s.chunk = c.chunk)
LIMIT sqlc.arg(max)::int;

-- name: EndWithOutcome :many
-- The outcome row is what ends a submission, never the fact that tells of it. A refused close of which nothing was processed
-- ends as nothing_sent: its rows come back in a resend.
UPDATE submitter.submissions s
SET state = CASE
        WHEN s.state = 'nothing_sent' THEN 'nothing_sent'
        WHEN s.close_refused <> '' AND o.unprocessed + o.superseded = o.rows THEN 'nothing_sent'
        ELSE 'reconciled' END,
    ended_at = now(), owner = '', lease_until = '-infinity', waiting_for = ''
FROM reconciler_pub.outcomes o
WHERE o.chunk = s.chunk AND s.ended_at IS NULL AND s.chunk = ANY(sqlc.arg(chunks)::uuid[])
RETURNING s.chunk, s.pipeline, s.space, s.lane, s.state;

-- name: OpenWithOutcome :many
SELECT s.chunk FROM submitter.submissions s
WHERE s.ended_at IS NULL AND EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = s.chunk)
LIMIT sqlc.arg(max)::int;

-- name: FreeLanes :execrows
UPDATE submitter.lanes SET holder = NULL, held_at = NULL WHERE holder = ANY(sqlc.arg(chunks)::uuid[]);

-- name: ForgetResolutions :execrows
-- Which ids rows had is of no use to anybody once the outcome is there.
DELETE FROM submitter.resolutions WHERE chunk = ANY(sqlc.arg(chunks)::uuid[]);

-- name: WakeLane :exec
-- Those at the gate of a lane that was freed need not wait for their next look.
UPDATE submitter.submissions SET next_try_at = '-infinity'
WHERE space = sqlc.arg(space) AND lane = sqlc.arg(lane) AND ended_at IS NULL AND waiting_for <> '' AND next_try_at > now();

-- name: TakeBackOpenJobs :many
-- A job that was handed over after a 404 which was wrong is still Open, and nobody but us may close it.
UPDATE submitter.submissions s
SET state = 'bound', owner = '', lease_until = '-infinity', next_try_at = '-infinity'
WHERE s.state = 'submitted' AND s.submitted_at < now() - make_interval(secs => sqlc.arg(margin_seconds)::float8)
  AND EXISTS (SELECT 1 FROM poller_pub.watches w
              WHERE w.chunk = s.chunk AND w.job_id = s.job_id AND w.state = 'watching' AND w.job_state = 'Open')
  AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = s.chunk)
RETURNING s.chunk, s.job_id;

-- The legal moves of a submission, each fenced by the owner's epoch and the state that it moves on.

-- name: LockSubmission :one
-- Holds the row until the transaction ends, so that what is read for the move stays true for this submission.
SELECT chunk FROM submitter.submissions
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = sqlc.arg(state) AND ended_at IS NULL
FOR UPDATE;

-- name: LockLane :one
SELECT holder FROM submitter.lanes WHERE space = sqlc.arg(space) AND lane = sqlc.arg(lane) FOR UPDATE;

-- name: HoldLane :execrows
UPDATE submitter.lanes SET holder = sqlc.arg(chunk)::uuid, held_at = coalesce(held_at, now())
WHERE space = sqlc.arg(space) AND lane = sqlc.arg(lane) AND (holder IS NULL OR holder = sqlc.arg(chunk)::uuid);

-- name: PauseOf :many
WITH stated AS (
    SELECT id, pipeline, class, code FROM submitter.pauses
    UNION ALL SELECT id, pipeline, class, code FROM reconciler_pub.pauses
    UNION ALL SELECT id, pipeline, class, code FROM retrier_pub.pauses
    UNION ALL SELECT id, pipeline, class, code FROM ops_pub.pauses
)
SELECT class, code FROM stated
WHERE pipeline = sqlc.arg(pipeline)::text AND id NOT IN (SELECT pause_id FROM ops_pub.lifts)
LIMIT 1;

-- name: FreshBefore :many
-- Fresh chunks of the same pipeline and lane that were sealed earlier and have no outcome: the order of the stream.
SELECT c.chunk FROM extractor_pub.chunks c
WHERE c.pipeline = sqlc.arg(pipeline) AND c.lane = sqlc.arg(lane) AND c.kind = 'fresh' AND c.reconciled_at IS NULL
  AND c.seal_no < sqlc.arg(seal_no)::bigint AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
LIMIT 1;

-- name: ResendsWaiting :many
-- Sent-again chunks go first; one whose pipeline is paused, or whose requests keep failing, keeps nobody back, and neither does a replay
-- that waits for its turn itself (FreshBefore).
WITH stated AS (
    SELECT id, pipeline FROM submitter.pauses
    UNION ALL SELECT id, pipeline FROM reconciler_pub.pauses
    UNION ALL SELECT id, pipeline FROM retrier_pub.pauses
    UNION ALL SELECT id, pipeline FROM ops_pub.pauses
), paused AS (
    SELECT p.pipeline FROM stated p WHERE NOT EXISTS (SELECT 1 FROM ops_pub.lifts l WHERE l.pause_id = p.id)
)
SELECT s.chunk FROM submitter.submissions s
WHERE s.space = sqlc.arg(space) AND s.lane = sqlc.arg(lane) AND s.kind <> 'fresh' AND s.ended_at IS NULL
  AND s.state IN ('claimed', 'created') AND s.tries = 0 AND s.pipeline NOT IN (SELECT p.pipeline FROM paused p)
  AND NOT (s.kind = 'replay' AND EXISTS (
      SELECT 1 FROM extractor_pub.chunks c
      WHERE c.pipeline = s.pipeline AND c.lane = s.lane AND c.kind = 'fresh' AND c.reconciled_at IS NULL
        AND c.seal_no < s.seal_no AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)))
LIMIT 1;

-- name: SaveChecked :execrows
UPDATE submitter.submissions
SET checked_at = now(), upload_rows = sqlc.arg(upload_rows), upload_bytes = sqlc.arg(upload_bytes), upload_sha256 = sqlc.arg(upload_sha256),
    tries = 0, last_error = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'claimed' AND checked_at IS NULL AND ended_at IS NULL;

-- name: SaveNothingToSend :execrows
UPDATE submitter.submissions
SET state = 'nothing_sent', checked_at = now(), upload_rows = 0, upload_bytes = 0, owner = '', lease_until = '-infinity', tries = 0, last_error = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'claimed' AND checked_at IS NULL AND ended_at IS NULL;

-- name: AddSuperseded :copyfrom
INSERT INTO submitter.superseded (chunk, row, record, pipeline, run, key_hash, generation, successor_key_hash, successor_seq, successor_idx)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: AddReduced :copyfrom
INSERT INTO submitter.reduced (chunk, row, columns) VALUES ($1, $2, $3);

-- name: AddUnsent :copyfrom
INSERT INTO submitter.unsent (chunk, row, class, code, message) VALUES ($1, $2, $3, $4, $5);

-- name: AddResolution :exec
INSERT INTO submitter.resolutions (chunk, row_ids) VALUES (sqlc.arg(chunk), sqlc.arg(row_ids));

-- name: SaveCreated :execrows
-- From created too: a job that is left behind is replaced. What the earlier job held says nothing of the new one.
UPDATE submitter.submissions
SET state = 'created', job_id = sqlc.arg(job_id), uploaded_at = NULL,
    job_created_at = now() - make_interval(secs => sqlc.arg(age_seconds)::float8)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state IN ('claimed', 'created') AND ended_at IS NULL;

-- name: AddJob :exec
INSERT INTO submitter.jobs (job_id, chunk, org, epoch, state)
VALUES (sqlc.arg(job_id), sqlc.arg(chunk), sqlc.arg(org), sqlc.arg(epoch), 'created');

-- name: LeaveJobs :execrows
UPDATE submitter.jobs SET state = 'abandoned'
WHERE chunk = sqlc.arg(chunk) AND job_id <> sqlc.arg(job_id) AND state = 'created';

-- name: SaveUploaded :execrows
UPDATE submitter.submissions
SET uploaded_at = now(), upload_rows = sqlc.arg(upload_rows), upload_bytes = sqlc.arg(upload_bytes), upload_sha256 = sqlc.arg(upload_sha256)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'created' AND job_id = sqlc.arg(job_id) AND ended_at IS NULL;

-- name: JobIsTooOld :one
-- A job grows old by waiting. One whose upload has only just ended is bound however long that took, or a slow upload would be repeated for ever.
SELECT (job_created_at < now() - make_interval(secs => sqlc.arg(max_age_seconds)::float8)
        AND uploaded_at < now() - make_interval(secs => least(sqlc.arg(max_age_seconds)::float8, 60)))::bool AS too_old
FROM submitter.submissions WHERE chunk = sqlc.arg(chunk) AND uploaded_at IS NOT NULL;

-- name: SaveBound :execrows
UPDATE submitter.submissions SET state = 'bound', bound_at = now(), tries = 0, last_error = '', waiting_for = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'created' AND job_id = sqlc.arg(job_id)
  AND uploaded_at IS NOT NULL AND ended_at IS NULL;

-- name: MarkJobBound :execrows
UPDATE submitter.jobs SET state = 'bound' WHERE job_id = sqlc.arg(job_id) AND chunk = sqlc.arg(chunk) AND state = 'created';

-- name: SaveRefused :execrows
UPDATE submitter.submissions SET close_refused = sqlc.arg(words)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'bound' AND job_id = sqlc.arg(job_id) AND ended_at IS NULL;

-- name: LastSentWasRefused :one
-- Whether the submission of the pipeline that was handed over last before this one had its close refused too.
SELECT coalesce((SELECT s.close_refused <> '' FROM submitter.submissions s
                 WHERE s.pipeline = sqlc.arg(pipeline) AND s.submitted_at IS NOT NULL AND s.chunk <> sqlc.arg(chunk)
                 ORDER BY s.submitted_at DESC LIMIT 1), false)::bool AS refused;

-- name: SaveSubmitted :execrows
UPDATE submitter.submissions
SET state = 'submitted', submitted_at = now(), owner = '', lease_until = '-infinity', next_try_at = '-infinity', tries = 0, last_error = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'bound' AND job_id = sqlc.arg(job_id) AND ended_at IS NULL;

-- name: Pause :execrows
-- Stated once: another open pause of ours for the same cause says it already.
INSERT INTO submitter.pauses (id, pipeline, class, code, message)
SELECT sqlc.arg(id)::uuid, sqlc.arg(pipeline)::text, sqlc.arg(class)::text, sqlc.arg(code)::text, sqlc.arg(message)::text
WHERE NOT EXISTS (
    SELECT 1 FROM submitter.pauses p
    WHERE p.pipeline = sqlc.arg(pipeline)::text AND p.code = sqlc.arg(code)::text
      AND NOT EXISTS (SELECT 1 FROM ops_pub.lifts l WHERE l.pause_id = p.id));

-- name: PausedHolders :many
-- Chunks that hold a lane before the bind (sent again, or asked about under it) for a paused pipeline while another pipeline's chunk waits for it.
WITH stated AS (
    SELECT id, pipeline FROM submitter.pauses
    UNION ALL SELECT id, pipeline FROM reconciler_pub.pauses
    UNION ALL SELECT id, pipeline FROM retrier_pub.pauses
    UNION ALL SELECT id, pipeline FROM ops_pub.pauses
), paused AS (
    SELECT p.pipeline FROM stated p WHERE NOT EXISTS (SELECT 1 FROM ops_pub.lifts l WHERE l.pause_id = p.id)
)
SELECT s.chunk FROM submitter.lanes l JOIN submitter.submissions s ON s.chunk = l.holder
WHERE s.state IN ('claimed', 'created') AND s.ended_at IS NULL AND s.lease_until < now()
  AND s.pipeline IN (SELECT p.pipeline FROM paused p)
  AND EXISTS (SELECT 1 FROM submitter.submissions w
              WHERE w.space = l.space AND w.lane = l.lane AND w.ended_at IS NULL AND w.pipeline NOT IN (SELECT p.pipeline FROM paused p));

-- name: StartOver :one
-- Back to the beginning, with a new epoch: what was checked holds only under the lane. The job is left behind.
UPDATE submitter.submissions
SET state = 'claimed', epoch = epoch + 1, owner = '', lease_until = '-infinity', checked_at = NULL, job_id = '', job_created_at = NULL,
    uploaded_at = NULL, upload_rows = NULL, upload_bytes = NULL, upload_sha256 = NULL
WHERE chunk = sqlc.arg(chunk) AND state IN ('claimed', 'created') AND (kind <> 'fresh' OR resolves OR versioned) AND ended_at IS NULL AND lease_until < now()
RETURNING pipeline, space, lane;

-- name: ForgetSuperseded :execrows
DELETE FROM submitter.superseded WHERE chunk = sqlc.arg(chunk);

-- name: ForgetReduced :execrows
DELETE FROM submitter.reduced WHERE chunk = sqlc.arg(chunk);

-- name: ForgetUnsent :execrows
DELETE FROM submitter.unsent WHERE chunk = sqlc.arg(chunk);

-- What a ledger that was restored to an earlier moment has forgotten.

-- name: BindingsRead :one
SELECT incarnation, seq FROM submitter.bindings_read;

-- name: LockBindingsRead :one
SELECT incarnation, seq FROM submitter.bindings_read FOR UPDATE;

-- name: BeginBindingsRead :exec
INSERT INTO submitter.bindings_read (incarnation, seq) VALUES (sqlc.arg(incarnation), 0) ON CONFLICT DO NOTHING;

-- name: SaveBindingsRead :exec
UPDATE submitter.bindings_read SET incarnation = sqlc.arg(incarnation), seq = sqlc.arg(seq), read_at = now();

-- name: KnowsBinding :one
SELECT (EXISTS (SELECT 1 FROM submitter.jobs j WHERE j.job_id = sqlc.arg(job_id) AND j.chunk = sqlc.arg(chunk) AND j.state = 'bound')
        OR EXISTS (SELECT 1 FROM submitter.forgotten f WHERE f.job_id = sqlc.arg(job_id)))::bool AS known;

-- name: LockForgottenChunk :one
-- A chunk whose job was forgotten, with what its sealer says of it.
SELECT s.state, s.org, s.job_id, (s.ended_at IS NOT NULL)::bool AS ended,
       (EXISTS (SELECT 1 FROM extractor_pub.chunks c WHERE c.chunk = s.chunk AND c.operation = 'insert')
        OR EXISTS (SELECT 1 FROM retrier_pub.chunks c WHERE c.chunk = s.chunk AND c.operation = 'insert'))::bool AS inserts
FROM submitter.submissions s WHERE s.chunk = sqlc.arg(chunk)
FOR UPDATE OF s;

-- name: OpenRecovery :many
SELECT id FROM submitter.recoveries WHERE pipeline = sqlc.arg(pipeline) AND done_at IS NULL;

-- name: AddRecovery :one
INSERT INTO submitter.recoveries (pipeline) VALUES (sqlc.arg(pipeline)) RETURNING id;

-- name: AddForgotten :exec
INSERT INTO submitter.forgotten (job_id, recovery, chunk, pipeline, revision, org, bound_at, from_seq, through_seq, adopted, state)
VALUES (sqlc.arg(job_id), sqlc.arg(recovery), sqlc.arg(chunk), sqlc.arg(pipeline), sqlc.arg(revision), sqlc.arg(org), sqlc.arg(bound_at),
        sqlc.arg(from_seq), sqlc.arg(through_seq), sqlc.arg(adopted), 'open');

-- name: Recovering :one
-- How many recoveries of the pipeline are done, and whether one goes on that keeps it, or others of its org, from sending.
SELECT (SELECT count(*) FROM submitter.recoveries r WHERE r.pipeline = sqlc.arg(pipeline) AND r.done_at IS NOT NULL)::bigint AS recoveries,
       (SELECT count(*) FROM submitter.recoveries r WHERE r.done_at IS NULL
        AND (r.pipeline = sqlc.arg(pipeline)
             OR EXISTS (SELECT 1 FROM submitter.forgotten f WHERE f.recovery = r.id AND f.org = sqlc.arg(org))))::bigint AS open;

-- name: ForgottenOf :many
-- What may have been sent of a pipeline without this ledger's knowledge, and when that was found out.
SELECT r.found_at, f.from_seq, f.through_seq FROM submitter.forgotten f JOIN submitter.recoveries r ON r.id = f.recovery
WHERE f.pipeline = sqlc.arg(pipeline);

-- name: AdoptedJob :many
SELECT job_id FROM submitter.forgotten WHERE chunk = sqlc.arg(chunk) AND adopted;

-- name: LastSent :many
-- When the sending began whose failures these are, as far as the ledger knows; what was never sent is not told of.
SELECT f.id, greatest(s.bound_at, s.answered_at, s.checked_at)::timestamptz AS sent_at
FROM reconciler_pub.failures f JOIN submitter.submissions s ON s.chunk = f.chunk
WHERE f.id = ANY(sqlc.arg(ids)::bigint[]) AND (s.bound_at IS NOT NULL OR s.answered_at IS NOT NULL OR s.checked_at IS NOT NULL);

-- name: FailuresOfLetters :many
-- The last failure behind a letter; a letter of what was refused before it was sent has none.
SELECT d.letter_id, d.failure_id FROM retrier_pub.dead d WHERE d.letter_id = ANY(sqlc.arg(letters)::uuid[])
UNION ALL
SELECT f.letter_id, f.id FROM reconciler_pub.failures f WHERE f.letter_id = ANY(sqlc.arg(letters)::uuid[]);

-- name: TakeForgotten :many
-- Forgotten jobs that are due to be looked at, each for one who looks.
UPDATE submitter.forgotten f SET next_look_at = now() + make_interval(secs => sqlc.arg(lease_seconds)::float8)
WHERE f.job_id IN (
    SELECT o.job_id FROM submitter.forgotten o WHERE o.state = 'open' AND o.next_look_at <= now() ORDER BY o.next_look_at LIMIT sqlc.arg(max)::int
    FOR UPDATE SKIP LOCKED)
RETURNING f.job_id, f.pipeline, f.revision, f.org, f.job_state, f.since, now()::timestamptz AS clock;

-- name: SaveLook :execrows
UPDATE submitter.forgotten
SET job_state = sqlc.arg(job_state), since = CASE WHEN job_state = sqlc.arg(job_state) THEN since ELSE now() END, org = sqlc.arg(org), last_error = '',
    next_look_at = now() + make_interval(secs => sqlc.arg(wait_seconds)::float8)
WHERE job_id = sqlc.arg(job_id) AND state = 'open';

-- name: SaveNoLook :execrows
UPDATE submitter.forgotten
SET last_error = sqlc.arg(last_error), next_look_at = now() + make_interval(secs => sqlc.arg(wait_seconds)::float8)
WHERE job_id = sqlc.arg(job_id) AND state = 'open';

-- name: EndForgotten :execrows
UPDATE submitter.forgotten SET state = 'ended', job_state = sqlc.arg(job_state), last_error = '', ended_at = now()
WHERE job_id = sqlc.arg(job_id) AND state = 'open';

-- name: EndRecoveries :many
UPDATE submitter.recoveries r SET done_at = now()
WHERE r.done_at IS NULL AND NOT EXISTS (SELECT 1 FROM submitter.forgotten f WHERE f.recovery = r.id AND f.state = 'open')
RETURNING r.id, r.pipeline, r.found_at;

-- name: JobsForgotten :many
-- How many forgotten jobs each pipeline that recovers still waits for.
SELECT r.pipeline, (SELECT count(*) FROM submitter.forgotten f WHERE f.recovery = r.id AND f.state = 'open')::bigint AS jobs
FROM submitter.recoveries r WHERE r.done_at IS NULL;

-- name: WakeWaiting :exec
-- Those at a gate need not wait for their next look when a recovery is done.
UPDATE submitter.submissions SET next_try_at = '-infinity' WHERE ended_at IS NULL AND waiting_for <> '' AND next_try_at > now();

-- name: LockUnbound :one
-- As LockSubmission, from any state in which the chunk is bound to no job, and says from which.
SELECT state FROM submitter.submissions
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state IN ('claimed', 'created', 'sent') AND answered_at IS NULL AND ended_at IS NULL
FOR UPDATE;

-- name: SaveAdopted :execrows
-- What the job holds is not known here: its rows are those of the chunk, since of an insert nothing is left out.
UPDATE submitter.submissions s
SET state = 'bound', job_id = f.job_id, bound_at = least(f.bound_at, now()), job_created_at = f.bound_at, uploaded_at = f.bound_at,
    upload_rows = NULL, upload_bytes = NULL, upload_sha256 = NULL, tries = 0, last_error = '', waiting_for = ''
FROM submitter.forgotten f
WHERE s.chunk = sqlc.arg(chunk) AND s.epoch = sqlc.arg(epoch) AND s.state IN ('claimed', 'created') AND s.ended_at IS NULL
  AND f.job_id = sqlc.arg(job_id) AND f.chunk = s.chunk AND f.adopted AND f.state = 'ended';

-- name: AddAdoptedJob :exec
INSERT INTO submitter.jobs (job_id, chunk, org, epoch, state)
VALUES (sqlc.arg(job_id), sqlc.arg(chunk), sqlc.arg(org), sqlc.arg(epoch), 'bound')
ON CONFLICT (job_id) DO UPDATE SET state = 'bound';

-- name: SaveDoubted :execrows
-- Nothing of the chunk is sent any more by this submission, which holds its lane until the outcome is there. A job that it has is left behind.
UPDATE submitter.submissions
SET state = 'sent', answered_at = now(), doubted_at = now(), landing_until = '-infinity', close_refused = sqlc.arg(words), job_id = '',
    job_created_at = NULL, uploaded_at = NULL, owner = '', lease_until = '-infinity', next_try_at = '-infinity', tries = 0, last_error = '', waiting_for = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state IN ('claimed', 'created', 'sent') AND answered_at IS NULL AND ended_at IS NULL;

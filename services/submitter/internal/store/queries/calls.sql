-- Calls of sObject Collections. Each move is fenced by the owner's epoch and the state that it moves on.

-- name: LockCalling :one
-- As LockSubmission, from claimed or sent, and says from which.
SELECT state FROM submitter.submissions
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state IN ('claimed', 'sent') AND answered_at IS NULL AND ended_at IS NULL
FOR UPDATE;

-- name: SaveSent :execrows
-- From now on the call may land, until its deadline and a margin have passed.
UPDATE submitter.submissions
SET state = 'sent', upload_rows = coalesce(upload_rows, sqlc.arg(upload_rows)::int), waiting_for = '',
    landing_until = now() + make_interval(secs => sqlc.arg(call_seconds)::float8 + sqlc.arg(margin_seconds)::float8)
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state IN ('claimed', 'sent') AND landing_until <= now()
  AND answered_at IS NULL AND ended_at IS NULL;

-- name: AddCall :one
INSERT INTO submitter.calls (chunk, call, epoch, first_row, end_row, state, deadline)
SELECT sqlc.arg(chunk)::uuid, count(*)::int, sqlc.arg(epoch)::bigint, sqlc.arg(first_row)::int, sqlc.arg(end_row)::int, 'sent',
       now() + make_interval(secs => sqlc.arg(call_seconds)::float8)
FROM submitter.calls c WHERE c.chunk = sqlc.arg(chunk)::uuid
RETURNING call;

-- name: AnswerCall :execrows
UPDATE submitter.calls
SET state = 'answered', answered_at = now(), row_states = sqlc.arg(row_states), row_ids = sqlc.arg(row_ids)
WHERE chunk = sqlc.arg(chunk) AND call = sqlc.arg(call) AND epoch = sqlc.arg(epoch) AND state = 'sent';

-- name: AddRefused :copyfrom
INSERT INTO submitter.refused (chunk, row, code, message, fields) VALUES ($1, $2, $3, $4, $5);

-- name: SaveAnswer :execrows
-- More rows are to be sent by the same claim.
UPDATE submitter.submissions SET landing_until = '-infinity', tries = 0, last_error = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'sent' AND answered_at IS NULL AND ended_at IS NULL;

-- name: SaveAnswered :execrows
-- No more calls are made. The chunk stays sent, and holds its lane, until its outcome is there.
UPDATE submitter.submissions
SET landing_until = '-infinity', answered_at = now(), close_refused = sqlc.arg(words), owner = '', lease_until = '-infinity',
    next_try_at = '-infinity', tries = 0, last_error = ''
WHERE chunk = sqlc.arg(chunk) AND epoch = sqlc.arg(epoch) AND state = 'sent' AND answered_at IS NULL AND ended_at IS NULL;

-- name: VoidCall :execrows
UPDATE submitter.calls SET state = 'void'
WHERE chunk = sqlc.arg(chunk) AND call = sqlc.arg(call) AND epoch = sqlc.arg(epoch) AND state = 'sent';

-- name: SaveVoid :one
-- Where no other call was made, nothing of the chunk has been sent: it is claimed again, and may go by a job.
UPDATE submitter.submissions s
SET landing_until = '-infinity', by_job = sqlc.arg(by_job),
    state = CASE WHEN EXISTS (SELECT 1 FROM submitter.calls c WHERE c.chunk = s.chunk AND c.state <> 'void') THEN 'sent' ELSE 'claimed' END
WHERE s.chunk = sqlc.arg(chunk) AND s.epoch = sqlc.arg(epoch) AND s.state = 'sent' AND s.answered_at IS NULL AND s.ended_at IS NULL
RETURNING s.state, (s.checked_at IS NOT NULL)::bool AS checked;

-- name: Progress :one
-- Up to which row calls were answered, how many rows the last of them had, how many calls behind it stayed without an answer, and whether any did.
WITH done AS (
    SELECT coalesce(max(a.end_row), 0) AS n, coalesce(max(a.first_row), 0) AS begun FROM submitter.calls a
    WHERE a.chunk = sqlc.arg(chunk) AND a.state = 'answered'
)
SELECT d.n::int AS next_row, (d.n - d.begun)::int AS answered,
       (SELECT count(*) FROM submitter.calls c WHERE c.chunk = sqlc.arg(chunk) AND c.state = 'sent' AND c.first_row >= d.n)::int AS unanswered,
       EXISTS (SELECT 1 FROM submitter.calls c WHERE c.chunk = sqlc.arg(chunk) AND c.state = 'sent') AS silent
FROM done d;

-- name: ForgetCalls :execrows
-- What calls answered is of no use to anybody once the outcome is there.
DELETE FROM submitter.calls WHERE chunk = ANY(sqlc.arg(chunks)::uuid[]);

-- name: ForgetRefused :execrows
DELETE FROM submitter.refused WHERE chunk = ANY(sqlc.arg(chunks)::uuid[]);

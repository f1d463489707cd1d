-- name: NoteEnded :execrows
-- Jobs that have ended and that nobody has noted yet; with a chunk only its.
INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, processed, failed, error_message, state, next_read_at)
SELECT w.chunk, w.pipeline, w.org, w.job_id, w.job_state, w.processed, w.failed, w.error_message, 'reading', @clock
FROM poller_pub.watches w
WHERE w.state <> 'watching' AND w.reconciled_at IS NULL
  AND (sqlc.narg(chunk)::uuid IS NULL OR w.chunk = sqlc.narg(chunk))
  AND NOT EXISTS (SELECT FROM reconciler.work k WHERE k.chunk = w.chunk)
ON CONFLICT (chunk) DO NOTHING;

-- name: NoteNothingSent :execrows
-- Chunks for which no job was needed. One that had a job after all is noted by its watch.
INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, state, next_read_at)
SELECT s.chunk, s.pipeline, s.org, '', 'nothing_sent', 'reading', @clock
FROM submitter_pub.submissions s
WHERE s.state = 'nothing_sent' AND s.ended_at IS NULL
  AND (sqlc.narg(chunk)::uuid IS NULL OR s.chunk = sqlc.narg(chunk))
  AND NOT EXISTS (SELECT FROM reconciler.work k WHERE k.chunk = s.chunk)
  AND NOT EXISTS (SELECT FROM poller_pub.watches w WHERE w.chunk = s.chunk)
ON CONFLICT (chunk) DO NOTHING;

-- name: NoteAnswered :execrows
-- Chunks that went by calls of collections, whose rows have their answers, and those whose rows a forgotten job may have carried.
INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, error_message, state, next_read_at)
SELECT s.chunk, s.pipeline, s.org, '', CASE WHEN s.doubted_at IS NULL THEN 'answered' ELSE 'forgotten' END, s.close_refused, 'reading', @clock
FROM submitter_pub.submissions s
WHERE s.state = 'sent' AND s.answered_at IS NOT NULL AND s.ended_at IS NULL
  AND (sqlc.narg(chunk)::uuid IS NULL OR s.chunk = sqlc.narg(chunk))
  AND NOT EXISTS (SELECT FROM reconciler.work k WHERE k.chunk = s.chunk)
ON CONFLICT (chunk) DO NOTHING;

-- name: ClaimDue :many
-- What is due and who may work on it both go by the database's clock; the first is handed in, so that one look at it serves a whole pass.
UPDATE reconciler.work SET owner = @owner, epoch = epoch + 1, lease_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE chunk IN (
    SELECT k.chunk FROM reconciler.work k
    WHERE k.state = 'reading' AND k.next_read_at <= @due_at AND k.lease_until < now()
    ORDER BY k.next_read_at
    LIMIT @max_rows
    FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: Renew :execrows
-- What was given back is not renewed: a renewal that comes late would keep the next one waiting for a whole lease.
UPDATE reconciler.work SET lease_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading' AND lease_until > '-infinity';

-- name: Release :execrows
-- Hands a claim back without having read.
UPDATE reconciler.work SET lease_until = '-infinity'
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: ReadAgain :execrows
-- A complete read that does not decide; hands the claim back.
UPDATE reconciler.work
SET lease_until = '-infinity', next_read_at = @next_read_at, reads = @reads, first_read_at = @first_read_at, last_read_at = @last_read_at,
    last_digest = @last_digest, reason = @reason, errors = 0, malformed = 0, not_found = 0, first_not_found_at = NULL, last_error = '',
    lookups = 0, looked_up_at = NULL
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: BrokeOff :execrows
-- A read that broke off: nothing of it counts. Hands the claim back.
UPDATE reconciler.work
SET lease_until = '-infinity', next_read_at = @next_read_at, errors = @errors, malformed = @malformed, not_found = @not_found,
    first_not_found_at = @first_not_found_at, last_error = @last_error
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: LookedUp :execrows
-- A look-up that did not find every row, and too early to believe it; hands the claim back. What the files said stays what it was.
UPDATE reconciler.work
SET lease_until = '-infinity', next_read_at = @next_read_at, lookups = @lookups, looked_up_at = @looked_up_at, reason = @reason,
    errors = 0, not_found = 0, first_not_found_at = NULL, last_error = ''
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: Gone :execrows
-- Salesforce does not know the job any more, confirmed: there will be no files.
UPDATE reconciler.work
SET lease_until = '-infinity', next_read_at = @next_read_at, job_state = 'gone', errors = 0, malformed = 0, last_error = @last_error
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: Quarantine :execrows
UPDATE reconciler.work
SET state = 'quarantined', lease_until = '-infinity', pause_id = @pause_id, reason = @reason, reads = reads + 1
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: LiftQuarantined :execrows
-- The pause that a quarantine made was lifted: its files are read again, from the first read on.
UPDATE reconciler.work k
SET state = 'reading', next_read_at = @clock, reads = 0, first_read_at = NULL, last_read_at = NULL, last_digest = NULL, reason = '',
    errors = 0, malformed = 0, not_found = 0, first_not_found_at = NULL, pause_id = NULL, lookups = 0, looked_up_at = NULL
WHERE k.state = 'quarantined' AND k.pause_id IS NOT NULL
  AND EXISTS (SELECT FROM ops_pub.lifts l WHERE l.pause_id = k.pause_id);

-- name: Reconcile :execrows
UPDATE reconciler.work
SET state = 'reconciled', lease_until = '-infinity', reads = @reads, reason = @reason, last_error = '', ended_at = now()
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'reading';

-- name: NextDue :one
-- Seconds until a work can be claimed, at least 0: when it is due, and not before a claim on it has run out. -1 = there is none.
SELECT coalesce(min(GREATEST(
           extract(epoch FROM next_read_at - @clock::timestamptz),
           CASE WHEN lease_until > now() THEN extract(epoch FROM lease_until - now()) ELSE 0 END)), -1)::double precision AS seconds,
       count(*)::bigint AS reading,
       coalesce(extract(epoch FROM now() - min(noted_at)), 0)::double precision AS oldest_seconds,
       (SELECT count(*) FROM reconciler.work q WHERE q.state = 'quarantined')::bigint AS quarantined
FROM reconciler.work WHERE state = 'reading';

-- name: Unwatched :many
-- Jobs past Open that nobody watches yet; with a chunk only that one. past_rows and past_seconds: what the pipeline's last five finished jobs had and took
-- on average, without those whose looks were far between, as while the org was away: they were seen to have ended long after they had. One that the
-- first look found ended took less than that, nobody knows how much: it counts a tenth less, so that looks come earlier again when jobs become faster,
-- and four tenths less while none took a second look.
SELECT s.chunk, s.pipeline, s.org, s.job_id, coalesce(s.upload_rows, 0)::integer AS rows,
       coalesce(s.submitted_at, now())::timestamptz AS submitted_at,
       coalesce(p.past_rows, 0)::double precision AS past_rows, coalesce(p.past_seconds, 0)::double precision AS past_seconds
FROM submitter_pub.submissions s
LEFT JOIN LATERAL (
    SELECT avg(l.rows) AS past_rows,
           avg(extract(epoch FROM l.finished_at - l.submitted_at) * CASE WHEN l.looks <= 1 THEN 0.9 ELSE 1 END)
           * CASE WHEN max(l.looks) <= 1 THEN 2.0 / 3 ELSE 1 END AS past_seconds
    FROM (SELECT w.rows, w.submitted_at, w.finished_at, w.looks FROM poller.watches w
          WHERE w.pipeline = s.pipeline AND w.state = 'finished'
            AND extract(epoch FROM w.finished_at - w.submitted_at) <= w.looks * greatest(60, extract(epoch FROM w.finished_at - w.submitted_at) / 10)
          ORDER BY w.finished_at DESC LIMIT 5) l
) p ON true
WHERE s.state = 'submitted' AND s.job_id <> ''
  AND (sqlc.narg(chunk)::uuid IS NULL OR s.chunk = sqlc.narg(chunk))
  AND NOT EXISTS (SELECT FROM poller.watches w WHERE w.chunk = s.chunk)
ORDER BY s.submitted_at
LIMIT sqlc.arg(max_rows);

-- name: Watch :execrows
INSERT INTO poller.watches (chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at)
VALUES (@chunk, @pipeline, @org, @job_id, @rows, 'watching', @submitted_at, @next_look_at)
ON CONFLICT (chunk) DO NOTHING;

-- name: ClaimDue :many
-- What is due and who may work on it both go by the database's clock; the first is handed in, so that one look at it serves a whole pass.
UPDATE poller.watches SET owner = @owner, epoch = epoch + 1, lease_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE chunk IN (
    SELECT w.chunk FROM poller.watches w
    WHERE w.state = 'watching' AND w.next_look_at <= @due_at AND w.lease_until < now()
    ORDER BY w.next_look_at
    LIMIT @max_rows
    FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: Renew :execrows
-- What was given back is not renewed: a renewal that comes late would keep the next one waiting for a whole lease.
UPDATE poller.watches SET lease_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'watching' AND lease_until > '-infinity';

-- name: Seen :execrows
-- A look after which the watch goes on, ends as finished or ends as gone; each hands the claim back.
UPDATE poller.watches
SET state = @state, lease_until = '-infinity', next_look_at = @next_look_at, looked_at = @looked_at, looks = @looks, errors = @errors,
    job_state = @job_state, processed = @processed, failed = @failed, error_message = @error_message, progressed_at = @progressed_at,
    not_found = @not_found, first_not_found_at = @first_not_found_at, last_error = @last_error, finished_at = @finished_at
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'watching';

-- name: Release :execrows
-- Hands a claim back without having looked.
UPDATE poller.watches SET lease_until = '-infinity'
WHERE chunk = @chunk AND epoch = @epoch AND owner = @owner AND state = 'watching';

-- name: NextDue :one
-- Seconds until a watch can be claimed, at least 0: when it is due, and not before a claim on it has run out. -1 = nothing is watched.
SELECT coalesce(min(GREATEST(
           extract(epoch FROM next_look_at - @clock::timestamptz),
           CASE WHEN lease_until > now() THEN extract(epoch FROM lease_until - now()) ELSE 0 END)), -1)::double precision AS seconds,
       count(*)::bigint AS watching,
       coalesce(extract(epoch FROM now() - min(submitted_at)), 0)::double precision AS oldest_seconds
FROM poller.watches WHERE state = 'watching';

-- name: MarkReconciled :execrows
-- The chunk's outcome exists: the watch is history. Without a chunk all of them.
UPDATE poller.watches w SET reconciled_at = now()
WHERE w.state <> 'watching' AND w.reconciled_at IS NULL
  AND (sqlc.narg(chunk)::uuid IS NULL OR w.chunk = sqlc.narg(chunk))
  AND EXISTS (SELECT FROM reconciler_pub.outcomes o WHERE o.chunk = w.chunk);

-- name: KnownOrg :one
-- The id of the Salesforce org that jobs of this name were made in.
SELECT o.org_id FROM submitter_pub.orgs o WHERE o.name = @name;

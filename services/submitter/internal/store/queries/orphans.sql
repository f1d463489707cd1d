-- What the orphan sweep asks.

-- name: OrgsWithJobs :many
SELECT DISTINCT org FROM submitter.jobs ORDER BY org;

-- name: KeptAmong :many
-- Which of these jobs a submission still has: bound ones are adopted whatever their age, created ones may be bound until they are too old.
SELECT job_id FROM submitter.submissions
WHERE job_id = ANY(sqlc.arg(job_ids)::text[])
  AND (state NOT IN ('claimed', 'created') OR job_created_at > now() - make_interval(secs => sqlc.arg(max_age_seconds)::float8));

-- name: LeaveOrphan :execrows
UPDATE submitter.jobs SET state = 'abandoned' WHERE job_id = sqlc.arg(job_id) AND state = 'created';

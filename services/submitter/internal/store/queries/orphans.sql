-- What the orphan sweep asks.

-- name: OrgsWithJobs :many
SELECT DISTINCT org FROM submitter.jobs ORDER BY org;

-- name: KeptAmong :many
-- Which of these jobs a submission still has: bound ones are adopted whatever their age, created ones may be bound until they are too old, and
-- while somebody works on them. Behind the outcome nobody has a job: one that counted as gone and is Open all the same must never be closed.
SELECT job_id FROM submitter.submissions
WHERE job_id = ANY(sqlc.arg(job_ids)::text[]) AND ended_at IS NULL
  AND (state NOT IN ('claimed', 'created') OR lease_until > now()
       OR job_created_at > now() - make_interval(secs => sqlc.arg(max_age_seconds)::float8)
       OR uploaded_at > now() - make_interval(secs => least(sqlc.arg(max_age_seconds)::float8, 60)));

-- name: LeaveOrphan :execrows
UPDATE submitter.jobs SET state = 'abandoned' WHERE job_id = sqlc.arg(job_id) AND state = 'created';

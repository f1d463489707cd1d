-- name: landed
SELECT coalesce(sum(landed), 0)::bigint FROM reconciler_pub.outcome_runs WHERE pipeline = $1
-- name: size
SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
-- name: jobs
SELECT j.job_id, s.kind FROM submitter_pub.jobs j JOIN submitter_pub.submissions s ON s.chunk = j.chunk
-- name: abandoned
SELECT count(*) FROM submitter_pub.jobs WHERE state = 'abandoned'
-- name: chunks
SELECT kind, count(*) FROM submitter_pub.submissions GROUP BY kind
-- name: outcomes
SELECT row_ids, reconciled_at FROM reconciler_pub.outcomes WHERE pipeline = $1
-- name: collections
SELECT s.kind, sum((o.rows + $1 - 1) / $1)::bigint FROM submitter_pub.submissions s JOIN reconciler_pub.outcomes o ON o.chunk = s.chunk
WHERE s.job_id = '' GROUP BY s.kind
-- name: full
SELECT coalesce(sum(o.landed), 0)::bigint, coalesce(max(o.reconciled_at), 'epoch') FROM reconciler_pub.outcomes o
JOIN extractor_pub.chunks c ON c.chunk = o.chunk WHERE c.pipeline = $1 AND c.kind = 'fresh' AND (c.rows >= $2 OR c.bytes >= $3)
-- name: backends
SELECT pid::text, coalesce(nullif(application_name, ''), backend_type, 'other') FROM pg_stat_activity
-- name: safety
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_level')
-- name: weakened
SELECT (SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) s WHERE s ~ '^(fsync|synchronous_commit|full_page_writes)=')
    + (SELECT count(*) FROM pg_class WHERE relpersistence = 'u')

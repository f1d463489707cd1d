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

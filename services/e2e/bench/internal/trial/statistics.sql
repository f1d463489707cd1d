-- name: statements
SELECT round(s.total_exec_time::numeric, 1) AS ms, s.calls, s.rows, round(s.mean_exec_time::numeric, 3) AS ms_each, s.shared_blks_hit, s.shared_blks_read,
    s.shared_blks_dirtied, s.wal_records, s.wal_fpi, s.wal_bytes, r.rolname AS role, left(regexp_replace(s.query, '\s+', ' ', 'g'), 300) AS query
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid ORDER BY s.total_exec_time DESC LIMIT 60
-- name: wal
SELECT * FROM pg_stat_wal
-- name: bgwriter
SELECT * FROM pg_stat_bgwriter
-- name: tables
SELECT schemaname || '.' || relname AS name, n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup, seq_scan, seq_tup_read, idx_scan, autovacuum_count,
    autoanalyze_count, pg_total_relation_size(relid) AS bytes, pg_relation_size(relid) AS heap_bytes
FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 60
-- name: indexes
SELECT schemaname || '.' || indexrelname AS name, idx_scan, idx_tup_read, pg_relation_size(indexrelid) AS bytes
FROM pg_stat_user_indexes ORDER BY pg_relation_size(indexrelid) DESC LIMIT 60

-- Unresolved records that were decided not to have landed, with the failure that holds their row and payload.
-- name: ResolutionsToTake :many
SELECT f.id, f.chunk, f.row, f.pipeline, f.revision, f.lane, f.run, f.key_hash, f.entity_hash, f.generation, f.seq, f.idx, f.class, f.code,
       f.attempt, f.version, r.by, r.reason
FROM reconciler_pub.resolutions r
JOIN reconciler_pub.failures f ON f.id = r.failure_id
WHERE r.decision = 'not_landed'
  AND NOT EXISTS (SELECT 1 FROM retrier.resolutions_taken t WHERE t.failure_id = r.failure_id)
ORDER BY r.decided_at, r.failure_id
LIMIT @max_records;

-- Gives back the records that nobody has taken before.
-- name: TakeResolutions :many
INSERT INTO retrier.resolutions_taken (failure_id)
SELECT unnest(@failure_ids::bigint[])
ON CONFLICT (failure_id) DO NOTHING
RETURNING failure_id;

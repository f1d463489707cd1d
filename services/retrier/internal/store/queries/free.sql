-- name: ChunksToEnd :many
SELECT c.chunk
FROM retrier.chunks c
JOIN reconciler_pub.outcomes o ON o.chunk = c.chunk
WHERE c.reconciled_at IS NULL
LIMIT @max_chunks;

-- The lane is free for the next resend once the outcome row exists.
-- name: EndChunk :execrows
UPDATE retrier.chunks
SET reconciled_at = now()
WHERE chunks.chunk = @chunk AND chunks.reconciled_at IS NULL
  AND EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = @chunk);

-- Rows of a chunk may still be asked for while one of its records is unresolved.
-- name: FreePieces :execrows
DELETE FROM retrier.pieces
WHERE pieces.chunk = @chunk
  AND coalesce((SELECT sum(r.unresolved) FROM reconciler_pub.outcome_runs r WHERE r.chunk = @chunk), 0)
      <= (SELECT count(*) FROM reconciler_pub.resolutions s WHERE s.chunk = @chunk);

-- Ended chunks whose rows stayed for unresolved records that have all been decided since.
-- name: ChunksDecided :many
SELECT c.chunk
FROM retrier.chunks c
WHERE c.reconciled_at IS NOT NULL
  AND EXISTS (SELECT 1 FROM retrier.pieces p WHERE p.chunk = c.chunk)
  AND coalesce((SELECT sum(r.unresolved) FROM reconciler_pub.outcome_runs r WHERE r.chunk = c.chunk), 0)
      <= (SELECT count(*) FROM reconciler_pub.resolutions s WHERE s.chunk = c.chunk)
LIMIT @max_chunks;

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

-- Rows of a chunk with unresolved records may still be asked for.
-- name: FreePieces :execrows
DELETE FROM retrier.pieces
WHERE pieces.chunk = @chunk
  AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcome_runs r WHERE r.chunk = @chunk AND r.unresolved > 0);

-- Chunks that nobody can say the outcome of yet, by lane: what backpressure counts.
-- name: OpenChunks :many
SELECT c.lane, count(*) AS chunks FROM extractor.chunks c
WHERE c.pipeline = @pipeline AND c.kind = 'fresh' AND c.reconciled_at IS NULL
  AND NOT EXISTS (SELECT FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
GROUP BY c.lane;

-- Whether anything of an entity space may still be sent as it was routed: chunks without an outcome, failures not yet taken, rows that wait,
-- unresolved ones that were decided not to have landed, and letters that the retrier will send again. Those that the extractor maps again are routed by the revision in force then.
-- Chunks of one pipeline may count wherever its rows went.
-- name: SpaceBusy :one
SELECT (EXISTS (
    SELECT FROM extractor.chunks c
    WHERE (c.space = @space OR c.pipeline = @own) AND c.reconciled_at IS NULL AND NOT EXISTS (SELECT FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
) OR EXISTS (
    SELECT FROM retrier_pub.chunks c
    WHERE (c.space = @space OR c.pipeline = @own) AND NOT EXISTS (SELECT FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
) OR EXISTS (
    SELECT FROM reconciler_pub.outcome_runs r
    WHERE r.pipeline = ANY (@pipelines::text[]) AND r.retrying + r.waiting_for_parent > 0
      AND NOT EXISTS (SELECT FROM retrier_pub.taken t WHERE t.chunk = r.chunk)
) OR EXISTS (
    SELECT FROM retrier_pub.waiting w WHERE w.pipeline = ANY (@pipelines::text[])
) OR EXISTS (
    SELECT FROM reconciler_pub.resolutions v
    WHERE v.pipeline = ANY (@pipelines::text[]) AND v.decision = 'not_landed'
      AND NOT EXISTS (SELECT FROM retrier_pub.resolutions_taken t WHERE t.failure_id = v.failure_id)
) OR EXISTS (
    SELECT FROM ops_pub.replays p
    WHERE p.pipeline = ANY (@pipelines::text[]) AND p.taker = 'retrier'
      AND NOT EXISTS (SELECT FROM retrier_pub.letters_taken t WHERE t.letter_id = p.letter_id)
))::boolean AS busy;

-- Chunks whose rows may go: the outcome is known, and what was unresolved in it is decided.
-- name: FreeableChunks :many
SELECT c.chunk FROM extractor.chunks c
WHERE c.reconciled_at IS NULL
  AND EXISTS (SELECT FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
  AND (SELECT coalesce(sum(r.unresolved), 0) FROM reconciler_pub.outcome_runs r WHERE r.chunk = c.chunk)
      <= (SELECT count(*) FROM reconciler_pub.resolutions v WHERE v.chunk = c.chunk)
ORDER BY c.seal_no
LIMIT @most;

-- name: MarkReconciled :many
UPDATE extractor.chunks SET reconciled_at = now() WHERE chunk = ANY (@chunks::uuid[]) AND reconciled_at IS NULL RETURNING chunk;

-- name: DropPieces :exec
DELETE FROM extractor.pieces WHERE chunk = ANY (@chunks::uuid[]);

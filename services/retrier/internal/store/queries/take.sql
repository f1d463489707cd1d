-- name: TakeChunk :execrows
INSERT INTO retrier.taken (chunk) VALUES (@chunk) ON CONFLICT (chunk) DO NOTHING;

-- How many rows a reconciled chunk has.
-- name: OutcomeRows :one
SELECT rows FROM reconciler_pub.outcomes WHERE chunk = @chunk;

-- The open work of the take pass, whether a fact told of it or not.
-- name: ChunksToTake :many
SELECT DISTINCT o.chunk
FROM reconciler_pub.outcome_runs o
WHERE o.retrying + o.waiting_for_parent > 0
  AND NOT EXISTS (SELECT 1 FROM retrier.taken t WHERE t.chunk = o.chunk)
LIMIT @max_chunks;

-- In portions, of some of the chunk's rows each. Every try so far is asked for only where it counts: of rows that Salesforce did not look at.
-- name: FailuresToRetry :many
SELECT id, row, record, pipeline, revision, lane, run, key_hash, generation, entity_hash, seq, idx, attempt, outcome, class, code,
       (CASE WHEN outcome = 'unprocessed' THEN attempts ELSE '[]'::jsonb END)::jsonb AS attempts, version, tries
FROM reconciler_pub.failures
WHERE chunk = @chunk AND row >= @from_row AND row < @to_row AND disposition = 'retry'
ORDER BY row, record;

-- name: InsertWaiting :copyfrom
INSERT INTO retrier.waiting
    (failure_id, unit_chunk, unit_row, letter_id, pipeline, revision, lane, run, key_hash, entity_hash, generation, seq, idx,
     class, code, attempt, reason, due_at, since, version)
VALUES
    (@failure_id, @unit_chunk, @unit_row, @letter_id, @pipeline, @revision, @lane, @run, @key_hash, @entity_hash, @generation, @seq, @idx,
     @class, @code, @attempt, @reason, @due_at, @since, @version);

-- name: InsertDead :copyfrom
INSERT INTO retrier.dead
    (letter_id, failure_id, pipeline, run, key, key_hash, generation, class, code, message, dead_at)
VALUES
    (@letter_id, @failure_id, @pipeline, @run, @key, @key_hash, @generation, @class, @code, @message, @dead_at);

-- Everything that a dead letter says, payload included: read only for records that are exhausted.
-- name: FailureBodies :many
SELECT id, chunk, row, record, pipeline, revision, run, key, key_hash, generation, entity, seq, idx, accepted_at,
       outcome, class, code, message, fields, header, cells, payload, attempts
FROM reconciler_pub.failures
WHERE id = ANY (@ids::bigint[])
ORDER BY id;

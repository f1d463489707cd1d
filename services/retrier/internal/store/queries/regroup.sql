-- The first lane after one in which something waits, with the revision of what has been due longest there: a chunk has one header. Lanes are few, and
-- asked for one by one, so that none of them costs more than its first row, however much waits.
-- name: NextLane :one
SELECT w.pipeline, w.lane, w.revision, w.due_at AS oldest_due_at,
       (EXISTS (SELECT 1 FROM retrier.chunks c WHERE c.pipeline = w.pipeline AND c.lane = w.lane AND c.reconciled_at IS NULL))::boolean AS busy
FROM retrier.waiting w
WHERE (w.pipeline, w.lane) > (@pipeline::text, @lane::integer)
ORDER BY w.pipeline, w.lane, w.due_at
LIMIT 1;

-- name: CountDueUnits :one
SELECT count(*) FROM (
    SELECT 1 FROM retrier.waiting
    WHERE pipeline = @pipeline AND lane = @lane AND revision = @revision AND due_at <= @now
    GROUP BY unit_chunk, unit_row
    LIMIT @max_units) u;

-- Whole units, the oldest first: by version where the records have one, else by the place in the stream. All records of a unit are due at one
-- time. It is a single walk over what is due, without a join: whatever the server believes of the table, there is no plan by which it would be slow.
-- name: DueWaiting :many
SELECT w.failure_id, w.unit_chunk, w.unit_row, w.letter_id, w.run, w.key_hash, w.entity_hash, w.generation, w.seq, w.idx, w.attempt, w.version
FROM (
    SELECT x.failure_id, x.unit_chunk, x.unit_row, x.letter_id, x.run, x.key_hash, x.entity_hash, x.generation, x.seq, x.idx, x.attempt, x.version,
           sum(CASE x.nth WHEN 1 THEN 1 ELSE 0 END) OVER (ORDER BY x.first_version NULLS FIRST, x.first_seq, x.first_idx, x.unit_chunk, x.unit_row) AS unit
    FROM (
        SELECT d.failure_id, d.unit_chunk, d.unit_row, d.letter_id, d.run, d.key_hash, d.entity_hash, d.generation, d.seq, d.idx, d.attempt, d.version,
               row_number() OVER u AS nth, first_value(d.version) OVER u AS first_version, first_value(d.seq) OVER u AS first_seq, first_value(d.idx) OVER u AS first_idx
        FROM retrier.waiting d
        WHERE d.pipeline = @pipeline AND d.lane = @lane AND d.revision = @revision AND d.due_at <= @now
        WINDOW u AS (PARTITION BY d.unit_chunk, d.unit_row ORDER BY d.version, d.seq, d.idx)
    ) x
) w
WHERE w.unit <= @max_units::bigint
ORDER BY w.unit, w.version NULLS FIRST, w.seq, w.idx;

-- Rows as they were sent, each found by its number; the payload is not needed to send one again.
-- name: FailureRows :many
SELECT f.id, f.key, f.columns, f.header, f.cells, f.accepted_at, f.ambiguous, f.version, f.row_records
FROM (SELECT unnest(@ids::bigint[]) AS id) a
CROSS JOIN LATERAL (
    SELECT n.id, n.key, n.columns, n.header, n.cells, n.accepted_at, n.ambiguous, n.version, n.row_records
    FROM reconciler_pub.failures n
    WHERE n.id = a.id
    OFFSET 0
) f;

-- name: Payloads :many
SELECT id, payload FROM reconciler_pub.failures WHERE id = ANY (@ids::bigint[]);

-- name: Columns :many
SELECT ordinal, name FROM extractor_pub.columns WHERE pipeline = @pipeline ORDER BY ordinal;

-- name: InsertChunk :exec
INSERT INTO retrier.chunks
    (chunk, pipeline, revision, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq,
     last_seq)
VALUES
    (@chunk, @pipeline, @revision, @org, @object, @operation, @external_id_field, @space, @lane, @header, @rows, @records, @bytes, @manifest, @first_seq,
     @last_seq);

-- name: InsertChunkRuns :copyfrom
INSERT INTO retrier.chunk_runs (chunk, pipeline, run, kind, records) VALUES (@chunk, @pipeline, @run, @kind, @records);

-- name: InsertPieces :copyfrom
INSERT INTO retrier.pieces (chunk, n, rows, data) VALUES (@chunk, @n, @rows, @data);

-- name: InsertResent :copyfrom
INSERT INTO retrier.resent (chunk, row, record, failure_id, pipeline, key_hash, generation)
VALUES (@chunk, @row, @record, @failure_id, @pipeline, @key_hash, @generation);

-- name: DeleteWaiting :execrows
DELETE FROM retrier.waiting WHERE failure_id = ANY (@failure_ids::bigint[]);

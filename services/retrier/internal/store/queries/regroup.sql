-- Lanes with something due and no resend on its way. The revision is that of what has been due longest: a chunk has one header.
-- name: DueLanes :many
SELECT DISTINCT ON (w.pipeline, w.lane) w.pipeline, w.lane, w.revision, w.due_at AS oldest_due_at
FROM retrier.waiting w
WHERE w.due_at <= @now
  AND NOT EXISTS (SELECT 1 FROM retrier.chunks c WHERE c.pipeline = w.pipeline AND c.lane = w.lane AND c.reconciled_at IS NULL)
ORDER BY w.pipeline, w.lane, w.due_at, w.failure_id;

-- name: CountDueUnits :one
SELECT count(*) FROM (
    SELECT 1 FROM retrier.waiting
    WHERE pipeline = @pipeline AND lane = @lane AND revision = @revision AND due_at <= @now
    GROUP BY unit_chunk, unit_row
    LIMIT @max_units) u;

-- Whole units, the oldest first: by version where the records have one, else by the place in the stream. All records of a unit are due at one
-- time.
-- name: DueWaiting :many
SELECT w.failure_id, w.unit_chunk, w.unit_row, w.letter_id, w.run, w.key_hash, w.entity_hash, w.generation, w.seq, w.idx, w.attempt, w.version
FROM retrier.waiting w
JOIN (
    SELECT x.unit_chunk, x.unit_row, (array_agg(x.version ORDER BY x.version))[1] AS first_version, min(x.seq) AS first_seq, min(x.idx) AS first_idx
    FROM retrier.waiting x
    WHERE x.pipeline = @pipeline AND x.lane = @lane AND x.revision = @revision AND x.due_at <= @now
    GROUP BY x.unit_chunk, x.unit_row
    ORDER BY first_version NULLS FIRST, first_seq, first_idx, x.unit_chunk, x.unit_row
    LIMIT @max_units
) u ON u.unit_chunk = w.unit_chunk AND u.unit_row = w.unit_row
ORDER BY u.first_version NULLS FIRST, u.first_seq, u.first_idx, w.unit_chunk, w.unit_row, w.version NULLS FIRST, w.seq, w.idx;

-- name: NextDue :one
SELECT w.due_at
FROM retrier.waiting w
WHERE NOT EXISTS (SELECT 1 FROM retrier.chunks c WHERE c.pipeline = w.pipeline AND c.lane = w.lane AND c.reconciled_at IS NULL)
ORDER BY w.due_at
LIMIT 1;

-- Rows as they were sent; the payload is not needed to send one again.
-- name: FailureRows :many
SELECT id, chunk, row, record, key, columns, header, cells, accepted_at, ambiguous, version,
       (SELECT count(*) FROM reconciler_pub.failures s WHERE s.chunk = f.chunk AND s.row = f.row) AS row_records
FROM reconciler_pub.failures f
WHERE id = ANY (@ids::bigint[]);

-- name: Payloads :many
SELECT id, payload FROM reconciler_pub.failures WHERE id = ANY (@ids::bigint[]);

-- name: Columns :many
SELECT ordinal, name FROM extractor_pub.columns WHERE pipeline = @pipeline ORDER BY ordinal;

-- name: InsertChunk :exec
INSERT INTO retrier.chunks
    (chunk, pipeline, revision, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq)
VALUES
    (@chunk, @pipeline, @revision, @org, @object, @operation, @external_id_field, @space, @lane, @header, @rows, @records, @bytes, @manifest, @first_seq);

-- name: InsertChunkRuns :copyfrom
INSERT INTO retrier.chunk_runs (chunk, pipeline, run, kind, records) VALUES (@chunk, @pipeline, @run, @kind, @records);

-- name: InsertPieces :copyfrom
INSERT INTO retrier.pieces (chunk, n, rows, data) VALUES (@chunk, @n, @rows, @data);

-- name: InsertResent :copyfrom
INSERT INTO retrier.resent (chunk, row, record, failure_id, pipeline, key_hash, generation)
VALUES (@chunk, @row, @record, @failure_id, @pipeline, @key_hash, @generation);

-- name: DeleteWaiting :execrows
DELETE FROM retrier.waiting WHERE failure_id = ANY (@failure_ids::bigint[]);

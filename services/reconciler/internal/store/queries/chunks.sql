-- name: SealedChunk :one
-- A chunk of whoever sealed it.
SELECT chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, traceparent
FROM extractor_pub.chunks c WHERE c.chunk = @chunk
UNION ALL
SELECT chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, traceparent
FROM retrier_pub.chunks r WHERE r.chunk = @chunk;

-- name: ManifestOf :one
-- Apart from the chunk: it is large, and not needed before the files have been read.
SELECT c.manifest FROM extractor_pub.chunks c WHERE c.chunk = @chunk
UNION ALL
SELECT r.manifest FROM retrier_pub.chunks r WHERE r.chunk = @chunk;

-- name: NextPiece :one
-- The chunk's first piece after a number.
SELECT n, rows, data FROM extractor_pub.pieces e WHERE e.chunk = @chunk AND e.n > @after
UNION ALL
SELECT n, rows, data FROM retrier_pub.pieces r WHERE r.chunk = @chunk AND r.n > @after
ORDER BY n LIMIT 1;

-- name: Submission :one
SELECT close_refused, upload_rows FROM submitter_pub.submissions WHERE chunk = @chunk;

-- name: SupersededRows :many
SELECT DISTINCT row FROM submitter_pub.superseded WHERE chunk = @chunk ORDER BY row;

-- name: RowIDs :one
-- The ids that rows of an update or delete were sent with, 18 bytes a row.
SELECT row_ids FROM submitter_pub.resolutions WHERE chunk = @chunk;

-- name: UnsentRows :many
-- Rows that were left out of the upload since the org has no row for them, or more than one.
SELECT row, class, code, message FROM submitter_pub.unsent WHERE chunk = @chunk ORDER BY row;

-- name: Calls :many
-- The calls of collections that were made for a chunk's rows, and had an effect or may have had one.
SELECT call, first_row, end_row, state, row_states, row_ids FROM submitter_pub.calls WHERE chunk = @chunk AND state <> 'void' ORDER BY call;

-- name: RefusedRows :many
-- What calls said of rows that they refused.
SELECT row, code, message, fields FROM submitter_pub.refused WHERE chunk = @chunk ORDER BY row;

-- name: ReducedRows :many
-- Columns that single rows were sent without.
SELECT row, columns FROM submitter_pub.reduced WHERE chunk = @chunk;

-- name: Columns :many
SELECT ordinal, name FROM extractor_pub.columns WHERE pipeline = @pipeline;

-- name: ReaderOf :one
-- The incarnation of RECORDS that the pipeline's places belong to, NULL = not read yet; and the last message that was read.
SELECT incarnation, witness_seq, witness_stored_at FROM extractor_pub.readers WHERE pipeline = @pipeline;

-- name: Skipped :many
-- Places under which the stream holds other messages than were read.
SELECT from_seq, through_seq FROM extractor_pub.skipped WHERE pipeline = @pipeline;

-- name: ExtractorLetters :many
-- Payloads of letters that the extractor decided.
SELECT letter_id, payload FROM extractor_pub.dead WHERE letter_id = ANY(@letter_ids::uuid[]);

-- name: RetrierLetters :many
-- Letters that the retrier decided, and the failure that holds the payload and the attempts of each.
SELECT letter_id, failure_id FROM retrier_pub.dead WHERE letter_id = ANY(@letter_ids::uuid[]);

-- name: OrgID :one
-- The id of the org that jobs under this name were made in.
SELECT org_id FROM submitter_pub.orgs WHERE name = @name;

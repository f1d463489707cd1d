-- name: SealedChunk :one
-- A chunk of whoever sealed it.
SELECT chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, manifest, traceparent
FROM extractor_pub.chunks c WHERE c.chunk = @chunk
UNION ALL
SELECT chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, manifest, traceparent
FROM retrier_pub.chunks r WHERE r.chunk = @chunk;

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

-- name: ReducedRows :many
-- Columns that single rows were sent without.
SELECT row, columns FROM submitter_pub.reduced WHERE chunk = @chunk;

-- name: Columns :many
SELECT ordinal, name FROM extractor_pub.columns WHERE pipeline = @pipeline;

-- name: ReaderIncarnation :one
-- The incarnation of RECORDS that the pipeline's places belong to; NULL = not read yet.
SELECT incarnation FROM extractor_pub.readers WHERE pipeline = @pipeline;

-- name: ExtractorLetters :many
-- Payloads of letters that the extractor decided.
SELECT letter_id, payload FROM extractor_pub.dead WHERE letter_id = ANY(@letter_ids::uuid[]);

-- name: RetrierLetters :many
-- Letters that the retrier decided, and the failure that holds the payload and the attempts of each.
SELECT letter_id, failure_id FROM retrier_pub.dead WHERE letter_id = ANY(@letter_ids::uuid[]);

-- name: OrgID :one
-- The id of the org that jobs under this name were made in.
SELECT org_id FROM submitter_pub.orgs WHERE name = @name;

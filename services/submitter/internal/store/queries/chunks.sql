-- What a chunk says, from the views of who sealed it.

-- name: ChunkOf :one
SELECT c.chunk, c.pipeline, c.revision, c.kind, c.org, c.object, c.operation, c.external_id_field, c.space, c.lane, c.header, c.rows, c.records,
       c.bytes, c.traceparent, c.first_seq, c.last_seq
FROM extractor_pub.chunks c WHERE c.chunk = sqlc.arg(chunk)
UNION ALL
SELECT r.chunk, r.pipeline, r.revision, r.kind, r.org, r.object, r.operation, r.external_id_field, r.space, r.lane, r.header, r.rows, r.records,
       r.bytes, r.traceparent, r.first_seq, r.last_seq
FROM retrier_pub.chunks r WHERE r.chunk = sqlc.arg(chunk);

-- name: ManifestOf :one
SELECT c.manifest FROM extractor_pub.chunks c WHERE c.chunk = sqlc.arg(chunk)
UNION ALL
SELECT r.manifest FROM retrier_pub.chunks r WHERE r.chunk = sqlc.arg(chunk);

-- name: NextPiece :many
-- The first piece after n; a chunk lies in one of the two views.
(SELECT p.n, p.rows, p.data FROM extractor_pub.pieces p WHERE p.chunk = sqlc.arg(chunk) AND p.n > sqlc.arg(after) ORDER BY p.n LIMIT 1)
UNION ALL
(SELECT p.n, p.rows, p.data FROM retrier_pub.pieces p WHERE p.chunk = sqlc.arg(chunk) AND p.n > sqlc.arg(after) ORDER BY p.n LIMIT 1);

-- name: SupersededRows :many
SELECT DISTINCT row FROM submitter.superseded WHERE chunk = sqlc.arg(chunk);

-- name: ReducedRows :many
SELECT row, columns FROM submitter.reduced WHERE chunk = sqlc.arg(chunk);

-- name: UnsentRows :many
SELECT row FROM submitter.unsent WHERE chunk = sqlc.arg(chunk);

-- name: ResolutionOf :one
SELECT row_ids FROM submitter.resolutions WHERE chunk = sqlc.arg(chunk);

-- name: ColumnsOf :many
SELECT ordinal, name FROM extractor_pub.columns WHERE pipeline = sqlc.arg(pipeline);

-- name: FollowerSeq :one
-- Behind it no record of the pipeline follows another one of its entity; -1 = nobody knows.
SELECT coalesce(max(follower_seq), -1)::bigint AS seq FROM extractor_pub.readers WHERE pipeline = sqlc.arg(pipeline);

-- name: NewerRecords :many
-- Records of a pipeline and of the same entity that are newer and were put into a chunk: of a later version, and of one version (or where none is
-- named) later in the stream; of two records of which one has a version, the one that is later in the stream. rows, entities, versions, seqs and
-- idxs are parallel lists, and so are first_seqs and first_idxs, the lowest place of the rows' own records, and own_rows, own_seqs and own_idxs, the
-- places of them all. Of those that say the same of one row only the newest is
-- told: an entity may have any number of versions. sent says that the record reached the org, or may have: its row landed or is
-- missing, in its first chunk or in one that it was sent again with. While the lane is held, what has no outcome there has not been sent.
-- dead says that its last try has failed for good and nobody has ordered another one, or that another generation of it stands for it: it may never
-- be sent. Letters of generations before the record's own are not its letters: one that was loaded again after a discard is on its way.
-- deletes says that the record deletes the row of the org, whatever columns it names.
WITH asked AS (
    SELECT unnest(sqlc.arg(rows)::int[]) AS row, unnest(sqlc.arg(entities)::uuid[]) AS entity, unnest(sqlc.arg(versions)::bytea[]) AS version,
           unnest(sqlc.arg(seqs)::bigint[]) AS seq, unnest(sqlc.arg(idxs)::int[]) AS idx,
           unnest(sqlc.arg(first_seqs)::bigint[]) AS first_seq, unnest(sqlc.arg(first_idxs)::int[]) AS first_idx
), own AS (
    SELECT unnest(sqlc.arg(own_rows)::int[]) AS row, unnest(sqlc.arg(own_seqs)::bigint[]) AS seq, unnest(sqlc.arg(own_idxs)::int[]) AS idx
), newer AS (
    SELECT a.row, r.key_hash, coalesce(r.version, ''::bytea) AS version, r.seq, r.idx, r.columns,
           CASE WHEN (r.version IS NULL) = (a.version = ''::bytea) THEN coalesce(r.version, ''::bytea) ELSE ''::bytea END AS compared,
           (EXISTS (SELECT 1 FROM reconciler_pub.outcomes o
                    WHERE o.chunk = r.chunk AND r.row < length(o.row_states) AND get_byte(o.row_states, r.row) IN (ascii('l'), ascii('m')))
            OR EXISTS (SELECT 1 FROM retrier_pub.resent s JOIN reconciler_pub.outcomes o ON o.chunk = s.chunk
                       WHERE s.pipeline = r.pipeline AND s.key_hash = r.key_hash
                         AND s.row < length(o.row_states) AND get_byte(o.row_states, s.row) IN (ascii('l'), ascii('m')))) AS sent,
           (EXISTS (SELECT 1 FROM (
                       SELECT f.letter_id FROM reconciler_pub.failures f
                       WHERE f.pipeline = r.pipeline AND f.key_hash = r.key_hash AND f.generation >= r.generation AND f.disposition = 'dead'
                       UNION ALL
                       SELECT d.letter_id FROM retrier_pub.dead d
                       WHERE d.pipeline = r.pipeline AND d.key_hash = r.key_hash AND d.generation >= r.generation
                       UNION ALL
                       SELECT e.letter_id FROM extractor_pub.dead e
                       WHERE e.pipeline = r.pipeline AND e.key_hash = r.key_hash AND e.generation >= r.generation) x
                   LEFT JOIN ops_pub.letters l ON l.letter_id = x.letter_id
                   WHERE coalesce(l.state, 'open') IN ('open', 'discarded', 'rolled_back'))
            OR EXISTS (SELECT 1 FROM extractor_pub.records g
                       WHERE g.pipeline = r.pipeline AND g.key_hash = r.key_hash AND g.generation > r.generation AND g.placed IS NULL)) AS dead,
           EXISTS (SELECT 1 FROM extractor_pub.chunks c WHERE c.chunk = r.chunk AND c.operation IN ('delete', 'hardDelete')) AS deletes
    -- OFFSET keeps the look-up of one entity a query of its own, by the index of entities: joined with all rows asked about, PostgreSQL reads the whole
    -- table as soon as it believes that this is cheaper, and what a row costs would grow with the ledger.
    FROM asked a CROSS JOIN LATERAL (
        SELECT e.pipeline, e.key_hash, e.generation, e.chunk, e.row, e.seq, e.idx, e.columns, e.version FROM extractor_pub.records e
        WHERE e.entity_hash = a.entity AND e.pipeline = sqlc.arg(pipeline) AND e.chunk IS NOT NULL OFFSET 0) r
    WHERE CASE WHEN (r.version IS NULL) = (a.version = ''::bytea)
               THEN (coalesce(r.version, ''::bytea), r.seq, r.idx) > (a.version, a.seq, a.idx)
               ELSE (r.seq, r.idx) > (a.first_seq, a.first_idx) END
      AND NOT EXISTS (SELECT 1 FROM own w WHERE w.row = a.row AND w.seq = r.seq AND w.idx = r.idx)
)
SELECT DISTINCT ON (n.row, n.columns, n.sent, n.dead, n.deletes, n.version = ''::bytea)
       n.row::int AS row, n.key_hash::uuid AS key_hash, n.version::bytea AS version, n.seq::bigint AS seq, n.idx::int AS idx, n.columns::bytea AS columns, n.sent::bool AS sent, n.dead::bool AS dead,
       n.deletes::bool AS deletes
FROM newer n
ORDER BY n.row, n.columns, n.sent, n.dead, n.deletes, n.version = ''::bytea, n.compared DESC, n.seq DESC, n.idx DESC;

-- name: RevisionsBeside :many
-- All revisions of all other pipelines: what wrote the same entities may have been defined otherwise then.
SELECT name, revision::int AS revision FROM ops_pub.definitions WHERE name <> sqlc.arg(pipeline)::text ORDER BY name, revision DESC;

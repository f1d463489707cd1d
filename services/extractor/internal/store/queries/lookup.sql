-- One probe of the index per key, whatever the planner believes of the table's size: the first generation says what the key stands for. Letters are
-- looked at only for keys that are known: a person may have given the last generation up, which ends what a repeat could repeat. Keys that say their
-- place (placed) are not in the index, and no publisher can use one.
-- name: KnownKeys :many
SELECT r.key_hash, r.content_hash, r.seq, r.idx, greatest(g.generation, l.generation)::smallint AS generation,
    coalesce(l.generation >= g.generation AND l.state IN ('discarded', 'rolled_back'), false)::boolean AS given_up
FROM unnest(@keys::uuid[]) AS k (key_hash)
CROSS JOIN LATERAL (
    SELECT n.key_hash, n.content_hash, n.seq, n.idx
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.key_hash = k.key_hash AND n.placed IS NULL
    ORDER BY n.generation
    LIMIT 1
) r
CROSS JOIN LATERAL (
    SELECT max(n.generation) AS generation FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.key_hash = r.key_hash AND n.placed IS NULL
) g
LEFT JOIN LATERAL (
    SELECT o.generation, o.state FROM ops_pub.letters o
    WHERE o.pipeline = @pipeline AND o.key_hash = r.key_hash
    ORDER BY o.generation DESC, o.state IN ('discarded', 'rolled_back') DESC
    LIMIT 1
) l ON true;

-- The last record of each entity in the stream, in its last generation: one that was discarded and read again stands twice at its place.
-- name: NewestRecords :many
SELECT r.entity_hash, r.content_hash, r.seq, r.idx,
    coalesce(l.generation >= r.generation AND l.state IN ('discarded', 'rolled_back'), false)::boolean AS given_up
FROM unnest(@entities::uuid[]) AS k (entity_hash)
CROSS JOIN LATERAL (
    SELECT n.entity_hash, n.content_hash, n.seq, n.idx, n.key_hash, n.generation
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash
    ORDER BY n.seq DESC, n.idx DESC, n.generation DESC
    LIMIT 1
) r
LEFT JOIN LATERAL (
    SELECT o.generation, o.state FROM ops_pub.letters o
    WHERE o.pipeline = @pipeline AND o.key_hash = r.key_hash
    ORDER BY o.generation DESC, o.state IN ('discarded', 'rolled_back') DESC
    LIMIT 1
) l ON true;

-- The record of each entity's newest version, of those that have one.
-- name: NewestVersions :many
SELECT r.entity_hash, r.content_hash, r.seq, r.idx, r.version,
    coalesce(l.generation >= r.generation AND l.state IN ('discarded', 'rolled_back'), false)::boolean AS given_up
FROM unnest(@entities::uuid[]) AS k (entity_hash)
CROSS JOIN LATERAL (
    SELECT n.entity_hash, n.content_hash, n.seq, n.idx, n.key_hash, n.generation, n.version
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash AND n.version IS NOT NULL
    ORDER BY n.version DESC, n.seq DESC, n.idx DESC, n.generation DESC
    LIMIT 1
) r
LEFT JOIN LATERAL (
    SELECT o.generation, o.state FROM ops_pub.letters o
    WHERE o.pipeline = @pipeline AND o.key_hash = r.key_hash
    ORDER BY o.generation DESC, o.state IN ('discarded', 'rolled_back') DESC
    LIMIT 1
) l ON true;

-- Records of entities that are of a version or newer, of each set of columns the newest. Those are left out of which the last try has failed for good
-- and nobody ordered another one, or that another generation stands for by now, unless one of its tries has reached the org or may have: what they say
-- may never be sent.
-- name: NewerVersions :many
SELECT DISTINCT ON (r.entity_hash, r.columns) r.entity_hash, r.columns, r.version, r.key_hash, r.seq, r.idx
FROM (SELECT unnest(@entities::uuid[]) AS entity_hash, unnest(@versions::bytea[]) AS version) AS k
CROSS JOIN LATERAL (
    SELECT n.entity_hash, n.columns, n.version, n.key_hash, n.seq, n.idx, n.generation, n.chunk, n.row
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash AND n.version >= k.version AND n.chunk IS NOT NULL
    OFFSET 0
) r
WHERE EXISTS (SELECT FROM reconciler_pub.outcomes o
              WHERE o.chunk = r.chunk AND r.row < length(o.row_states) AND get_byte(o.row_states, r.row) IN (ascii('l'), ascii('m')))
   OR EXISTS (SELECT FROM retrier_pub.resent s JOIN reconciler_pub.outcomes o ON o.chunk = s.chunk
              WHERE s.pipeline = @pipeline AND s.key_hash = r.key_hash
                AND s.row < length(o.row_states) AND get_byte(o.row_states, s.row) IN (ascii('l'), ascii('m')))
   OR NOT EXISTS (SELECT FROM extractor.records g WHERE g.pipeline_id = @pipeline_id AND g.key_hash = r.key_hash AND g.generation > r.generation AND g.placed IS NULL)
      AND NOT EXISTS (
        SELECT FROM (
            SELECT f.letter_id FROM reconciler_pub.failures f
            WHERE f.pipeline = @pipeline AND f.key_hash = r.key_hash AND f.generation >= r.generation AND f.disposition = 'dead'
            UNION ALL
            SELECT d.letter_id FROM retrier_pub.dead d
            WHERE d.pipeline = @pipeline AND d.key_hash = r.key_hash AND d.generation >= r.generation
            UNION ALL
            SELECT e.letter_id FROM extractor.dead e
            WHERE e.pipeline = @pipeline AND e.key_hash = r.key_hash AND e.generation >= r.generation) x
        LEFT JOIN ops_pub.letters l ON l.letter_id = x.letter_id
        WHERE coalesce(l.state, 'open') IN ('open', 'discarded', 'rolled_back'))
ORDER BY r.entity_hash, r.columns, r.version DESC, r.seq DESC, r.idx DESC;

-- Records of exactly these versions, of each content one, as above without those that may never be sent.
-- name: EqualVersions :many
SELECT DISTINCT ON (r.entity_hash, r.version, r.content_hash) r.entity_hash, r.version, r.content_hash, r.key_hash, r.seq, r.idx
FROM (SELECT unnest(@entities::uuid[]) AS entity_hash, unnest(@versions::bytea[]) AS version) AS k
CROSS JOIN LATERAL (
    SELECT n.entity_hash, n.content_hash, n.version, n.key_hash, n.seq, n.idx, n.generation, n.chunk, n.row
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash AND n.version = k.version AND n.chunk IS NOT NULL
    OFFSET 0
) r
WHERE EXISTS (SELECT FROM reconciler_pub.outcomes o
              WHERE o.chunk = r.chunk AND r.row < length(o.row_states) AND get_byte(o.row_states, r.row) IN (ascii('l'), ascii('m')))
   OR EXISTS (SELECT FROM retrier_pub.resent s JOIN reconciler_pub.outcomes o ON o.chunk = s.chunk
              WHERE s.pipeline = @pipeline AND s.key_hash = r.key_hash
                AND s.row < length(o.row_states) AND get_byte(o.row_states, s.row) IN (ascii('l'), ascii('m')))
   OR NOT EXISTS (SELECT FROM extractor.records g WHERE g.pipeline_id = @pipeline_id AND g.key_hash = r.key_hash AND g.generation > r.generation AND g.placed IS NULL)
      AND NOT EXISTS (
        SELECT FROM (
            SELECT f.letter_id FROM reconciler_pub.failures f
            WHERE f.pipeline = @pipeline AND f.key_hash = r.key_hash AND f.generation >= r.generation AND f.disposition = 'dead'
            UNION ALL
            SELECT d.letter_id FROM retrier_pub.dead d
            WHERE d.pipeline = @pipeline AND d.key_hash = r.key_hash AND d.generation >= r.generation
            UNION ALL
            SELECT e.letter_id FROM extractor.dead e
            WHERE e.pipeline = @pipeline AND e.key_hash = r.key_hash AND e.generation >= r.generation) x
        LEFT JOIN ops_pub.letters l ON l.letter_id = x.letter_id
        WHERE coalesce(l.state, 'open') IN ('open', 'discarded', 'rolled_back'))
ORDER BY r.entity_hash, r.version, r.content_hash, r.seq, r.idx;

-- How often records of a pipeline were stored apart from its reader.
-- name: Asides :one
SELECT coalesce(max(n), 0)::bigint AS n FROM extractor.asides WHERE pipeline = @pipeline;

-- Entities that follow one, in the order of their hashes, and whether they are of records of a pipeline. Those of others are read too: a part costs what it
-- may cost, however few of the ledger's records are the pipeline's.
-- name: EntitiesAfter :many
SELECT n.entity_hash::uuid AS hash, (n.pipeline_id = @pipeline_id)::boolean AS own FROM extractor.records n
WHERE n.entity_hash > @after::uuid
ORDER BY n.entity_hash
LIMIT @most;

-- The same of keys, but for those that say their place.
-- name: KeysAfter :many
SELECT n.key_hash AS hash, (n.pipeline_id = @pipeline_id)::boolean AS own FROM extractor.records n
WHERE n.key_hash > @after::uuid AND n.placed IS NULL
ORDER BY n.key_hash
LIMIT @most;

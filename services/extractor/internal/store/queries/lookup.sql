-- One probe of the index per key, whatever the planner believes of the table's size: the first generation says what the key stands for.
-- name: KnownKeys :many
SELECT r.key_hash, r.content_hash, r.seq, r.idx
FROM unnest(@keys::uuid[]) AS k (key_hash)
CROSS JOIN LATERAL (
    SELECT n.key_hash, n.content_hash, n.seq, n.idx
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.key_hash = k.key_hash
    ORDER BY n.generation
    LIMIT 1
) r;

-- name: NewestVersions :many
SELECT r.entity_hash, r.content_hash, r.seq, r.idx
FROM unnest(@entities::uuid[]) AS k (entity_hash)
CROSS JOIN LATERAL (
    SELECT n.entity_hash, n.content_hash, n.seq, n.idx
    FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash
    ORDER BY n.seq DESC, n.idx DESC
    LIMIT 1
) r;

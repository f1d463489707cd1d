-- The order of a pipeline to read a part of its stream again that is not carried out, the oldest first. The caller holds the reader's lease.
-- name: OpenReread :one
SELECT o.id, o.from_seq, o.to_seq, coalesce(r.read_seq, o.from_seq - 1)::bigint AS read_seq, (r.id IS NOT NULL)::boolean AS begun,
    coalesce(r.error, '')::text AS error
FROM ops_pub.rereads o LEFT JOIN extractor.rereads r ON r.id = o.id
WHERE o.pipeline = @pipeline AND r.done_at IS NULL
ORDER BY o.ordered_at, o.id
LIMIT 1;

-- name: BeginReread :exec
INSERT INTO extractor.rereads (id, pipeline, read_seq) VALUES (@id, @pipeline, @read_seq) ON CONFLICT DO NOTHING;

-- Compare and set, in the transaction of what was accepted.
-- name: MoveReread :execrows
UPDATE extractor.rereads
SET read_seq = @read_seq, known = known + @known, accepted = accepted + @accepted, gone = gone + @gone,
    error = CASE WHEN gone + @gone > 0 THEN (gone + @gone)::text || ' of the messages are not in the stream any more' ELSE '' END,
    done_at = CASE WHEN @done::boolean THEN now() END, changed_at = now()
WHERE id = @id AND read_seq = @was AND done_at IS NULL;

-- Why it does not go on; said again, it changes nothing.
-- name: HaltReread :exec
INSERT INTO extractor.rereads AS r (id, pipeline, read_seq, error) VALUES (@id, @pipeline, @read_seq, @error)
ON CONFLICT (id) DO UPDATE SET error = excluded.error, changed_at = now() WHERE r.done_at IS NULL AND r.error <> excluded.error;

-- What the ledger holds of the messages of a range, whatever its key was: an entry for each place and key. Rows of records are found by a coarse index,
-- since nothing else asks for places.
-- name: RecordsAt :many
SELECT r.seq, r.idx, r.key_hash FROM extractor.records r WHERE r.pipeline_id = @pipeline_id AND r.seq BETWEEN @first_seq AND @last_seq
UNION
SELECT d.seq, d.idx, d.key_hash FROM extractor.dead d WHERE d.pipeline = @pipeline AND d.seq BETWEEN @first_seq AND @last_seq
UNION
SELECT s.seq, s.idx, s.key_hash FROM extractor.superseded s WHERE s.pipeline = @pipeline AND s.seq BETWEEN @first_seq AND @last_seq;

-- Records of the messages of a range whose key says their place: the index of keys leaves them out.
-- name: PlacedAt :many
SELECT r.seq, r.idx, r.key_hash, r.content_hash FROM extractor.records r
WHERE r.pipeline_id = @pipeline_id AND r.seq BETWEEN @first_seq AND @last_seq AND r.placed;

-- Letters of records that were refused before their key could be read, which stand in no row of records.
-- name: DeadKeys :many
SELECT DISTINCT ON (d.key_hash) d.key_hash, d.seq, d.idx, d.generation
FROM extractor.dead d
WHERE d.pipeline = @pipeline AND d.key_hash = ANY (@keys::uuid[])
ORDER BY d.key_hash, d.generation DESC;

-- The last letter of each key: what became of it.
-- name: LastLetters :many
SELECT DISTINCT ON (l.key_hash) l.key_hash, l.generation, l.state
FROM ops_pub.letters l
WHERE l.pipeline = @pipeline AND l.key_hash = ANY (@keys::uuid[])
ORDER BY l.key_hash, l.generation DESC, l.state IN ('discarded', 'rolled_back') DESC;

-- What each record without a key of its own may have been a repeat of: its entity's newest record in front of it, by version where it carries one.
-- name: RecordsBefore :many
SELECT k.seq::bigint AS seq, k.idx::integer AS idx, r.content_hash
FROM (SELECT unnest(@entities::uuid[]) AS entity_hash, unnest(@seqs::bigint[]) AS seq, unnest(@idxs::integer[]) AS idx) AS k
CROSS JOIN LATERAL (
    SELECT n.content_hash FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash AND (n.seq, n.idx) < (k.seq, k.idx)
    ORDER BY n.seq DESC, n.idx DESC
    LIMIT 1
) r;

-- name: VersionsBefore :many
SELECT k.seq::bigint AS seq, k.idx::integer AS idx, r.content_hash
FROM (SELECT unnest(@entities::uuid[]) AS entity_hash, unnest(@seqs::bigint[]) AS seq, unnest(@idxs::integer[]) AS idx) AS k
CROSS JOIN LATERAL (
    SELECT n.content_hash FROM extractor.records n
    WHERE n.pipeline_id = @pipeline_id AND n.entity_hash = k.entity_hash AND n.version IS NOT NULL AND (n.seq, n.idx) < (k.seq, k.idx)
    ORDER BY n.version DESC, n.seq DESC, n.idx DESC
    LIMIT 1
) r;

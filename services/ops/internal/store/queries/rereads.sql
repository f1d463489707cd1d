-- name: InsertReread :exec
INSERT INTO ops.rereads (id, pipeline, from_seq, to_seq) VALUES (@id, @pipeline, @from_seq, @to_seq);

-- name: Reread :one
SELECT o.id, o.pipeline, o.from_seq, o.to_seq, o.ordered_at, coalesce(r.read_seq, o.from_seq - 1)::bigint AS read_seq,
       coalesce(r.known, 0)::bigint AS known, coalesce(r.accepted, 0)::bigint AS accepted, coalesce(r.error, '')::text AS error, r.done_at
FROM ops.rereads o
LEFT JOIN extractor_pub.rereads r ON r.id = o.id
WHERE o.id = @id;

-- Orders that are not carried out yet.
-- name: OpenRereads :many
SELECT o.id, o.pipeline, o.from_seq, o.to_seq, o.ordered_at, coalesce(r.read_seq, o.from_seq - 1)::bigint AS read_seq,
       coalesce(r.error, '')::text AS error
FROM ops.rereads o
LEFT JOIN extractor_pub.rereads r ON r.id = o.id
WHERE r.done_at IS NULL
ORDER BY o.ordered_at, o.id
LIMIT @max_items;

-- The first message of a pipeline's stream that is not decided in every lane; -1 = nothing is read yet.
-- name: Undecided :one
SELECT coalesce(min(CASE idx WHEN 2147483647 THEN seq + 1 ELSE seq END), -1)::bigint FROM extractor_pub.checkpoints WHERE pipeline = @pipeline;

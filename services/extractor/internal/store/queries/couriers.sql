-- name: Courier :one
SELECT incarnation FROM extractor.couriers WHERE stream = @stream;

-- name: SetCourier :exec
INSERT INTO extractor.couriers (stream, incarnation) VALUES (@stream, @incarnation)
ON CONFLICT (stream) DO UPDATE SET incarnation = excluded.incarnation;

-- Letters of ours that must stand in the stream: those whose end ops does not know. Bodies only of a page that bytes allow is the
-- caller's matter: payloads are at most a mebibyte.
-- name: OpenLetters :many
SELECT d.letter_id, d.pipeline, d.revision, d.run, d.key, d.key_hash, d.generation, d.entity, d.code, d.message, d.fields, d.payload,
    d.seq, d.idx, d.accepted_at, d.dead_at
FROM extractor.dead d
WHERE d.letter_id > @after
  AND NOT EXISTS (SELECT FROM ops_pub.letters l WHERE l.letter_id = d.letter_id AND l.state NOT IN ('open', 'replaying'))
ORDER BY d.letter_id
LIMIT @most;

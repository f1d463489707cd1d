-- name: DLQIncarnation :one
SELECT incarnation FROM retrier.dlq;

-- name: NoteDLQ :execrows
INSERT INTO retrier.dlq (incarnation) VALUES (@incarnation) ON CONFLICT (one) DO NOTHING;

-- name: MoveDLQ :execrows
UPDATE retrier.dlq SET incarnation = @incarnation, noted_at = now() WHERE incarnation = @was;

-- Letters of the retrier that still wait for a person, as far as ops knows; one that ops has never seen is open.
-- name: OpenLetters :many
SELECT d.letter_id, d.failure_id, d.class, d.code, d.dead_at
FROM retrier.dead d
LEFT JOIN ops_pub.letters l ON l.letter_id = d.letter_id
WHERE d.letter_id > @after AND coalesce(l.state, 'open') IN ('open', 'replaying')
ORDER BY d.letter_id
LIMIT @max_letters;

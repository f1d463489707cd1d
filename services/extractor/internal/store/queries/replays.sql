-- Letters that a person ordered to be sent again and that must be mapped again: refused before Salesforce, decided under an older
-- revision than was in force at the order, or of a record with a version. ops says who takes a letter; whichever service decided it holds the payload. A letter is taken
-- once every lane is decided up to its place: an older version of its entity must be sealed before it, not after.
-- The payloads of one answer have at most so many bytes, and never fewer than one letter's.
-- name: Replays :many
WITH due AS (
    SELECT r.letter_id, (r.generation + 1)::smallint AS generation,
        coalesce(d.run, f.run, g.run, '') AS run,
        coalesce(d.key, f.key, g.key, '') AS key,
        coalesce(d.payload, f.payload, g.payload) AS payload,
        coalesce(d.code, '') AS code, coalesce(d.message, '') AS message,
        coalesce(d.seq, f.seq, g.seq, 0) AS seq,
        coalesce(d.idx, f.idx, g.idx, 0) AS idx,
        coalesce(d.accepted_at, f.accepted_at, g.accepted_at, r.changed_at) AS accepted_at,
        coalesce(f.id, g.id, 0) AS failure_id,
        EXISTS (SELECT FROM reconciler_pub.failures a
                WHERE a.pipeline = @pipeline AND a.key_hash = coalesce(d.key_hash, f.key_hash, g.key_hash) AND a.ambiguous) AS ambiguous
    FROM ops_pub.replays r
    LEFT JOIN extractor.dead d ON d.letter_id = r.letter_id
    LEFT JOIN reconciler_pub.failures f ON f.letter_id = r.letter_id
    LEFT JOIN retrier_pub.dead x ON x.letter_id = r.letter_id
    LEFT JOIN reconciler_pub.failures g ON g.id = x.failure_id
    WHERE r.pipeline = @pipeline AND r.taker = 'extractor'
      AND NOT EXISTS (SELECT FROM extractor.letters_taken t WHERE t.letter_id = r.letter_id)
      AND NOT EXISTS (SELECT FROM retrier_pub.letters_taken t WHERE t.letter_id = r.letter_id)
      AND (d.letter_id IS NOT NULL OR f.id IS NOT NULL OR g.id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM extractor.checkpoints c
                      WHERE c.pipeline = @pipeline AND (c.seq, c.idx) < (coalesce(d.seq, f.seq, g.seq, 0), coalesce(d.idx, f.idx, g.idx, 0)))
    ORDER BY coalesce(d.seq, f.seq, g.seq, 0), coalesce(d.idx, f.idx, g.idx, 0), r.letter_id
    LIMIT @most
), measured AS (
    SELECT due.*, sum(octet_length(due.payload)) OVER up_to AS bytes, row_number() OVER up_to AS n
    FROM due WINDOW up_to AS (ORDER BY due.seq, due.idx, due.letter_id)
)
SELECT m.letter_id::uuid AS letter_id, m.generation::smallint AS generation, m.run::text AS run, m.key::text AS key, m.payload::bytea AS payload,
    m.seq::bigint AS seq, m.idx::integer AS idx, m.accepted_at::timestamptz AS accepted_at, m.failure_id::bigint AS failure_id,
    m.ambiguous::boolean AS ambiguous, m.code::text AS code, m.message::text AS message
FROM measured m
WHERE m.n = 1 OR m.bytes <= @most_bytes::bigint
ORDER BY m.n;

-- name: PipelinesWithReplays :many
SELECT DISTINCT r.pipeline FROM ops_pub.replays r
WHERE r.taker = 'extractor'
  AND NOT EXISTS (SELECT FROM extractor.letters_taken t WHERE t.letter_id = r.letter_id)
  AND NOT EXISTS (SELECT FROM retrier_pub.letters_taken t WHERE t.letter_id = r.letter_id)
ORDER BY 1;

-- name: TakeLetters :execrows
INSERT INTO extractor.letters_taken (letter_id) SELECT unnest(@letters::uuid[]) ON CONFLICT DO NOTHING;

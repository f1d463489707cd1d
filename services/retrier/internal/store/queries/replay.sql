-- Letters that ops ordered to be sent again and that are the retrier's to send, with the failure that holds their row and payload.
-- name: LettersToReplay :many
SELECT p.letter_id, p.action_id, f.id AS failure_id, f.pipeline, f.revision, f.lane, f.run, f.key_hash, f.entity_hash, f.generation, f.seq, f.idx, f.version
FROM ops_pub.replays p
JOIN LATERAL (
    SELECT coalesce(
        (SELECT d.failure_id FROM retrier.dead d WHERE d.letter_id = p.letter_id),
        (SELECT x.id FROM reconciler_pub.failures x WHERE x.letter_id = p.letter_id ORDER BY x.id LIMIT 1))::bigint AS failure_id
) w ON true
JOIN reconciler_pub.failures f ON f.id = w.failure_id
WHERE p.taker = 'retrier'
  AND NOT EXISTS (SELECT 1 FROM retrier.letters_taken t WHERE t.letter_id = p.letter_id)
  AND NOT EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = p.letter_id)
ORDER BY p.changed_at, p.letter_id
LIMIT @max_letters;

-- Gives back the letters that nobody has taken before.
-- name: TakeLetters :many
INSERT INTO retrier.letters_taken (letter_id)
SELECT unnest(@letter_ids::uuid[])
ON CONFLICT (letter_id) DO NOTHING
RETURNING letter_id;

-- The definition by which records are routed to lanes now.
-- name: RevisionInForce :one
SELECT revision FROM extractor_pub.readers WHERE pipeline = @pipeline;

-- Held by whoever routes records of a pipeline to lanes without its reader's lease, and by the extractor while it looks whether anything of an entity
-- space may still be sent as it was routed and brings another number of lanes into force: its LockPipeline, by the same key.
-- name: LockRouting :exec
SELECT pg_advisory_xact_lock(hashtextextended('bulkhead.extractor.' || @pipeline::text, 0));

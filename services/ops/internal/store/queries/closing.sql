-- What became of letters that are sent again: the verdict on the next generation of their key, where there is one, or for an unresolved record that
-- was decided not to have landed on its own generation: 3 landed, 2 superseded, 1 another letter tells of it; the highest counts, since what Salesforce has is more than what was tried before. 108 and 115 are the bytes 'l' (landed) and 's' (superseded) of
-- outcomes.row_states. Records that only their place leads to (placed) are of a first generation and never unresolved.
-- name: ReplayVerdicts :many
SELECT l.letter_id, max(v.verdict)::integer AS verdict
FROM (SELECT x.letter_id, x.pipeline, x.key_hash, x.class, x.generation + CASE x.class WHEN 'unresolved' THEN 0 ELSE 1 END AS sent_generation
      FROM ops.letters x WHERE x.state = 'replaying' AND x.letter_id > @after::uuid) l
JOIN LATERAL (
    SELECT CASE get_byte(o.row_states, s.row) WHEN 108 THEN 3 ELSE 2 END AS verdict
    FROM (SELECT r.chunk, r.row FROM retrier_pub.resent r
          WHERE r.pipeline = l.pipeline AND r.key_hash = l.key_hash AND r.generation = l.sent_generation
          UNION ALL
          SELECT r.chunk, r.row FROM extractor_pub.records r
          WHERE r.pipeline = l.pipeline AND r.key_hash = l.key_hash AND r.generation = l.sent_generation AND r.placed IS NULL AND r.chunk IS NOT NULL) s
    JOIN reconciler_pub.outcomes o ON o.chunk = s.chunk
    WHERE s.row < o.rows AND get_byte(o.row_states, s.row) IN (108, 115)
    UNION ALL
    SELECT 2 FROM submitter_pub.superseded x
    JOIN reconciler_pub.outcomes o ON o.chunk = x.chunk
    WHERE x.pipeline = l.pipeline AND x.key_hash = l.key_hash AND x.generation = l.sent_generation
    UNION ALL
    SELECT 1 FROM extractor_pub.dead d
    WHERE d.pipeline = l.pipeline AND d.key_hash = l.key_hash AND d.generation = l.sent_generation
    UNION ALL
    SELECT 1 FROM retrier_pub.dead d
    WHERE d.pipeline = l.pipeline AND d.key_hash = l.key_hash AND d.generation = l.sent_generation
    UNION ALL
    SELECT 1 FROM reconciler_pub.failures f
    WHERE f.pipeline = l.pipeline AND f.key_hash = l.key_hash AND f.generation = l.sent_generation AND f.disposition = 'dead'
    UNION ALL
    SELECT 2 FROM extractor_pub.superseded x
    WHERE x.pipeline = l.pipeline AND x.key_hash = l.key_hash AND x.generation = l.sent_generation
    UNION ALL
    SELECT 3 FROM reconciler_pub.resolutions r
    WHERE r.pipeline = l.pipeline AND r.key_hash = l.key_hash AND r.generation = l.sent_generation AND r.decision = 'landed'
    UNION ALL
    -- Sent again, and again nobody knows: the later letter asks the next question.
    SELECT 1 FROM reconciler_pub.failures f
    WHERE l.class = 'unresolved' AND f.pipeline = l.pipeline AND f.key_hash = l.key_hash AND f.generation = l.sent_generation
      AND f.disposition = 'unresolved'
      AND f.id > (SELECT min(o.id) FROM reconciler_pub.failures o WHERE o.letter_id = l.letter_id)
) v ON true
GROUP BY l.letter_id
ORDER BY l.letter_id
LIMIT @max_letters;

-- name: CloseLetter :execrows
UPDATE ops.letters SET state = @state, changed_at = now() WHERE letter_id = @letter_id AND state = 'replaying';

-- Messages of letters that nobody needs any more. Of a record that died again, a later letter must stand in the stream first, or be done with:
-- messages may arrive in another order than that of the deaths, and the later one may be gone when the earlier one comes.
-- name: MessagesToDelete :many
SELECT m.seq, m.letter_id
FROM ops.letter_messages m
JOIN ops.letters l ON l.letter_id = m.letter_id
WHERE l.state IN ('landed', 'superseded', 'discarded', 'rolled_back')
   OR (l.state = 'died_again' AND EXISTS (
        SELECT 1 FROM ops.letters n
        WHERE n.pipeline = l.pipeline AND n.key_hash = l.key_hash
          AND (n.generation > l.generation
            OR l.class = 'unresolved' AND n.generation = l.generation AND n.letter_id <> l.letter_id AND n.dead_at >= l.dead_at)
          AND (n.state IN ('landed', 'superseded', 'discarded', 'rolled_back')
            OR EXISTS (SELECT 1 FROM ops.letter_messages nm WHERE nm.letter_id = n.letter_id))))
ORDER BY m.seq
LIMIT @max_messages;

-- Where messages of letters stand that wait for a person, behind a place.
-- name: MessagesOfOpen :many
SELECT m.seq, m.letter_id
FROM ops.letter_messages m
JOIN ops.letters l ON l.letter_id = m.letter_id
WHERE l.state = 'open' AND m.seq > @after
ORDER BY m.seq
LIMIT @max_messages;

-- name: DeleteMessageRow :execrows
DELETE FROM ops.letter_messages WHERE seq = @seq AND letter_id = @letter_id;

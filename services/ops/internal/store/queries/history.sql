-- Rows of a key. One that was made from a body says its place, by which the first of them is found then: the index of keys leaves it out.
-- name: RecordRows :many
SELECT r.pipeline, r.key_hash, r.entity_hash, r.generation, r.chunk, r.row, r.seq, r.idx, r.accepted_at
FROM extractor_pub.records r
WHERE r.pipeline = @pipeline AND r.key_hash = @key_hash AND r.placed IS NULL
UNION ALL
SELECT n.pipeline, n.key_hash, n.entity_hash, n.generation, n.chunk, n.row, n.seq, n.idx, n.accepted_at
FROM extractor_pub.records n
WHERE n.pipeline = @pipeline AND n.key_hash = @key_hash AND n.placed AND n.seq = @seq AND n.idx = @idx
ORDER BY generation, accepted_at;

-- The same of a record whose entity is known, which leads to it sooner than its place.
-- name: RecordRowsOfEntity :many
SELECT r.pipeline, r.key_hash, r.entity_hash, r.generation, r.chunk, r.row, r.seq, r.idx, r.accepted_at
FROM extractor_pub.records r
WHERE r.pipeline = @pipeline AND r.key_hash = @key_hash AND r.placed IS NULL
UNION ALL
SELECT n.pipeline, n.key_hash, n.entity_hash, n.generation, n.chunk, n.row, n.seq, n.idx, n.accepted_at
FROM extractor_pub.records n
WHERE n.pipeline = @pipeline AND n.key_hash = @key_hash AND n.placed AND n.entity_hash = @entity_hash
ORDER BY generation, accepted_at;

-- Keys of an entity, the newest place in the stream first, with how many there are in all.
-- name: EntityKeys :many
SELECT r.key_hash, r.chunk, r.row, min(r.seq)::bigint AS first_seq, min(r.idx)::integer AS first_idx, count(*) OVER () AS known
FROM extractor_pub.records r
WHERE r.pipeline = @pipeline AND r.entity_hash = @entity_hash AND r.generation = 0
GROUP BY r.key_hash, r.chunk, r.row
ORDER BY first_seq DESC, first_idx DESC, r.key_hash
LIMIT @max_keys;

-- name: ChunkManifest :one
SELECT manifest FROM extractor_pub.chunks WHERE chunk = @chunk;

-- name: KeyRefusals :many
SELECT letter_id, run, key, generation, class, code, message, seq, idx, accepted_at, dead_at
FROM extractor_pub.dead
WHERE pipeline = @pipeline AND key_hash = @key_hash
ORDER BY generation;

-- name: KeyResends :many
SELECT r.chunk, r.row, r.generation, c.sealed_at
FROM retrier_pub.resent r
JOIN retrier_pub.chunks c ON c.chunk = r.chunk
WHERE r.pipeline = @pipeline AND r.key_hash = @key_hash
ORDER BY r.generation, c.seal_no;

-- How far each of the chunks has come, and what became of one row of it (row_state 0 = no outcome yet).
-- name: ChunkFates :many
SELECT q.chunk::uuid AS chunk, q.row::integer AS row,
       s.state AS submission_state, s.job_id, s.submitted_at, s.answered_at, s.last_error, s.waiting_for,
       w.state AS watch_state, w.job_state, w.finished_at,
       k.state AS work_state, k.last_error AS work_error, k.reason AS work_reason, coalesce(k.lookups, 0)::integer AS lookups, k.looked_up_at,
       u.class AS unsent_class, u.code AS unsent_code, u.message AS unsent_message, s.checked_at,
       o.reconciled_at, o.job_id AS outcome_job_id,
       CASE WHEN o.chunk IS NULL OR q.row >= o.rows THEN 0 ELSE get_byte(o.row_states, q.row) END::integer AS row_state,
       CASE WHEN o.chunk IS NULL THEN ''::bytea ELSE substring(o.row_ids FROM q.row * 18 + 1 FOR 18) END::bytea AS row_id,
       (EXISTS (SELECT 1 FROM retrier_pub.taken t WHERE t.chunk = q.chunk))::boolean AS taken
FROM (SELECT unnest(@chunks::uuid[]) AS chunk, unnest(@rows::integer[]) AS row) q
LEFT JOIN submitter_pub.submissions s ON s.chunk = q.chunk
LEFT JOIN poller_pub.watches w ON w.chunk = q.chunk
LEFT JOIN reconciler_pub.work k ON k.chunk = q.chunk
LEFT JOIN reconciler_pub.outcomes o ON o.chunk = q.chunk
LEFT JOIN submitter_pub.unsent u ON u.chunk = q.chunk AND u.row = q.row;

-- name: KeyFailures :many
SELECT id, chunk, row, run, key, generation, entity, seq, idx, accepted_at, attempt, outcome, class, code, message, disposition, letter_id, decided_at
FROM reconciler_pub.failures
WHERE pipeline = @pipeline AND key_hash = @key_hash
ORDER BY generation, id;

-- What waits of a key, by its failures: only they are found by it.
-- name: KeyWaiting :many
SELECT w.failure_id, w.generation, w.class, w.code, w.attempt, w.reason, w.due_at, w.since
FROM reconciler_pub.failures f
JOIN retrier_pub.waiting w ON w.failure_id = f.id
WHERE f.pipeline = @pipeline AND f.key_hash = @key_hash
ORDER BY w.generation;

-- name: KeyExhausted :many
SELECT letter_id, failure_id, generation, class, code, message, dead_at
FROM retrier_pub.dead
WHERE pipeline = @pipeline AND key_hash = @key_hash
ORDER BY generation;

-- name: KeyLetters :many
SELECT l.letter_id, l.generation, l.stage, l.class, l.code, l.message, l.state, l.taker, l.dead_at, l.changed_at,
       a.kind AS action_kind, a.by AS action_by, a.reason AS action_reason, a.at AS action_at,
       (EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)
        OR EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = l.letter_id))::boolean AS taken
FROM ops.letters l
LEFT JOIN ops.actions a ON a.id = l.action_id
WHERE l.pipeline = @pipeline AND l.key_hash = @key_hash
ORDER BY l.generation;

-- name: KeySuperseded :many
SELECT chunk, row, generation, successor_key_hash, successor_seq, successor_idx, decided_at
FROM submitter_pub.superseded
WHERE pipeline = @pipeline AND key_hash = @key_hash
ORDER BY generation, decided_at;

-- Records that were superseded before anything was sent.
-- name: KeyOvertaken :many
SELECT key, generation, successor_key_hash, successor_seq, successor_idx, seq, idx, accepted_at, decided_at
FROM extractor_pub.superseded
WHERE pipeline = @pipeline AND key_hash = @key_hash
ORDER BY generation;

-- What was decided of unresolved tries, by whom, and how far the decision has come.
-- name: KeyDecisions :many
SELECT f.id AS failure_id, f.generation, f.letter_id, d.decision, d.sf_id, d.reason, d.by, d.decided_at,
       r.decision AS resolved_decision, r.sf_id AS resolved_sf_id, r.by AS resolved_by, r.reason AS resolved_reason, r.decided_at AS resolved_at,
       (EXISTS (SELECT 1 FROM retrier_pub.resolutions_taken t WHERE t.failure_id = f.id))::boolean AS taken
FROM reconciler_pub.failures f
LEFT JOIN ops.decisions d ON d.letter_id = f.letter_id
LEFT JOIN reconciler_pub.resolutions r ON r.failure_id = f.id
WHERE f.pipeline = @pipeline AND f.key_hash = @key_hash AND f.disposition = 'unresolved' AND (d.letter_id IS NOT NULL OR r.failure_id IS NOT NULL)
ORDER BY f.id;

-- name: RecordAtPlace :one
SELECT r.chunk, r.row, r.generation FROM extractor_pub.records r
WHERE r.pipeline = @pipeline AND r.key_hash = @key_hash AND r.placed IS NULL AND r.chunk IS NOT NULL
UNION ALL
SELECT n.chunk, n.row, n.generation FROM extractor_pub.records n
WHERE n.pipeline = @pipeline AND n.key_hash = @key_hash AND n.placed AND n.seq = @seq AND n.idx = @idx AND n.chunk IS NOT NULL
ORDER BY generation LIMIT 1;

-- The same in any pipeline: a record may be covered by one of another pipeline that writes the same entity. A key's hash holds its pipeline's name.
-- name: RecordElsewhere :one
SELECT r.pipeline, r.chunk, r.row
FROM (SELECT DISTINCT c.pipeline FROM extractor_pub.columns c) p
CROSS JOIN LATERAL (
    SELECT n.pipeline, n.chunk, n.row, n.generation FROM extractor_pub.records n
    WHERE n.pipeline = p.pipeline AND n.key_hash = @key_hash AND n.placed IS NULL AND n.chunk IS NOT NULL
    UNION ALL
    SELECT n.pipeline, n.chunk, n.row, n.generation FROM extractor_pub.records n
    WHERE n.pipeline = p.pipeline AND n.key_hash = @key_hash AND n.placed AND n.seq = @seq AND n.idx = @idx AND n.chunk IS NOT NULL
    ORDER BY generation
    LIMIT 1
) r
LIMIT 1;

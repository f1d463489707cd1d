-- Exports are read page by page within one snapshot (Store.Snapshot), so that a page may be small and all of them are of one moment.

-- The next chunk of a pipeline, in the order of reconciling, in which a record of the run ('' = any) landed.
-- name: NextLandedChunk :one
SELECT o.chunk, o.job_id, o.reconciled_at, o.row_states, o.row_ids, c.manifest::bytea AS manifest
FROM reconciler_pub.outcomes o
JOIN (SELECT chunk, manifest FROM extractor_pub.chunks
      UNION ALL SELECT chunk, manifest FROM retrier_pub.chunks) c ON c.chunk = o.chunk
WHERE o.pipeline = @pipeline AND o.landed > 0 AND (o.reconciled_at, o.chunk) > (@after_at::timestamptz, @after::uuid)
  AND (@run::text = '' OR EXISTS (SELECT 1 FROM reconciler_pub.outcome_runs r WHERE r.chunk = o.chunk AND r.run = @run AND r.landed > 0))
ORDER BY o.reconciled_at, o.chunk
LIMIT 1;

-- Records that wait for a person, or whose replay nobody has taken yet: the terms dead, unresolved and a part of retrying.
-- name: ExportLetters :many
WITH x AS (
    SELECT letter_id, 'dead' AS state, pipeline, run, key, entity, generation, class, code, message, fields, 0 AS tries, '' AS job_id, '' AS chunk,
           seq, idx, accepted_at, dead_at AS decided_at, CASE WHEN @with_payload::boolean THEN payload ELSE ''::bytea END AS payload
    FROM extractor_pub.dead
    UNION ALL
    SELECT f.letter_id, 'dead', f.pipeline, f.run, f.key, f.entity, f.generation,
           f.class, f.code, f.message, f.fields, jsonb_array_length(f.attempts), coalesce(f.attempts -> -1 ->> 'job_id', ''), f.chunk::text,
           f.seq, f.idx, f.accepted_at, f.decided_at, CASE WHEN @with_payload::boolean THEN f.payload ELSE ''::bytea END
    FROM reconciler_pub.failures f
    WHERE f.letter_id IS NOT NULL AND f.disposition = 'dead'
    UNION ALL
    SELECT f.letter_id, CASE WHEN r.failure_id IS NULL THEN 'unresolved' ELSE 'retrying' END, f.pipeline, f.run, f.key, f.entity, f.generation,
           'unresolved', f.code, f.message, f.fields, jsonb_array_length(f.attempts), coalesce(f.attempts -> -1 ->> 'job_id', ''), f.chunk::text,
           f.seq, f.idx, f.accepted_at, f.decided_at, CASE WHEN @with_payload::boolean THEN f.payload ELSE ''::bytea END
    FROM reconciler_pub.failures f
    LEFT JOIN reconciler_pub.resolutions r ON r.failure_id = f.id
    WHERE f.letter_id IS NOT NULL AND f.disposition = 'unresolved'
      AND (r.failure_id IS NULL OR (r.decision = 'not_landed'
           AND NOT EXISTS (SELECT 1 FROM retrier_pub.resolutions_taken t WHERE t.failure_id = f.id)))
    UNION ALL
    SELECT d.letter_id, 'dead', d.pipeline, d.run, d.key, f.entity, d.generation,
           d.class, d.code, d.message, f.fields, jsonb_array_length(f.attempts), coalesce(f.attempts -> -1 ->> 'job_id', ''), f.chunk::text,
           f.seq, f.idx, f.accepted_at, d.dead_at, CASE WHEN @with_payload::boolean THEN f.payload ELSE ''::bytea END
    FROM retrier_pub.dead d JOIN reconciler_pub.failures f ON f.id = d.failure_id
)
SELECT x.letter_id::uuid AS letter_id,
       (CASE WHEN x.class <> 'unresolved' AND l.state = 'replaying' THEN 'retrying' ELSE x.state END)::text AS state,
       x.run::text AS run, x.key::text AS key, x.entity::text AS entity, x.generation::integer AS generation, x.class::text AS class,
       x.code::text AS code, x.message::text AS message, x.fields::text[] AS fields, x.tries::integer AS tries, x.job_id::text AS job_id,
       x.chunk::text AS chunk, x.seq::bigint AS seq, x.idx::integer AS idx, x.accepted_at::timestamptz AS accepted_at,
       x.decided_at::timestamptz AS decided_at, x.payload::bytea AS payload
FROM x
LEFT JOIN ops.letters l ON l.letter_id = x.letter_id
WHERE x.pipeline = @pipeline::text AND (@run::text = '' OR x.run = @run) AND x.letter_id > @after::uuid
  AND (x.class = 'unresolved' OR l.letter_id IS NULL OR l.state = 'open'
       OR (l.state = 'replaying'
           AND NOT EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)
           AND NOT EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = l.letter_id)))
ORDER BY x.letter_id
LIMIT @page_size;

-- Payloads of letters, by their ids: of records that died before Salesforce, by Salesforce's word, and after their last try.
-- name: ExportPayloads :many
SELECT letter_id::uuid AS letter_id, payload FROM extractor_pub.dead WHERE letter_id = ANY(@letters::uuid[])
UNION ALL
SELECT letter_id::uuid, payload FROM reconciler_pub.failures WHERE letter_id = ANY(@letters::uuid[])
UNION ALL
SELECT d.letter_id::uuid, f.payload FROM retrier_pub.dead d JOIN reconciler_pub.failures f ON f.id = d.failure_id WHERE d.letter_id = ANY(@letters::uuid[]);

-- Unresolved records that were decided to have landed: their chunk's outcome does not say so.
-- name: ExportResolved :many
SELECT r.failure_id, r.sf_id, r.decided_at, f.run, f.key, f.generation, f.chunk, f.seq, f.idx, f.accepted_at,
       coalesce(f.attempts -> -1 ->> 'job_id', '')::text AS job_id
FROM reconciler_pub.resolutions r JOIN reconciler_pub.failures f ON f.id = r.failure_id
WHERE r.decision = 'landed' AND r.pipeline = @pipeline AND (@run::text = '' OR r.run = @run) AND r.failure_id > @after
ORDER BY r.failure_id
LIMIT @page_size;

-- Failures that the retrier has not taken yet: they are retrying, or wait for their parent.
-- name: ExportUntaken :many
SELECT f.id, f.run, f.key, f.entity, f.generation, f.class, f.code, f.message, f.fields, jsonb_array_length(f.attempts)::integer AS tries,
       coalesce(f.attempts -> -1 ->> 'job_id', '')::text AS job_id, f.chunk::text AS chunk, f.seq, f.idx, f.accepted_at, f.decided_at,
       (CASE WHEN @with_payload::boolean THEN f.payload ELSE ''::bytea END)::bytea AS payload
FROM reconciler_pub.failures f
WHERE f.pipeline = @pipeline AND (@run::text = '' OR f.run = @run) AND f.disposition = 'retry' AND f.id > @after
  AND f.chunk IN (SELECT r.chunk FROM reconciler_pub.outcome_runs r
                  WHERE r.pipeline = @pipeline AND r.retrying + r.waiting_for_parent > 0
                    AND NOT EXISTS (SELECT 1 FROM retrier_pub.taken t WHERE t.chunk = r.chunk))
ORDER BY f.id
LIMIT @page_size;

-- What the retrier keeps until it is due, retries and replays alike.
-- name: ExportWaiting :many
SELECT w.failure_id, w.letter_id, w.run, f.key, f.entity, w.generation, w.class, f.class AS last_class, f.code, f.message, f.fields,
       jsonb_array_length(f.attempts)::integer AS tries, coalesce(f.attempts -> -1 ->> 'job_id', '')::text AS job_id, f.chunk::text AS chunk,
       f.seq, f.idx, f.accepted_at, f.decided_at, w.due_at,
       (CASE WHEN @with_payload::boolean THEN f.payload ELSE ''::bytea END)::bytea AS payload
FROM retrier_pub.waiting w JOIN reconciler_pub.failures f ON f.id = w.failure_id
WHERE w.pipeline = @pipeline AND (@run::text = '' OR w.run = @run) AND w.failure_id > @after
ORDER BY w.failure_id
LIMIT @page_size;

-- How long this transaction may do nothing, while the reader of an export takes its time.
-- name: AllowIdle :exec
SELECT set_config('idle_in_transaction_session_timeout', @milliseconds::text, true);
